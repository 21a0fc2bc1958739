//! The real devices of `docs/devices.md`, found again in their captures: what we print about each, and which packet said so.
//!
//! Needs ../shared beside the repository, or its place in EYOT_SHARED, and is therefore run only on demand:
//! `cargo test -p eyot-sensor --test known_devices -- --ignored`. With EYOT_BLESS=1 the table's answers are rewritten for the
//! captures and addresses that stand in it; look at every changed line before it is kept.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eyot_capture::file::FileSource;
use eyot_capture::{Pulled, Source};
use eyot_contract::{Attribute, DeviceRecord, DeviceType, Evidence, MacAddr};
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::Inventory;

/// Where the table's rows begin, and what they begin with.
const ROW: &str = "| `";
const MINIMUM: usize = 60;

/// One capture, read once.
struct Capture {
    records: BTreeMap<MacAddr, DeviceRecord>,
    /// First packet with that reading about that device, and first packet from that device.
    readings: BTreeMap<(MacAddr, String, String), u64>,
    first: BTreeMap<MacAddr, u64>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared() -> PathBuf {
    let folder = std::env::var_os("EYOT_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let captures = folder.join("captures");
    assert!(captures.is_dir(), "no captures in {}: set EYOT_SHARED to the shared folder", folder.display());
    captures
}

fn read(path: &Path) -> Capture {
    let mut inventory = Inventory::new();
    let mut dissector = Dissector::new(Limits::default());
    pull(path, &mut |frame, _| {
        inventory.frame(&mut dissector, frame);
    });
    inventory.identify(usize::MAX);
    let records = inventory.devices().map(|device| (device.mac(), device.record())).collect();
    let (mut readings, mut first) = (BTreeMap::new(), BTreeMap::new());
    let mut dissector = Dissector::new(Limits::default());
    pull(path, &mut |frame, number| {
        let summary = dissector.frame(frame, &mut |o| {
            readings.entry((o.mac, o.field.name().to_owned(), o.value.to_string())).or_insert(number);
        });
        if let Some(source) = summary.source {
            first.entry(source).or_insert(number);
        }
    });
    Capture { records, readings, first }
}

fn pull(path: &Path, each: &mut dyn FnMut(&eyot_capture::Frame<'_>, u64)) {
    let mut source = FileSource::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut number = 0;
    while source
        .pull(4096, &mut |frame| {
            number += 1;
            each(frame, number);
        })
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        != Pulled::Ended
    {}
}

/// The strongest piece of evidence for what is printed: of the type, else of the model, else of the vendor.
fn reason(record: &DeviceRecord) -> Option<&Evidence> {
    let of = |attribute, value: &str| {
        record.evidence.iter().find(|e| e.attribute == attribute && e.value == value)
    };
    let kind = record.device_type.map(DeviceType::name).and_then(|name| of(Attribute::Type, name));
    let model = record.model.as_deref().and_then(|model| of(Attribute::Model, model));
    let vendor = record.vendor.as_deref().and_then(|vendor| of(Attribute::Vendor, vendor));
    kind.or(model).or(vendor)
}

/// The row about a device, as it must stand in the table.
fn row(capture: &str, mac: MacAddr, read: &Capture) -> String {
    let Some(record) = read.records.get(&mac) else { return format!("| `{capture}` | {mac} | not found |") };
    let text = |value: Option<&str>| value.unwrap_or("unknown").replace('|', "/");
    let (mut said, mut packet) = ("nothing".to_owned(), String::new());
    if let Some(evidence) = reason(record) {
        let key = (mac, evidence.source.clone(), evidence.seen.clone());
        let number = read.readings.get(&key).or_else(|| read.first.get(&mac));
        packet = number.map(u64::to_string).unwrap_or_default();
        let seen: String = evidence.seen.chars().take(60).collect();
        said = format!("{} `{}`", evidence.source, seen.replace('|', "/"));
    }
    format!(
        "| `{capture}` | {mac} | {} | {} | {} | {said} | {packet} |",
        text(record.vendor.as_deref()),
        text(record.device_type.map(DeviceType::name)),
        text(record.model.as_deref()),
    )
}

#[test]
#[ignore = "needs ../shared"]
fn every_device_of_the_table_is_found_again() {
    let captures = shared();
    let page = root().join("docs/devices.md");
    let text = fs::read_to_string(&page).unwrap();
    let mut known: BTreeMap<String, Capture> = BTreeMap::new();
    let (mut wrong, mut rows, mut out) = (Vec::new(), 0, Vec::new());
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(ROW) else {
            out.push(line.to_owned());
            continue;
        };
        rows += 1;
        let (capture, rest) = rest.split_once("` | ").unwrap();
        let mac: MacAddr = rest.split(' ').next().unwrap().parse().unwrap();
        let read = known.entry(capture.to_owned()).or_insert_with(|| read(&captures.join(capture)));
        let expected = row(capture, mac, read);
        if expected != line {
            wrong.push(format!("- {line}\n+ {expected}"));
        }
        out.push(expected);
    }
    if std::env::var_os("EYOT_BLESS").is_some() {
        fs::write(&page, out.join("\n") + "\n").unwrap();
        return;
    }
    assert!(rows >= MINIMUM, "only {rows} devices in {}", page.display());
    assert!(wrong.is_empty(), "{}\n{}", page.display(), wrong.join("\n"));
}
