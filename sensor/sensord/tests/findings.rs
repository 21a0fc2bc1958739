//! Findings, decisions and the bench, as people and programs call them.

#![allow(clippy::unwrap_used)]

// this portal only takes
#[allow(dead_code)]
#[path = "support/portal.rs"]
mod portal;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use eyot_capture::{Frame, LinkType};
use eyot_contract::{FindingKind, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_findings::{Findings, Policy};
use eyot_inventory::{Inventory, Store};
use portal::{Answer, Offers, Pki, Portal};
use serde_json::Value;
use support::{arp, mac, pcap};

/// Telnet's first bytes from device `n` to device `to` (RFC 854).
fn telnet(n: u8, to: u8) -> Vec<u8> {
    let payload = b"\xff\xfd\x18\xff\xfb\x01Welcome\r\nlogin: ";
    let mut frame = vec![0x00, 0x11, 0x22, 0x33, 0x44, to, 0x00, 0x11, 0x22, 0x33, 0x44, n, 0x08, 0x00];
    frame.extend([
        0x45,
        0,
        0,
        40 + payload.len() as u8,
        0,
        1,
        0,
        0,
        64,
        6,
        0,
        0,
        192,
        168,
        1,
        n,
        192,
        168,
        1,
        to,
    ]);
    frame.extend([0, 23, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

/// A datagram from device `n` to 198.51.100.66.
fn beacon(n: u8) -> Vec<u8> {
    let mut frame = vec![0x00, 0x11, 0x22, 0x33, 0x44, 0xfe, 0x00, 0x11, 0x22, 0x33, 0x44, n, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0, 192, 168, 1, n, 198, 51, 100, 66]);
    frame.extend([0x9c, 0x40, 0x1f, 0x90, 0, 9, 0, 0, b'x']);
    frame
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(dir: &Path, args: &[&str]) -> Run {
    let output =
        Command::new(env!("CARGO_BIN_EXE_eyot-sensor")).current_dir(dir).args(args).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A database in which device 1 serves Telnet and devices 1 to 3 are known.
fn database(dir: &Path) {
    let (mut inventory, mut dissector) = (Inventory::new(), Dissector::new(Limits::default()));
    let mut findings = Findings::new(Policy::default());
    for bytes in [arp(1), arp(2), arp(3), telnet(1, 2)] {
        let at = Timestamp::now();
        let wire_len = bytes.len() as u32;
        let frame = Frame { at, link: LinkType::ETHERNET, bytes: &bytes, wire_len, vlan: None };
        let summary = inventory.frame(&mut dissector, &frame);
        findings.frame(at, &summary, &inventory);
    }
    let mut store = Store::open(dir.join("inventory.sqlite")).unwrap();
    store.save(&mut inventory, true, &[], Timestamp::now()).unwrap();
    findings.save(&mut store, true, Timestamp::now()).unwrap();
}

#[test]
fn a_capture_file_with_and_without_a_threat_list() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("day.pcap"), pcap(&[(10, arp(1)), (11, telnet(1, 2)), (12, beacon(2))])).unwrap();
    fs::write(dir.join("feed.txt"), "198.51.100.66 # command and control\n").unwrap();
    let plain = run(dir, &["findings", "day.pcap"]);
    assert_eq!((plain.code, plain.err.as_str()), (0, ""));
    assert!(plain.out.contains("192.168.1.1 answers as a Telnet server (port 23)"), "{}", plain.out);
    assert!(plain.out.ends_with("1 finding: 1 high, 0 medium, 0 low, 0 info\n"), "{}", plain.out);

    let compared = run(dir, &["findings", "--format", "ndjson", "--threats", "feed.txt", "day.pcap"]);
    let found: Vec<Value> = compared.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = found.iter().map(|f| f["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["malicious_address", "clear_telnet"]);
    assert_eq!(found[0]["mac"], mac(2));
    assert_eq!(found[0]["technique"], "T1071");
    assert_eq!(found[0]["evidence"][0]["destination"], "198.51.100.66");
    assert!(found[0]["remedy"].as_str().unwrap().starts_with("Isolate"));

    let csv = run(dir, &["findings", "--format", "csv", "--kind", "clear_telnet", "day.pcap"]);
    let lines: Vec<&str> = csv.out.split("\r\n").collect();
    assert_eq!((lines.len(), lines[1].split(',').next()), (3, Some("clear_telnet/00:11:22:33:44:01/23")));

    let missing = run(dir, &["findings", "--threats", "none.txt", "day.pcap"]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("threat list none.txt: cannot be read"), "{}", missing.err);
    assert_eq!(run(dir, &["findings", "--kind", "nonsense", "day.pcap"]).code, 2);
}

#[test]
fn kinds_are_listed_and_the_database_is_asked_beside_the_sensor() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let kinds = run(dir, &["findings", "--kinds"]);
    assert_eq!(kinds.out.lines().count(), eyot_contract::FINDING_KINDS.len() + 1);
    let none = run(dir, &["findings", "--database", "inventory.sqlite"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("inventory.sqlite: cannot be opened"), "{}", none.err);
    database(dir);
    let found = run(dir, &["findings", "--database", "inventory.sqlite", "--mac", &mac(1)]);
    assert!(found.out.contains("clear_telnet"), "{}", found.out);
    let other = run(dir, &["findings", "--database", "inventory.sqlite", "--mac", &mac(2)]);
    assert!(other.out.ends_with("0 findings: 0 high, 0 medium, 0 low, 0 info\n"), "{}", other.out);
}

#[test]
fn decisions_by_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    database(dir);
    let [one, two, three] = [1, 2, 3].map(mac);
    let decide = |args: &[&str]| run(dir, &[&["devices", "--database", "inventory.sqlite"], args].concat());
    for args in [
        &["merge", &one, &two][..],
        &["set", &one, "type", "camera"],
        &["authorize", &one, "yes"],
        &["delete", &three],
    ] {
        let Run { code, out, err } = decide(args);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""), "{args:?}");
    }
    let listed = decide(&["--format", "ndjson"]);
    let devices: Vec<Value> = listed.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(devices.len(), 1, "{}", listed.out);
    assert_eq!(devices[0]["type"], "camera");
    assert_eq!(devices[0]["managed"]["macs"], serde_json::json!([two]));
    assert_eq!(devices[0]["managed"]["authorized"], true);
    let csv = decide(&["--format", "csv"]);
    let lines: Vec<&str> = csv.out.split("\r\n").collect();
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    let explained = run(dir, &["explain", "--database", "inventory.sqlite", &two]);
    assert!(explained.out.contains("set by hand") && explained.out.contains(&two), "{}", explained.out);
    for (args, said) in [
        (&["unmerge", &three][..], "is not merged with another device"),
        (&["set", &one, "type", "teapot"], "\"teapot\" is not a device type"),
        (&["merge", &one, "00:11:22:33:44:99"], "no such device is known"),
    ] {
        let Run { code, err, .. } = decide(args);
        assert_eq!(code, 1);
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn the_bench_says_how_much_and_for_which_size() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let result = run(dir, &["bench", "--seconds", "1", "--format", "json"]);
    let json: Value = serde_json::from_str(&result.out).unwrap();
    assert!(
        json["mpps_per_core"].as_f64().unwrap() > 0.0 && json["frames"].as_u64().unwrap() > 10_000,
        "{json:#}"
    );
    assert!(json["devices"].as_u64().unwrap() >= 250);
    fs::write(dir.join("empty.pcap"), pcap(&[])).unwrap();
    let Run { code, err, .. } = run(dir, &["bench", "empty.pcap"]);
    assert_eq!((code, err.as_str()), (1, "eyot-sensor: there are no frames to measure with\n"));
}

struct Sensor(Child);

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_portal_gets_findings_and_the_running_sensor_follows_decisions() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let dir = dir.path();
    const LIST: &str = "198.51.100.66\nbad.example # comes in several parts\n";
    let portal = Portal::offering(&pki, 0, Offers { threats: Some(LIST), settings: None }, |_| Answer::Take);
    pki.write(dir, portal.port());
    database(dir);
    let mut command = Command::new(env!("CARGO_BIN_EXE_eyot-sensor"));
    let _sensor = Sensor(
        command.args(["run", "--config"]).arg(dir.join("sensor.toml")).stderr(Stdio::null()).spawn().unwrap(),
    );
    let (mut devices, mut findings) = (0, Vec::new());
    while devices < 3 || findings.is_empty() {
        let (batch, _) = portal.next();
        devices += batch.devices.len();
        findings.extend(batch.findings);
    }
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].kind, findings[0].mac), (FindingKind::ClearTelnet, mac(1).parse().ok()));

    let kept = dir.join("portal-threats");
    let until = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&kept).unwrap_or_default() != LIST {
        assert!(Instant::now() < until, "the portal's threat list did not come");
        sleep(Duration::from_millis(50));
    }

    let decided = run(dir, &["devices", "--database", "inventory.sqlite", "set", &mac(1), "model", "P1435"]);
    assert_eq!((decided.code, decided.err.as_str()), (0, ""));
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < until, "the decision was not reported");
        let (batch, _) = portal.next();
        if batch.devices.iter().any(|d| d.model.as_deref() == Some("P1435")) {
            break;
        }
        sleep(Duration::from_millis(50));
    }
}
