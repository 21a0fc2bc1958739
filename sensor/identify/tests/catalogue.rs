//! The catalogue of things (`tests/catalogue`): how many of them the rules name right, leave unknown, and name wrong, with all
//! that is known of each and with one kind of evidence taken away.
//!
//! It is no measurement of the sensor, since nobody recorded these lines; it shows which gaps the rules have, and keeps
//! closed ones closed. `cargo test -p eyot-identify --test catalogue -- --nocapture` prints all of it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eyot_contract::{Attribute, DeviceType, MacAddr, Timestamp};
use eyot_dissect::Field;
use eyot_identify::{identify, Fact};
use regex::{Regex, RegexBuilder};

const THINGS: &str = include_str!("catalogue/devices.tsv");
const PREFIXES: &str = include_str!("../data/oui.txt");
const MODULES: &str = include_str!("../data/modules.txt");
/// An address that belongs to nobody, as telephones make them up.
const RANDOM: MacAddr = MacAddr([0xda, 0xa1, 0x19, 0, 0, 1]);

/// Shares that must be reached with everything known, and the share of wrong answers allowed, in percent.
const VENDOR_RIGHT: f64 = 98.0;
const TYPE_RIGHT: f64 = 97.0;
const WRONG: f64 = 1.0;

/// Kinds of evidence that are taken away in turn: a name, and what a reading's field begins with.
const KINDS: &[(&str, &[&str])] = &[
    ("the address", &["oui"]),
    ("names of hosts", &["dhcp.hostname", "mdns.hostname"]),
    ("DHCP", &["dhcp."]),
    ("names of clouds", &["dns.", "tls.sni"]),
    ("mDNS", &["mdns."]),
    ("SSDP and UPnP", &["ssdp.", "upnp."]),
    ("LLDP and CDP", &["lldp.", "cdp."]),
    ("HTTP", &["http."]),
];

struct Thing {
    name: &'static str,
    mac: MacAddr,
    vendor: Option<Regex>,
    types: Vec<DeviceType>,
    readings: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    right: usize,
    unknown: usize,
    wrong: usize,
}

impl Tally {
    /// Counts an answer and says whether it was right.
    fn count<T>(&mut self, answer: Option<T>, right: impl Fn(&T) -> bool) -> bool {
        match answer {
            None => self.unknown += 1,
            Some(answer) if right(&answer) => {
                self.right += 1;
                return true;
            }
            Some(_) => self.wrong += 1,
        }
        false
    }

    fn share(self, part: usize) -> f64 {
        100.0 * part as f64 / (self.right + self.unknown + self.wrong).max(1) as f64
    }

    fn text(self) -> String {
        let [right, unknown, wrong] = [self.right, self.unknown, self.wrong].map(|part| self.share(part));
        format!("{right:.1} / {unknown:.1} / {wrong:.1}")
    }
}

fn things() -> Vec<Thing> {
    let mut prefixes = BTreeMap::new();
    for line in PREFIXES.lines().filter(|line| !line.starts_with('#')) {
        let (brand, assigned) = line.split_once('\t').unwrap();
        prefixes.insert(brand, assigned.split(' ').next().unwrap());
    }
    let address = |text: &str| match text {
        "random" => RANDOM,
        _ => {
            let digits = match text.strip_prefix('@') {
                Some(brand) => prefixes.get(brand).copied().unwrap_or_else(|| panic!("no brand {brand}")),
                None => text,
            };
            let full = format!("{digits:0<11}1");
            let pairs: Vec<&str> = (0..6).map(|at| &full[at * 2..at * 2 + 2]).collect();
            pairs.join(":").parse().unwrap()
        }
    };
    let lines = THINGS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap_or_else(|| panic!("too few columns: {line}"));
            let (name, mac, vendor, types) = (next(), address(next()), next(), next());
            let expression = |text: &str| RegexBuilder::new(text).case_insensitive(true).build().unwrap();
            let types = types.split('|').filter(|t| *t != "-");
            Thing {
                name,
                mac,
                vendor: (vendor != "-").then(|| expression(vendor)),
                types: types.map(|t| t.parse().unwrap_or_else(|_| panic!("{name}: {t}"))).collect(),
                readings: columns.map(|reading| reading.split_once('=').unwrap()).collect(),
            }
        })
        .collect()
}

/// Vendor and type over all things, without the readings whose field begins with one of `without`.
fn tally(things: &[Thing], without: &[&str], mut miss: impl FnMut(String)) -> [Tally; 2] {
    let [mut vendors, mut kinds] = [Tally::default(); 2];
    for thing in things {
        let kept = |name: &str| !without.iter().any(|start| name.starts_with(start));
        let facts: Vec<Fact> = thing
            .readings
            .iter()
            .filter(|(name, _)| kept(name))
            .map(|(name, value)| Fact {
                field: Field::from_name(name).unwrap_or_else(|| panic!("no field {name}")),
                value: (*value).to_owned(),
                first_seen: Timestamp(0),
                last_seen: Timestamp(0),
                count: 1,
            })
            .collect();
        let mac = if kept("oui") { thing.mac } else { RANDOM };
        let told = identify(mac, &facts);
        let mut right = true;
        if let Some(expected) = &thing.vendor {
            // the maker of the module is a true answer to another question
            let vendor = told.vendor.as_deref();
            let vendor =
                vendor.filter(|v| expected.is_match(v) || !MODULES.lines().any(|module| module == *v));
            right &= vendors.count(vendor, |vendor| expected.is_match(vendor));
        }
        // where nobody could tell, any answer is wrong
        if !thing.types.is_empty() || told.device_type.is_some() {
            right &= kinds.count(told.device_type, |kind| thing.types.contains(kind));
        }
        if !right {
            let kind = told.device_type.map_or("-", DeviceType::name);
            let mut line = format!("{}: {}, {kind};", thing.name, told.vendor.as_deref().unwrap_or("-"));
            for claim in told.evidence.iter().filter(|e| e.attribute == Attribute::Type) {
                line += &format!(" {} {:.2} by {}", claim.value, claim.confidence, claim.rule);
            }
            miss(line);
        }
    }
    [vendors, kinds]
}

#[test]
fn most_things_are_named_and_hardly_one_is_named_wrong() {
    let things = things();
    let mut misses = Vec::new();
    let [vendors, kinds] = tally(&things, &[], |miss| misses.push(miss));
    println!("{} things; right / unknown / wrong in percent", things.len());
    println!("{:<18} vendor {:<22} type {}", "everything", vendors.text(), kinds.text());
    for (name, without) in KINDS {
        let [vendors, kinds] = tally(&things, without, |_| ());
        println!("without {name:<18} vendor {:<22} type {}", vendors.text(), kinds.text());
    }
    let misses = misses.join("\n");
    println!("{misses}");
    assert!(vendors.share(vendors.right) >= VENDOR_RIGHT, "vendor {}\n{misses}", vendors.text());
    assert!(kinds.share(kinds.right) >= TYPE_RIGHT, "type {}\n{misses}", kinds.text());
    assert!(vendors.share(vendors.wrong) <= WRONG && kinds.share(kinds.wrong) <= WRONG, "{misses}");
}

#[test]
fn without_one_kind_of_evidence_nothing_else_is_claimed() {
    let things = things();
    for (name, without) in KINDS {
        let mut misses = Vec::new();
        let [vendors, kinds] = tally(&things, without, |miss| misses.push(miss));
        let wrong = vendors.share(vendors.wrong).max(kinds.share(kinds.wrong));
        assert!(wrong <= 2.0 * WRONG, "without {name}: {wrong:.1} % wrong\n{}", misses.join("\n"));
    }
}
