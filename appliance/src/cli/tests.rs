//! Everything that is done from the first boot to a connected appliance, with each step failing in its turn: by an error,
//! by the death of the process before it, by a power cut before it. Steps are not listed here: whatever the agent does to
//! the machine is one.

#![allow(clippy::unwrap_used)]

#[path = "../../../contract/client/tests/double/mod.rs"]
mod double;

use std::collections::BTreeSet;
use std::panic::{catch_unwind, AssertUnwindSafe};

use eyot_contract::{ConditionCode, HealthReport};

use self::double::{Portal, Record, Script};
use super::network;
use crate::agent::Agent;
use crate::host::double::{adapter, Death, Double, State};
use crate::host::{Access, Adapter, HostError};
use crate::paths;

const PASSWORD: &str = "pr0xy-pass";

/// Something of everything that can be set and leaves something on the machine.
fn seed(token: &str) -> String {
    format!(
        "version = 1\n[activation]\ntoken = \"{token}\"\n[host]\nname = \"eyot-lobby\"\n\
         [management]\nmode = \"static\"\naddress = \"192.0.2.10/24\"\n[time]\nservers = \"127.0.0.1\"\n\
         [proxy]\nurl = \"http://192.0.2.3:3128\"\nusername = \"sensor\"\npassword = \"{PASSWORD}\"\nexceptions = \"127.0.0.1\"\n"
    )
}

/// What an operator changes later: other rules, another address, another name, no proxy any more.
const CHANGED: &str = "version = 1\n[host]\nname = \"eyot-attic\"\n[management]\nssh = \"on\"\nmode = \"dhcp\"\naddress = \"\"\n\
                       [time]\nservers = \"\"\n[proxy]\nurl = \"\"\nusername = \"\"\npassword = \"\"\nexceptions = \"\"\n";

fn adapters() -> Vec<Adapter> {
    let mut management = adapter("ens160", 2, Some("0000:03:00.0"));
    management.flags.up = true;
    management.addressed = true;
    vec![management, adapter("ens192", 3, Some("0000:0b:00.0")), adapter("ens224", 4, Some("0000:13:00.0"))]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Error,
    Death,
    PowerCut,
}

/// A boot: the network is decided, then the daemon comes to the end of its first round.
fn boot(host: &Double) -> (anyhow::Result<u8>, Result<HealthReport, HostError>) {
    let network = network::Arguments {}.run(host);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (network, runtime.block_on(Agent::new(host).round()))
}

fn codes(report: &HealthReport) -> Vec<ConditionCode> {
    report.conditions.iter().map(|c| c.code).collect()
}

/// Everything that lasts, line by line, without what is another one each time: keys, moments.
fn settled(host: &Double) -> BTreeSet<String> {
    let state = host.state();
    let mut lines = BTreeSet::from([format!("host name {}", state.hostname)]);
    lines.extend(state.ruleset.lines().map(|line| format!("rules {line}")));
    lines.extend(state.adapters.iter().map(|adapter| format!("{adapter:?}")));
    for (path, (content, access)) in &state.files {
        let text = String::from_utf8_lossy(content);
        let differs = |line: &str| line.starts_with("# certificate ");
        let shown = match path.as_str() {
            paths::HEALTH | paths::BANNER => "",
            // it tells what the last pass found, and the one before may have found it already
            paths::FORGOTTEN => "",
            path if path.starts_with(paths::IDENTITY_DIR) => "",
            _ => &text,
        };
        lines.insert(format!("{path} {access:?}"));
        lines.extend(shown.lines().filter(|l| !differs(l)).map(|line| format!("{path} {line}")));
    }
    lines
}

/// What holds at every moment, whatever is half done.
fn never_more_open(host: &Double, at: &str) {
    let state = host.state();
    for capture in state.adapters.iter().filter(|a| a.name != "ens160") {
        let silent = !capture.flags.arp && !capture.flags.multicast && !capture.ipv6;
        let shut = state.ruleset.contains("hook output priority 0; policy drop")
            && state
                .ruleset
                .lines()
                .any(|l| l.contains("oifname {") && l.contains(&capture.name) && l.ends_with("drop"));
        assert!(
            !capture.flags.up || (silent && shut),
            "{at}: {} is up: {capture:?}\n{}",
            capture.name,
            state.ruleset
        );
    }
    assert!(state.adapters[0].flags.up, "{at}: the management interface is down");
    let whole = state.ruleset.is_empty() || state.ruleset.contains("hook input priority 0; policy drop");
    assert!(whole, "{at}: {}", state.ruleset);
    let reachable = state.files.contains_key(paths::NETPLAN);
    assert!(
        !reachable || !state.ruleset.is_empty(),
        "{at}: the network is configured and there is no firewall"
    );
    let lasting = state.files.contains_key(paths::FIREWALL);
    assert!(!reachable || lasting, "{at}: the next boot would have a network and no firewall");
    for (path, (content, access)) in &state.files {
        let text = String::from_utf8_lossy(content);
        let secret = [PASSWORD, "eyot1_", "PRIVATE KEY"].iter().any(|s| text.contains(s));
        assert!(!secret || *access != Access::Everyone, "{at}: everybody can read {path}");
        assert!(!text.is_empty(), "{at}: {path} is empty");
    }
}

/// Interrupts a boot from `start` at each of its steps in each way; the boot after that must come to the very state and
/// the very words of one that was not interrupted. Returns that state and the number of steps.
fn interrupt_each_step(start: &State, portal: &Portal) -> (State, usize) {
    let fresh = || {
        let host = Double::default();
        host.change(|s| *s = start.clone());
        host.keep_clock();
        *portal.record.lock().unwrap() = Record::default();
        host.go_on();
        host
    };
    let host = fresh();
    let (network, report) = boot(&host);
    network.unwrap();
    let steps = host.go_on();
    let (reference, words) = (settled(&host), codes(&report.unwrap()));
    let end = host.state();
    for step in 0..steps {
        for how in [How::Error, How::Death, How::PowerCut] {
            let at = format!("step {step}, {how:?}");
            let host = fresh();
            match how {
                How::Error => host.fail_at(step),
                How::Death | How::PowerCut => host.die_at(step),
            }
            match catch_unwind(AssertUnwindSafe(|| boot(&host))) {
                Err(death) => assert!(how != How::Error && death.is::<Death>(), "{at}: it panicked"),
                Ok(_) => assert_eq!(how, How::Error, "{at}: the boot has fewer steps than the one before"),
            }
            never_more_open(&host, &at);
            host.go_on();
            if how == How::PowerCut {
                host.power_cut(adapters());
                never_more_open(&host, &at);
            }
            let (network, report) = boot(&host);
            let report = report.unwrap_or_else(|e| panic!("{at}: {e}"));
            assert!(network.is_ok(), "{at}: {network:?}");
            assert_eq!(codes(&report), words, "{at}: {:?}", report.conditions);
            let differences: Vec<String> = settled(&host).symmetric_difference(&reference).cloned().collect();
            assert!(differences.is_empty(), "{at}: {differences:#?}");
            never_more_open(&host, &at);
        }
    }
    (end, steps)
}

#[test]
fn every_step_from_first_boot_to_connected_fails_in_turn_and_the_next_boot_ends_as_if_it_had_not() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let portal = runtime.block_on(Portal::start(Script::default()));
    let new = Double::with_adapters(adapters());
    new.change(|s| s.hostname = "image".to_owned());
    new.put(paths::MACHINE_ID, "0123456789abcdef0123456789abcdef\n");
    new.put(paths::SEED_SETTINGS, &seed(&portal.token().encode()));
    let (activated, steps) = interrupt_each_step(&new.state(), &portal);
    assert!(activated.files.contains_key(paths::SENSOR_CONFIG), "{:?}", activated.files.keys());
    assert!(activated.files.values().all(|(c, _)| !String::from_utf8_lossy(c).contains("eyot1_")));
    // fewer would mean that the double does not see them: files, rules, two adapters, identity, oblivion, services
    assert!(steps > 50, "{steps}");

    let changed = Double::default();
    changed.change(|s| *s = activated);
    changed.put(paths::LOCAL_SETTINGS, CHANGED);
    let (end, _) = interrupt_each_step(&changed.state(), &portal);
    assert!(!end.files.contains_key(paths::APT_PROXY) && end.ruleset.contains("443, 22"), "{}", end.ruleset);
}
