//! Reads every capture of the shared folder, many of them malformed on purpose, and prints what was found per protocol.
//!
//! Needs ../shared beside the repository, or its place in EYOT_SHARED, and is therefore run only on demand:
//! `cargo test -p eyot-dissect --test shared_captures -- --ignored --nocapture`.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eyot_capture::{Frame, LinkType};
use eyot_dissect::{Dissector, Field, Limits};

fn shared() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("EYOT_SHARED").map_or_else(beside, PathBuf::from).join("captures");
    assert!(folder.is_dir(), "no captures in {}: set EYOT_SHARED to the shared folder", folder.display());
    folder
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
#[ignore = "needs ../shared"]
fn every_capture_is_read_to_its_end() {
    let mut paths = Vec::new();
    files(&shared(), &mut paths);
    let mut captures = 0;
    let mut fields: BTreeMap<Field, u64> = BTreeMap::new();
    let mut totals: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for path in &paths {
        let Some(packets) = support::read_capture(&std::fs::read(path).unwrap()) else { continue };
        captures += 1;
        // limits as on a machine, and some that every capture runs into
        for limits in [Limits::default(), Limits { max_flows: 4, max_flow_bytes: 700, max_collecting: 1 }] {
            let mut dissector = Dissector::new(limits);
            for packet in &packets {
                let frame = Frame {
                    at: packet.at,
                    link: LinkType(packet.link),
                    bytes: &packet.bytes,
                    wire_len: packet.wire_len,
                    vlan: None,
                };
                dissector.frame(&frame, &mut |o| {
                    assert!(!o.value.is_empty() && o.value.len() <= eyot_dissect::MAX_VALUE_BYTES);
                    assert!(!o.value.chars().any(char::is_control), "{}: {o:?}", path.display());
                    assert!(!o.mac.is_multicast());
                    if limits == Limits::default() {
                        *fields.entry(o.field).or_default() += 1;
                    }
                });
            }
            let counters = dissector.counters();
            assert_eq!(counters.frames, packets.len() as u64);
            if limits == Limits::default() {
                for protocol in counters.protocols {
                    let total = totals.entry(protocol.name).or_default();
                    total.0 += protocol.messages;
                    total.1 += protocol.malformed;
                    total.2 += protocol.readings;
                }
            }
        }
    }
    assert!(captures > 0, "no capture file among {} files", paths.len());
    println!("{captures} captures");
    for (name, (messages, malformed, readings)) in totals {
        println!("{name:12} {messages:8} messages {malformed:8} malformed {readings:8} readings");
    }
    for (field, count) in fields {
        println!("{:24} {count:8}", field.name());
    }
}
