//! The files we generate, against what was written down (`tests/golden`) and against the programs that read them: the
//! real nft in a network namespace of its own, the real netplan below a temporary root. `EYOT_BLESS=1` rewrites the
//! golden files. Needs root, `unshare`, `nft` and `netplan`; without them the tests fail.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

use eyot_appliance::apply::firewall::prefix::{collapse, Prefix};
use eyot_appliance::apply::{firewall, network, role};
use eyot_appliance::host::{Adapter, Flags};
use eyot_appliance::paths;
use eyot_contract::settings::{resolve, Layer, Settings};
use eyot_contract::MacAddr;

fn settings(toml: &str) -> Settings {
    resolve(&[Layer::from_toml("test", toml).unwrap()]).unwrap().settings
}

fn example(name: &str) -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud-init/examples").join(name);
    settings(&std::fs::read_to_string(path).unwrap())
}

fn adapter(name: &str, index: u8, slot: &str) -> Adapter {
    Adapter {
        name: name.to_owned(),
        index: u32::from(index),
        mac: MacAddr([0x00, 0x50, 0x56, 1, 2, index]),
        driver: Some("vmxnet3".to_owned()),
        bus: Some(slot.to_owned()),
        hardware: true,
        enslaved: false,
        flags: Flags { up: false, arp: true, multicast: true, promiscuous: false },
        link: true,
        speed: None,
        addressed: false,
        default_route: false,
        mtu: 1500,
        ipv6: true,
        offloads: Default::default(),
        rings: None,
        queues: None,
        rx_frames: 0,
        tx_frames: 0,
    }
}

fn adapters() -> Vec<Adapter> {
    vec![
        adapter("ens160", 3, "0000:03:00.0"),
        adapter("ens192", 4, "0000:0b:00.0"),
        adapter("ens224", 5, "0000:13:00.0"),
    ]
}

/// The text under its golden name.
fn golden(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, text, "{} is not what is generated now", path.display());
    path
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed and cannot be run: {e}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn firewall_rules_are_what_was_written_down_and_nft_loads_them() {
    let proxied = example("proxy.toml");
    let cases = [
        ("two-monitors.nft", settings("version = 1\n"), adapters(), Some("https://portal.example")),
        ("proxy-and-port.nft", proxied, adapters(), Some("https://[2001:db8::1]:8443")),
        ("no-monitor.nft", settings("version = 1\n"), vec![adapter("eth0", 3, "0000:03:00.0")], None),
        ("ssh.nft", settings("version = 1\n[management]\nssh = \"on\"\n"), adapters(), None),
        ("no-adapter.nft", settings("version = 1\n"), Vec::new(), None),
    ];
    for (name, settings, adapters, portal) in cases {
        let roles = role::assign(&settings, &adapters);
        let rules = firewall::plan(&roles, &firewall::Ports::of(portal, &settings));
        let path = golden(name, &rules.text);
        let path = path.to_str().unwrap();
        // twice: the second loading replaces the first as a whole
        let load = format!(
            "nft -c -f {path} && nft -f {path} && nft -f {path} && nft list ruleset | grep -q rules_"
        );
        run("unshare", &["--net", "sh", "-c", &load]);
        // what undo relies on: what nft lists, nft loads, and lists the same
        let listed = tempfile::tempdir().unwrap();
        let listed = listed.path().display();
        let again = format!(
            "nft -f {path}; nft list ruleset > {listed}/a; (echo flush ruleset; cat {listed}/a) > {listed}/b; nft -f {listed}/b && nft list ruleset | cmp - {listed}/a"
        );
        run("unshare", &["--net", "sh", "-c", &again]);
    }
}

/// Sets of networks: nft refuses those that overlap, so what is given overlapping must have been collapsed.
#[test]
fn p20_rules_with_destinations_are_what_was_written_down_and_nft_loads_them() {
    let given = [
        "10.0.0.0/9",
        "10.128.0.0/9",
        "10.1.2.0/24",
        "10.1.2.3",
        "192.0.2.80",
        "2001:db8::/33",
        "2001:db8:1::/48",
    ];
    let networks = collapse(given.iter().map(|n| n.parse::<Prefix>().unwrap()));
    let settings = settings("version = 1\n");
    let roles = role::assign(&settings, &adapters());
    let ports = firewall::Ports::of(Some("https://192.0.2.80:8443"), &settings).only_to(Some(networks));
    let path = golden("destinations.nft", &firewall::plan(&roles, &ports).text);
    let path = path.to_str().unwrap();
    let load = format!(
        "nft -c -f {path} && nft -f {path} && nft -f {path} && nft list ruleset | grep -q 'daddr @allowed4'"
    );
    run("unshare", &["--net", "sh", "-c", &load]);
    let again = format!("nft -f {path}; (echo flush ruleset; nft list ruleset) > $0; nft -f $0 && nft list ruleset | grep -q 2001:db8::/33");
    let listed = tempfile::NamedTempFile::new().unwrap();
    run("unshare", &["--net", "sh", "-c", &again, listed.path().to_str().unwrap()]);
}

#[test]
fn the_rules_keep_to_the_grammar_of_nft_0_8_2() {
    let rules = firewall::plan(
        &role::assign(&settings("version = 1\n"), &adapters()),
        &firewall::Ports::of(None, &settings("version = 1\n")),
    );
    assert!(rules.text.starts_with("flush ruleset\n"));
    for line in rules.text.lines() {
        let (code, closing) = (line.trim_end(), line.matches('}').count() > line.matches('{').count());
        assert!(!closing || code.trim() == "}", "a closing brace needs its own line: {line}");
        if code.contains("priority") {
            assert!(code.contains("priority 0;"), "priorities are numbers: {line}");
        }
        for newer in ["destroy", "comment", "socket cgroupv2", "th dport", "meta hour"] {
            assert!(!code.contains(newer) || code.starts_with('#'), "{newer}: {line}");
        }
    }
}

#[test]
fn netplan_files_are_what_was_written_down_and_netplan_takes_them() {
    let ipv6 = "version = 1\n[management]\nmode = \"static\"\naddress = \"2001:db8::10/64\"\ngateway = \"2001:db8::1\"\ndns = [\"2001:db8::53\"]\n";
    let cases = [
        ("dhcp.yaml", settings("version = 1\n"), "DHCP=ipv4"),
        ("static.yaml", example("static.toml"), "Address=192.0.2.10/24"),
        ("static-ipv6.yaml", settings(ipv6), "Address=2001:db8::10/64"),
    ];
    for (name, settings, expected) in cases {
        let roles = role::assign(&settings, &adapters());
        let plan = network::plan(&settings, &roles, &adapters());
        golden(name, plan.netplan().unwrap());
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(at("/etc/netplan")).unwrap();
        std::fs::write(at(paths::NETPLAN), plan.netplan().unwrap()).unwrap();
        run("netplan", &["generate", "--root-dir", root.path().to_str().unwrap()]);
        let made = std::fs::read_to_string(at(paths::NETWORKD_GENERATED)).unwrap();
        assert!(made.contains(expected), "{made}");
        assert!(made.contains("00:50:56:01:02:03") && made.contains("RequiredForOnline=no"), "{made}");
        let files = std::fs::read_dir(at("/run/systemd/network")).unwrap().count();
        assert_eq!(files, 1, "networkd is told of the management adapter and of nothing else");

        // the generator alone, as the appliance calls it, makes the same
        std::fs::remove_file(at(paths::NETWORKD_GENERATED)).unwrap();
        let units = at("/run/units").display().to_string();
        std::fs::create_dir_all(&units).unwrap();
        run(network::GENERATOR, &["--root-dir", root.path().to_str().unwrap(), &units, &units, &units]);
        assert_eq!(std::fs::read_to_string(at(paths::NETWORKD_GENERATED)).unwrap(), made);
    }
}
