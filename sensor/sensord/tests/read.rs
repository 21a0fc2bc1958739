//! `eyot-sensor read` and its siblings, as people and programs call them.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use assert_cmd::Command;
use serde_json::Value;
use support::{arp, dhcp_request, mac, pcap, pcapng};

fn sensor() -> Command {
    Command::cargo_bin("eyot-sensor").unwrap()
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(dir: &tempfile::TempDir, args: &[&str]) -> Run {
    let output = sensor().current_dir(dir.path()).args(args).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Two days of one small site: a camera that asks for an address, and a device that only claims one.
fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let day = 86_400_u32;
    fs::write(
        dir.path().join("monday.pcap"),
        pcap(&[(10 * day, dhcp_request(1, "DCS-935L")), (10 * day + 1, arp(1)), (10 * day + 2, arp(2))]),
    )
    .unwrap();
    // read after the other, though it is older
    fs::write(dir.path().join("sunday.pcapng"), pcapng(&[(9 * day, arp(1))])).unwrap();
    dir
}

#[test]
fn many_files_are_one_site() {
    let dir = site();
    let Run { code, out, err } = run(&dir, &["read", "--format", "ndjson", "monday.pcap", "sunday.pcapng"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let devices: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(devices.len(), 2);
    let camera = &devices[0];
    assert_eq!(camera["mac"], mac(1));
    assert_eq!(camera["ips"], serde_json::json!(["192.0.2.1"]));
    assert_eq!(camera["hostname"], "DCS-935L");
    assert_eq!(camera["frames"], 3);
    assert_eq!(camera["first_seen"], "1970-01-10T00:00:00Z");
    assert_eq!(camera["last_seen"], "1970-01-11T00:00:01Z");
    assert_eq!(camera["protocols"], serde_json::json!(["arp", "dhcp"]));
    for key in ["vendor", "model", "type", "class", "os", "firmware", "confidence", "evidence"] {
        assert!(camera.as_object().unwrap().contains_key(key), "{key}");
    }
    assert!(devices[1]["hostname"].is_null());
}

#[test]
fn the_table_has_a_line_per_device_and_says_how_many() {
    let dir = site();
    let Run { code, out, .. } = run(&dir, &["read", "monday.pcap"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("MAC                IP         HOSTNAME"), "{out}");
    assert!(lines[1].starts_with("00:11:22:33:44:01  192.0.2.1  DCS-935L"), "{out}");
    assert!(lines[2].starts_with("00:11:22:33:44:02  192.0.2.2  -"), "{out}");
    assert!(lines[1].ends_with("1970-01-11 00:00"), "{out}");
    assert_eq!(lines[3], "2 devices");
}

#[test]
fn csv_has_a_header_and_crlf() {
    let dir = site();
    let Run { out, .. } = run(&dir, &["read", "--format", "csv", "monday.pcap"]);
    let lines: Vec<&str> = out.split("\r\n").collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("mac,ips,vlans,hostname,vendor,model,type,class"));
    assert!(lines[1].starts_with("00:11:22:33:44:01,192.0.2.1,,DCS-935L,"), "{out}");
    assert_eq!(lines[1].split(',').count(), lines[0].split(',').count());
}

#[test]
fn a_file_that_cannot_be_read_fails_the_command_and_the_others_are_read() {
    let dir = site();
    fs::write(dir.path().join("notes.txt"), "not packets").unwrap();
    fs::write(dir.path().join("empty.pcap"), "").unwrap();
    let files = ["read", "--format", "ndjson", "gone.pcap", "notes.txt", "empty.pcap", "monday.pcap"];
    let Run { code, out, err } = run(&dir, &files);
    assert_eq!(code, 1);
    assert_eq!(out.lines().count(), 2);
    assert_eq!(
        err.lines().collect::<Vec<_>>(),
        [
            "eyot-sensor: gone.pcap: cannot be read: No such file or directory (os error 2)",
            "eyot-sensor: notes.txt: not a capture file (byte 0 begins with 6e 6f 74 20); give a pcap or pcapng \
             capture, plain or compressed with gzip or zstd",
            "eyot-sensor: empty.pcap: the file is empty; give a pcap or pcapng capture",
        ]
    );
}

#[test]
fn an_interrupted_capture_is_read_as_far_as_it_goes() {
    let dir = site();
    let whole = fs::read(dir.path().join("monday.pcap")).unwrap();
    fs::write(dir.path().join("cut.pcap"), &whole[..whole.len() - 5]).unwrap();
    let Run { code, out, err } = run(&dir, &["read", "--format", "ndjson", "cut.pcap"]);
    assert_eq!((code, out.lines().count()), (0, 1));
    let offset = whole.len() - 16 - arp(2).len();
    assert_eq!(
        err,
        format!(
            "eyot-sensor: warning: cut.pcap: ends inside the record at byte {offset} (58 bytes needed, 53 there); \
             the frames before it were read\n"
        )
    );
}

#[test]
fn frames_of_a_link_that_is_not_read_are_mentioned() {
    let dir = site();
    let mut other = fs::read(dir.path().join("monday.pcap")).unwrap();
    other[20..24].copy_from_slice(&147_u32.to_le_bytes());
    fs::write(dir.path().join("user0.pcap"), other).unwrap();
    let Run { code, err, .. } = run(&dir, &["read", "user0.pcap"]);
    assert_eq!(code, 0);
    assert_eq!(err, "eyot-sensor: warning: user0.pcap: 3 of 3 frames are of a link type that is not read\n");
}

#[test]
fn standard_input_is_read_too() {
    let dir = site();
    let output = sensor()
        .args(["read", "--format", "ndjson", "-"])
        .write_stdin(fs::read(dir.path().join("monday.pcap")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}

#[test]
fn explain_shows_readings_addresses_and_reasons() {
    let dir = site();
    let Run { code, out, .. } = run(&dir, &["explain", "00:11:22:33:44:01", "monday.pcap"]);
    assert_eq!(code, 0);
    for expected in
        ["hostname    DCS-935L", "192.0.2.1  yes  arp", "dhcp.hostname", "why", "dhcp.parameter_list"]
    {
        assert!(out.contains(expected), "{expected:?} is missing in\n{out}");
    }
    let json = run(&dir, &["explain", "--format", "json", "00:11:22:33:44:01", "monday.pcap"]);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["device"]["hostname"], "DCS-935L");
    assert_eq!(document["addresses"][0]["own"], true);

    let nobody = run(&dir, &["explain", "00:11:22:33:44:99", "monday.pcap"]);
    assert_eq!(nobody.code, 1);
    assert_eq!(
        nobody.err,
        "eyot-sensor: 00:11:22:33:44:99: no such device was seen; `eyot-sensor devices` lists those that were\n"
    );
    assert_eq!(run(&dir, &["explain", "nonsense", "monday.pcap"]).code, 2);
}

#[test]
fn lists_of_interfaces_and_protocols_come_as_table_and_json() {
    let dir = site();
    let interfaces = run(&dir, &["interfaces"]);
    assert!(interfaces.out.starts_with("name ") && interfaces.out.contains("\nlo "), "{}", interfaces.out);
    let json: Value = serde_json::from_str(&run(&dir, &["interfaces", "--format", "json"]).out).unwrap();
    assert!(json.as_array().unwrap().iter().any(|i| i["name"] == "lo" && i["loopback"] == true));
    let protocols = run(&dir, &["protocols"]);
    assert!(protocols.out.contains("\ndhcp "), "{}", protocols.out);
    let json: Value = serde_json::from_str(&run(&dir, &["protocols", "--format", "json"]).out).unwrap();
    let dhcp = json.as_array().unwrap().iter().find(|p| p["name"] == "dhcp").unwrap();
    assert!(dhcp["fields"].as_array().unwrap().iter().any(|f| f["name"] == "dhcp.hostname"));
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["read", "run", "devices", "explain", "findings", "interfaces", "protocols", "bench"] {
        let output = sensor().args([command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Example"), "{command}: {text}");
    }
}

#[test]
fn devices_without_a_database_says_which_file() {
    let dir = site();
    let Run { code, err, .. } = run(&dir, &["devices", "--database", "none.sqlite"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("eyot-sensor: none.sqlite: cannot be opened as an inventory"), "{err}");
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_with_its_line() {
    let dir = site();
    fs::write(dir.path().join("sensor.toml"), "version = 1\ninterfaces = [\"lo\"]\nportal_url = \"x\"\n")
        .unwrap();
    let Run { code, err, .. } = run(&dir, &["run", "--config", "sensor.toml"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("eyot-sensor: sensor.toml:3: unknown field `portal_url`"), "{err}");
    fs::write(dir.path().join("sensor.toml"), "version = 1\ninterfaces = [\"lo\"]\n").unwrap();
    let Run { code, out, .. } = run(&dir, &["run", "--check", "--config", "sensor.toml"]);
    assert_eq!(code, 0);
    assert!(out.contains("inventory.sqlite"), "{out}");
}
