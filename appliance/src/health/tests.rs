//! Situations and the one phrase for each.

#![allow(clippy::unwrap_used)]

use eyot_contract::settings::{resolve, Layer, Settings};
use eyot_contract::{ConditionCode, Level, SensorStatus, SpoolStatus, Timestamp};

use super::validate::{self, Outcome};
use super::*;
use crate::apply::firewall::trial::Trial;
use crate::apply::{firewall, role, Roles};
use crate::host::double::{adapter, Double};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn listening() -> Listening {
    let roles = Roles {
        management: Some("ens160".to_owned()),
        capture: vec!["ens192".to_owned()],
        ..Roles::default()
    };
    Listening { roles, ..Listening::default() }
}

fn adapters(received: u64, link: bool) -> Vec<Adapter> {
    let mut capture = adapter("ens192", 3, Some("0000:0b:00.0"));
    (capture.rx_frames, capture.link) = (received, link);
    vec![adapter("ens160", 2, Some("0000:03:00.0")), capture]
}

fn active(acknowledged: Option<Result<(), (ConditionCode, String)>>) -> Activation {
    Activation::Active { detail: "lobby at https://p".to_owned(), acknowledged }
}

fn phrases(
    activation: Activation,
    running: bool,
    change: impl Fn(&mut Observation<'_>),
) -> Vec<ConditionCode> {
    let (listening, adapters, traffic) = (listening(), adapters(1, true), Traffic::default());
    let mut seen = Observation {
        adapters: &adapters,
        listening: &listening,
        settings_problem: None,
        activation,
        sensor_running: running,
        sensor: (None, None),
        drifted: &[],
        traffic: &traffic,
        besides: &[],
        now: at(0),
    };
    change(&mut seen);
    conditions(&seen).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn each_situation_has_its_phrase() {
    use ConditionCode as C;
    let plain = |_: &mut Observation<'_>| {};
    assert_eq!(phrases(Activation::Pending, false, plain), [C::PendingActivation]);
    assert_eq!(phrases(active(None), true, plain), [C::Activating]);
    assert_eq!(phrases(active(Some(Ok(()))), true, plain), [C::Connected]);
    assert_eq!(phrases(active(Some(Ok(()))), false, plain), [C::SensorStopped, C::Connected]);
    let dns = Some(Err((C::EndpointDns, "no name".to_owned())));
    assert_eq!(phrases(active(dns), true, plain), [C::EndpointDns]);
    assert_eq!(phrases(Activation::Failed(C::ClockDrift, "x".to_owned()), false, plain), [C::ClockDrift]);
    let wrong = |s: &mut Observation<'_>| s.settings_problem = Some("host.name".to_owned());
    assert_eq!(phrases(Activation::Unknown, false, wrong), [C::SettingsInvalid]);
    let drops = |s: &mut Observation<'_>| {
        let (before, now) = (
            SensorStatus { frames: 1000, ..SensorStatus::default() },
            SensorStatus { frames: 1900, dropped: 100, ..SensorStatus::default() },
        );
        s.sensor = (Some(now), Some(before));
    };
    assert_eq!(phrases(active(Some(Ok(()))), true, drops), [C::Connected, C::CaptureLoss]);
    let restarted = |s: &mut Observation<'_>| {
        let before = SensorStatus { frames: 1000, dropped: 500, ..SensorStatus::default() };
        s.sensor = (Some(SensorStatus { dropped: 1, ..SensorStatus::default() }), Some(before));
    };
    assert_eq!(phrases(active(Some(Ok(()))), true, restarted), [C::Connected], "counters begin anew");
    let waiting = |s: &mut Observation<'_>| {
        let spool = SpoolStatus { waiting: 7, oldest: Some(at(-301)), ..SpoolStatus::default() };
        s.sensor = (Some(SensorStatus { spool, ..SensorStatus::default() }), None);
    };
    assert_eq!(phrases(active(Some(Ok(()))), true, waiting), [C::Connected, C::UploadDelayed]);
}

#[test]
fn a_quiet_mirror_is_told_after_a_while_and_a_missing_link_by_name() {
    let listening = listening();
    let mut traffic = Traffic::default();
    traffic.look(&adapters(5, true), at(0));
    let silence = |t: &Traffic, a: &[Adapter], s: i64| t.silence(&listening.roles, a, at(s));
    assert_eq!(silence(&traffic, &adapters(5, true), QUIET_S - 1), None);
    let words = silence(&traffic, &adapters(5, true), QUIET_S).unwrap();
    assert!(words.contains("ens192 has a link but received nothing"), "{words}");
    assert_eq!(silence(&traffic, &adapters(5, false), QUIET_S).unwrap(), "ens192 has no link");
    traffic.look(&adapters(6, true), at(QUIET_S));
    assert_eq!(silence(&traffic, &adapters(6, true), QUIET_S + 1), None);
}

#[test]
fn a_condition_keeps_its_date_and_the_worst_comes_first() {
    let mut ledger = Ledger::default();
    let quiet = || (ConditionCode::NoTraffic, "a".to_owned());
    let fine = || (ConditionCode::Connected, "b".to_owned());
    ledger.date(vec![fine()], at(0));
    let dated = ledger.date(vec![fine(), quiet(), quiet()], at(60));
    assert_eq!(
        dated.iter().map(|c| c.code).collect::<Vec<_>>(),
        [ConditionCode::NoTraffic, ConditionCode::Connected]
    );
    assert_eq!((dated[0].since, dated[1].since), (at(60), at(0)));
    assert_eq!(dated[0].detail, "a; a");
    assert_eq!(dated[0].code.level(), Level::Critical);
    ledger.date(vec![fine()], at(120));
    assert_eq!(ledger.date(vec![quiet()], at(180))[0].since, at(180), "it went and came back");
}

#[test]
fn the_console_shows_the_phrase_the_remedy_and_the_address() {
    let host = Double::default();
    let mut ledger = Ledger::default();
    let conditions = ledger.date(vec![(ConditionCode::NoTraffic, "a\\b".to_owned())], at(0));
    let report =
        report(&host, conditions, &adapters(0, false), &listening().roles, &SensorStatus::default(), at(0));
    let text = banner::text(&report);
    assert!(text.contains("No traffic detected: a\\\\b\n    > check that the mirror"), "{text}");
    assert!(text.contains("\\4{ens160}") && !text.contains("\\4{ens192}"), "{text}");
}

#[test]
fn the_sensors_own_words_are_read() {
    let host = Double::default();
    host.put(
        paths::SENSOR_STATUS,
        r#"{"version":"0.1.0","frames":10,"dropped":2,"devices":3,"interfaces":[{"name":"e"}],
            "spool":{"waiting":1,"in_flight":0,"dropped":0,"oldest":"2026-01-01T00:00:00Z"},"last_error":null}"#,
    );
    let status = sensor_status(&host).unwrap();
    assert_eq!((status.frames, status.dropped, status.devices, status.spool.waiting), (10, 2, 3, 1));
}

mod the_management_network {
    use super::*;
    use crate::health::{management, watch};
    use crate::host::Resources;
    use eyot_contract::MacAddr;

    const ADDRESS: &str = "3: ens160    inet 192.0.2.10/24 brd 192.0.2.255 scope global ens160\n";

    fn complaints(host: &Double, link: bool, reached: bool) -> Vec<(ConditionCode, String)> {
        let mut adapters = adapters(1, true);
        adapters[0].link = link;
        management::look(host, &adapters, &listening().roles, reached).unwrap().complaints
    }

    #[test]
    fn its_faults_are_found_in_the_order_of_their_causes() {
        use ConditionCode as C;
        let host = Double::default();
        assert_eq!(complaints(&host, false, false), [(C::ManagementDown, "ens160 has no link".to_owned())]);
        assert_eq!(complaints(&host, true, true)[0].0, C::NoManagementAddress);

        host.says("ip -o addr show dev ens160 scope global", ADDRESS);
        assert_eq!(complaints(&host, true, true), []);
        assert_eq!(
            complaints(&host, true, false),
            [(C::GatewayUnreachable, "ens160 has no gateway".to_owned())]
        );

        host.says("ip -o -4 route show default", "default via 192.0.2.1 dev ens160 proto static\n");
        assert_eq!(complaints(&host, true, false), [], "nothing is known against it");
        host.says("ip -o neigh show 192.0.2.1 dev ens160", "192.0.2.1  FAILED\n");
        assert_eq!(
            complaints(&host, true, false),
            [(C::GatewayUnreachable, "192.0.2.1 does not answer on ens160".to_owned())]
        );
        assert_eq!(complaints(&host, true, true), [], "who reaches the portal needs no other");

        host.neighbour("192.0.2.10".parse().unwrap(), MacAddr([2, 0, 0, 0, 0, 9]));
        assert_eq!(
            complaints(&host, true, true),
            [(C::DuplicateAddress, "02:00:00:00:00:09 has 192.0.2.10 too".to_owned())]
        );
    }

    #[test]
    fn p21_a_disk_that_fills_is_told_before_it_is_full() {
        let disk = |disk, disk_free| watch::disk(&Resources { disk, disk_free, ..Resources::default() });
        let gib = 1 << 30;
        assert_eq!(disk(250 * gib, 20 * gib), None);
        assert_eq!(disk(250 * gib, 12 * gib).unwrap().0, ConditionCode::DiskFull);
        assert!(disk(4 * gib, gib / 2).unwrap().1.contains("512 MiB of 4096 MiB"));
        // on a disk that small a gibibyte would be too much to ask for
        assert_eq!(disk(gib, 3 * gib / 4), None);
    }
}

#[test]
fn rules_on_trial_are_called_that_and_until_when() {
    let mut management = adapter("ens160", 2, Some("0000:03:00.0"));
    management.flags.up = true;
    let host = Double::with_adapters(vec![management, adapter("ens192", 3, Some("0000:0b:00.0"))]);
    let settings = |toml: &str| resolve(&[Layer::from_toml("test", toml).unwrap()]).unwrap().settings;
    let (old, new) = (settings("version = 1"), settings("version = 1\n[management]\nssh = \"on\""));
    let roles = role::assign(&old, &host.adapters().unwrap());
    let plan = |settings: &Settings| firewall::plan(&roles, &firewall::Ports::of(None, settings));
    firewall::apply(&host, &plan(&old), Some("ens160")).unwrap();
    assert_eq!(validate::rules(&host, &old, &roles, None).outcome, Outcome::Passed);
    let trial = Trial::begin(&host, &plan(&new), Some("ens160"), std::process::id()).unwrap().unwrap();
    let check = validate::rules(&host, &new, &roles, None);
    assert_eq!(check.outcome, Outcome::Warning);
    assert!(check.detail.contains(&format!("on trial until {};", trial.until)), "{}", check.detail);
    assert!(trial.until > Timestamp::now());
    // somebody else has loaded others meanwhile
    host.change(|s| s.ruleset = "table inet mine {\n}\n".to_owned());
    assert_eq!(validate::rules(&host, &new, &roles, None).code, Some(ConditionCode::FirewallFailed));
}
