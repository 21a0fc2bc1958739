//! Situations, against the machine made of memory: every step fails in its turn, and then the machine is as before.

#![allow(clippy::unwrap_used)]

mod allowlist;
mod azure;
mod evidence;
mod trial;

use eyot_contract::settings::{resolve, Layer, Settings};
use eyot_contract::ConditionCode;

use super::*;
use crate::host::double::{adapter, Double};
use crate::host::{Adapter, Offload};

fn settings(toml: &str) -> Settings {
    resolve(&[Layer::from_toml("test", &format!("version = 1\n{toml}")).unwrap()]).unwrap().settings
}

fn two_adapters() -> Vec<Adapter> {
    let mut management = adapter("ens160", 2, Some("0000:03:00.0"));
    management.flags.up = true;
    vec![management, adapter("ens192", 3, Some("0000:0b:00.0"))]
}

fn names(roles: &Roles) -> (Option<&str>, Vec<&str>) {
    (roles.management.as_deref(), roles.capture.iter().map(String::as_str).collect())
}

#[test]
fn roles_follow_the_slot_and_not_the_name() {
    // ESXi numbers adapters by slot; names and kernel order can say otherwise
    let adapters = [
        adapter("eth0", 2, Some("0000:13:00.0")),
        adapter("eth1", 3, Some("0000:0b:00.0")),
        adapter("eth2", 4, Some("0000:03:00.0")),
    ];
    assert_eq!(names(&role::assign(&settings(""), &adapters)), (Some("eth2"), vec!["eth1", "eth0"]));
    // Hyper-V has no slots: the kernel's order
    let adapters = [adapter("eth0", 2, Some("f8615163")), adapter("eth1", 3, Some("0a1b2c3d"))];
    assert_eq!(names(&role::assign(&settings(""), &adapters)), (Some("eth0"), vec!["eth1"]));
}

#[test]
fn tunnels_bridges_and_virtual_functions_are_left_alone() {
    let mut function = adapter("enP1", 5, Some("0001:00:02.0"));
    function.enslaved = true;
    let adapters = [adapter("docker0", 2, None), adapter("ens160", 3, Some("0000:03:00.0")), function];
    let roles = role::assign(&settings(""), &adapters);
    assert_eq!(names(&roles), (Some("ens160"), vec![]));
    assert_eq!(roles.complaints[0].0, ConditionCode::NoMonitoringInterface);
}

#[test]
fn what_the_settings_name_holds() {
    let adapters = two_adapters();
    let swapped = settings("[management]\ninterface = \"pci:0b:00.0\"\n");
    assert_eq!(names(&role::assign(&swapped, &adapters)), (Some("ens192"), vec!["ens160"]));
    let by_mac = settings("[capture]\ninterfaces = [\"mac:52:54:00:00:00:02\"]\n");
    assert_eq!(names(&role::assign(&by_mac, &adapters)), (Some("ens192"), vec!["ens160"]));
}

#[test]
fn a_selector_that_matches_nothing_is_told_and_the_machine_stays_reachable() {
    let wrong = settings("[management]\ninterface = \"name:eth9\"\n");
    let roles = role::assign(&wrong, &two_adapters());
    assert_eq!(names(&roles), (Some("ens160"), vec!["ens192"]));
    let (code, detail) = &roles.complaints[0];
    assert_eq!(*code, ConditionCode::SettingsInvalid);
    assert!(
        detail.contains("management.interface: name:eth9 matches no adapter; present are ens160"),
        "{detail}"
    );

    let both =
        settings("[management]\ninterface = \"name:ens160\"\n[capture]\ninterfaces = \"name:ens160\"\n");
    let roles = role::assign(&both, &two_adapters());
    assert_eq!(names(&roles), (Some("ens160"), vec![]));
    assert!(roles.complaints[0].1.contains("ens160 is named for monitoring but is the one that manages"));
}

#[test]
fn naming_every_adapter_for_monitoring_leaves_one_to_manage() {
    let all = settings("[capture]\ninterfaces = [\"name:ens160\", \"name:ens192\"]\n");
    let roles = role::assign(&all, &two_adapters());
    assert_eq!(names(&roles), (Some("ens160"), vec!["ens192"]));
    assert_eq!(roles.complaints[0].0, ConditionCode::SettingsInvalid);
}

#[test]
fn no_adapter_at_all_is_not_a_crash() {
    let host = Double::default();
    let state = listen(&host, &settings(""), None, &mut nic::Refusals::default()).unwrap();
    assert!(state.problems.iter().any(|p| p.0 == ConditionCode::NoMonitoringInterface));
}

#[test]
fn a_capture_adapter_is_silenced_before_it_comes_up() {
    let host = Double::with_adapters(two_adapters());
    let state = listen(&host, &settings(""), None, &mut nic::Refusals::default()).unwrap();
    assert!(state.problems.is_empty(), "{:?}", state.problems);
    let log = host.take_log();
    let at =
        |what: &str| log.iter().position(|l| l == what).unwrap_or_else(|| panic!("no {what} in {log:?}"));
    let rules = log.iter().position(|l| l.starts_with("running nft -f")).unwrap();
    assert!(rules < at("ipv6 ens192"), "the firewall comes first");
    let flags: Vec<usize> = (0..log.len()).filter(|i| log[*i] == "flags ens192").collect();
    assert!(at("ipv6 ens192") < flags[0], "IPv6 is off before any flag");
    assert_eq!(flags.len(), 2, "silence first, up last");
    assert!(!log.iter().any(|l| l.contains("ens160")), "the management adapter is not touched: {log:?}");
    let capture = &host.state().adapters[1];
    assert!(capture.flags.up && capture.flags.promiscuous && !capture.flags.arp && !capture.flags.multicast);
    assert!(!capture.ipv6 && capture.offloads.values().all(|on| !on));
    assert_eq!((capture.mtu, capture.rings.unwrap().rx), (9216, 4096));
}

#[test]
fn a_second_run_changes_nothing() {
    let host = Double::with_adapters(two_adapters());
    for attempt in 0..3 {
        let state =
            listen(&host, &settings(""), Some("https://p:8443"), &mut nic::Refusals::default()).unwrap();
        let log = host.take_log();
        assert_eq!(log.is_empty(), attempt > 0, "{log:?}");
        assert_eq!(state.changes.is_empty(), attempt > 0);
    }
}

#[test]
fn p12_drivers_may_not_know_offloads_rings_or_jumbo_frames() {
    let host = Double::with_adapters(two_adapters());
    host.refuse("offload");
    host.refuse("rings");
    host.largest_mtu(2000);
    let mut refusals = nic::Refusals::default();
    let state = listen(&host, &settings(""), None, &mut refusals).unwrap();
    assert!(state.problems.is_empty(), "{:?}", state.problems);
    let capture = &host.state().adapters[1];
    assert!(capture.flags.up);
    assert_eq!(capture.mtu, 1600);
    host.take_log();
    listen(&host, &settings(""), None, &mut refusals).unwrap();
    assert!(host.take_log().is_empty(), "what was refused is not asked again");
}

#[test]
fn p13_a_monitored_adapter_gets_one_queue_where_the_driver_can() {
    for refused in [false, true] {
        let host = Double::with_adapters(two_adapters());
        if refused {
            host.refuse("queues");
        }
        let mut refusals = nic::Refusals::default();
        let state = listen(&host, &settings(""), None, &mut refusals).unwrap();
        assert!(state.problems.is_empty(), "{:?}", state.problems);
        assert_eq!(state.changes.iter().any(|c| c.contains("one receive queue")), !refused);
        let queues: Vec<_> = host.state().adapters.iter().map(|a| a.queues).collect();
        assert_eq!(
            queues,
            [Some(4), Some(if refused { 4 } else { 1 })],
            "the management adapter keeps its own"
        );
        host.take_log();
        listen(&host, &settings(""), None, &mut refusals).unwrap();
        assert!(host.take_log().is_empty());
    }
}

#[test]
fn drift_is_put_back() {
    let host = Double::with_adapters(two_adapters());
    let mut refusals = nic::Refusals::default();
    listen(&host, &settings(""), None, &mut refusals).unwrap();
    host.change(|s| {
        s.adapters[1].flags.promiscuous = false;
        s.adapters[1].offloads.insert(Offload::Gro, true);
    });
    let state = listen(&host, &settings(""), None, &mut refusals).unwrap();
    assert_eq!(state.corrected, ["ens192"]);
    assert!(state.changes[0].contains("Gro offload off") && state.changes[0].contains("promiscuous"));
    assert!(host.state().adapters[1].flags.promiscuous);
}

#[test]
fn without_rules_in_force_no_capture_adapter_is_up() {
    let host = Double::with_adapters(two_adapters());
    host.change(|s| s.adapters[1].flags.up = true);
    host.reject_rulesets();
    let state = listen(&host, &settings(""), None, &mut nic::Refusals::default()).unwrap();
    assert_eq!(state.problems[0].0, ConditionCode::FirewallFailed);
    assert!(state.problems[0].1.contains("put back as it was"), "{}", state.problems[0].1);
    let now = host.state();
    assert!(!now.adapters[1].flags.up && now.adapters[0].flags.up);
    assert_eq!(now.ruleset, "");
}

#[test]
fn rules_that_cut_the_management_interface_off_are_taken_back() {
    let host = Double::with_adapters(two_adapters());
    host.change(|s| s.ruleset = "table inet mine {\n}\n".to_owned());
    host.after_firewall(|s| s.adapters[0].flags.up = false);
    let rules = firewall::plan(
        &role::assign(&settings(""), &two_adapters()),
        &firewall::Ports::of(None, &settings("")),
    );
    let error = chain(&firewall::apply(&host, &rules, Some("ens160")).unwrap_err());
    assert!(error.contains("the management interface is down"), "{error}");
    assert_eq!(host.state().ruleset, "table inet mine {\n}\n");
    assert!(host.text(crate::paths::FIREWALL).is_none());
}

/// Runs `act` with its first, second, third… changing step failing until it succeeds; after each failure the machine
/// must be as before. Returns how many steps failed in turn.
fn every_step_fails<E: std::fmt::Debug>(
    fresh: impl Fn() -> Double,
    act: impl Fn(&Double) -> Result<(), E>,
) -> usize {
    for step in 0.. {
        let host = fresh();
        let before = host.state();
        host.fail_at(step);
        match act(&host) {
            Ok(()) => return step,
            Err(error) => assert_eq!(host.state(), before, "step {step}: {error:?}"),
        }
    }
    unreachable!("the loop has no end of its own")
}

#[test]
fn every_step_of_the_adapter_fails_in_turn() {
    let steps = every_step_fails(
        || Double::with_adapters(two_adapters()),
        |host| {
            let adapters = host.adapters().unwrap();
            nic::prepare(host, &adapters[1], &mut nic::Refusals::default()).map(drop)
        },
    );
    // IPv6, silence, seven offloads, ring, queues, MTU, up
    assert_eq!(steps, 13);
}

#[test]
fn every_step_of_the_firewall_fails_in_turn() {
    let fresh = || {
        let host = Double::with_adapters(two_adapters());
        host.change(|s| s.ruleset = "table inet before {\n}\n".to_owned());
        host.put(crate::paths::FIREWALL, "flush ruleset\ntable inet before {\n}\n");
        host
    };
    let rules = firewall::plan(
        &role::assign(&settings(""), &two_adapters()),
        &firewall::Ports::of(None, &settings("")),
    );
    let steps = every_step_fails(fresh, |host| firewall::apply(host, &rules, Some("ens160")).map(drop));
    // candidate, check, load, candidate away, file
    assert_eq!(steps, 5);
}

#[test]
fn every_step_of_the_network_fails_in_turn() {
    let settings = settings(
        "[host]\nname = \"eyot-1\"\n[management]\nmode = \"static\"\naddress = \"192.0.2.10/24\"\n[time]\nservers = \"ntp.example\"\n",
    );
    let plan = network::plan(&settings, &role::assign(&settings, &two_adapters()), &two_adapters());
    for had_before in [false, true] {
        let fresh = || {
            let host = Double::with_adapters(two_adapters());
            host.change(|s| s.hostname = "image".to_owned());
            if had_before {
                host.put(crate::paths::NETPLAN, "network: {version: 2}\n");
                host.run("netplan", &["generate"]).unwrap();
            }
            host
        };
        let steps = every_step_fails(fresh, |host| network::apply(host, &plan).map(drop));
        // what netplan made before, three files, generate, host name
        assert_eq!(steps, 5 + usize::from(had_before));
    }
}

#[test]
fn a_second_run_of_the_network_changes_nothing() {
    let host = Double::with_adapters(two_adapters());
    let plan = network::plan(&settings(""), &role::assign(&settings(""), &two_adapters()), &two_adapters());
    assert!(!network::apply(&host, &plan).unwrap().is_empty());
    host.take_log();
    assert!(network::apply(&host, &plan).unwrap().is_empty());
    assert!(host.take_log().is_empty());
}
