//! What the sensor has learnt survives a kill at any moment: a child process learns and saves as fast as it can, is killed
//! again and again, and everything it said it had saved must be there.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{Finding, FindingKind, MacAddr, Severity, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::{Spool, Store};

/// Tells the child which file to work on.
const FILE: &str = "EYOT_TEST_KILL_FILE";
const ROUNDS: u32 = 20;

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([0x00, 0x11, a, b, c, d])
}

fn arp(n: u32) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac(n).0);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac(n).0);
    let [_, _, c, d] = n.to_be_bytes();
    frame.extend([10, 1, c, d, 0, 0, 0, 0, 0, 0, 10, 1, c, d]);
    frame
}

fn finding(n: u32) -> Finding {
    Finding {
        id: format!("new_device/{}/", mac(n)),
        kind: FindingKind::NewDevice,
        severity: Severity::Info,
        mac: Some(mac(n)),
        summary: String::new(),
        first_seen: Timestamp(i64::from(n)),
        last_seen: Timestamp(i64::from(n)),
        count: 1,
        evidence: Vec::new(),
    }
}

/// Not a test of its own: does the child's work when it is one, and nothing otherwise.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let mut store = Store::open(&path).unwrap();
    let mut inventory = store.load().unwrap();
    let mut spool = Spool::open(&path).unwrap();
    let mut dissector = Dissector::new(Limits::default());
    let mut out = std::io::stdout();
    for n in inventory.len() as u32 + 1.. {
        let bytes = arp(n);
        let at = Timestamp(i64::from(n));
        let frame = Frame { at, link: LinkType::ETHERNET, bytes: &bytes, wire_len: 42, vlan: None };
        inventory.frame(&mut dissector, &frame);
        store.save_findings(&[(&finding(n), false)], &[], &[], at).unwrap();
        store.save(&mut inventory, true, &[mac(n)], at).unwrap();
        if n % 3 == 0 {
            let batch = spool.next(2, at).unwrap().unwrap();
            spool.acknowledge(batch.sequence).unwrap();
            writeln!(out, "\nacknowledged {}", batch.sequence).unwrap();
        }
        writeln!(out, "\nsaved {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn everything_that_was_saved_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let (mut saved, mut acknowledged) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut take = |line: String| {
            if let Some(n) = line.strip_prefix("saved ") {
                saved = n.parse::<u32>().unwrap();
            } else if let Some(n) = line.strip_prefix("acknowledged ") {
                acknowledged = n.parse::<u64>().unwrap();
            }
            line.starts_with("saved ")
        };
        let mut seen = 0;
        while seen <= round {
            let line = lines.next().expect("the child ended by itself");
            seen += u32::from(take(line));
        }
        // somewhere inside a save
        std::thread::sleep(Duration::from_micros(u64::from(round) * 350));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            take(line);
        }
        check(&path, saved, acknowledged);
    }
    assert!(saved >= ROUNDS * (ROUNDS + 1) / 2, "{saved}");
}

fn check(path: &Path, saved: u32, acknowledged: u64) {
    let database = rusqlite::Connection::open(path).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let inventory = Store::open(path).unwrap().load().unwrap();
    // one more may have been saved that there was no time to tell of
    let count = inventory.len() as u32;
    assert!(count == saved || count == saved + 1, "{count} devices after {saved} were saved");
    for n in 1..=count {
        let device = inventory.device(mac(n)).unwrap();
        assert_eq!(device.ips().len(), 1, "device {n}");
    }
    let found = Store::open(path).unwrap().findings().unwrap().len() as u32;
    assert!((count..=count + 1).contains(&found), "{found} findings beside {count} devices");
    let state = Spool::open(path).unwrap().state().unwrap();
    assert!(state.sequence == acknowledged || state.sequence == acknowledged + 1);
    let told = acknowledged * 2;
    let kept = state.waiting + state.in_flight;
    // an acknowledgement that was carried out but not told of takes one batch away
    assert!(
        told + kept == u64::from(count) || told + kept + 2 == u64::from(count),
        "{told} told, {kept} kept, {count} devices"
    );
}
