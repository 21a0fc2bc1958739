//! Devices that look for others: many addresses or many ports within a minute, most of which do not answer.
//!
//! A fixed number of slots, each for one asker and one thing held still (a port, an address, ARP). A slot remembers
//! hashes of what was asked for, up to the number that makes a scan. A newcomer may stand in one of two slots and takes
//! the one that holds less: a search of many ports also asks for one address at each, and those must not push out the
//! slot in which the search adds up. Only beginnings of connections and ARP broadcasts come here, so an ordinary frame
//! costs nothing.

use std::hash::BuildHasher;
use std::net::IpAddr;

use eyot_contract::{FindingKind, MacAddr, Timestamp};
use eyot_dissect::{Field, Opening};

use crate::engine::{Findings, Seen};

/// Different addresses or ports within [`SPAN`] that make a scan.
const MANY: usize = 64;
/// A minute, in microseconds.
const SPAN: i64 = 60 * 1_000_000;
/// Slots; when both that it may have are taken, a newcomer takes the place of whoever asked for less.
const SLOTS: usize = 2_048;
/// Targets named as evidence.
const SAMPLES: usize = 4;

/// Who asks for what.
pub struct Scans {
    slots: Vec<Slot>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    key: u64,
    since: i64,
    asked: Vec<u64>,
    answers: usize,
    samples: Vec<Target>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Target {
    Address(IpAddr),
    Port(u16),
}

impl Default for Scans {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); SLOTS], hasher: foldhash::fast::RandomState::default() }
    }
}

/// What is held still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    /// Addresses, at one port.
    Addresses(IpAddr, u16),
    /// Ports, at one address.
    Ports(IpAddr, IpAddr),
    /// Addresses, by ARP.
    Arp(MacAddr),
}

impl Scans {
    /// Notes a question; the samples once there have been [`MANY`] of which fewer than half were answered.
    fn asked(&mut self, of: Of, target: Target, at: Timestamp) -> Option<String> {
        let target_hash = self.hasher.hash_one(target);
        let (key, slot) = self.slot(of, at);
        if slot.key != key || (at.0 - slot.since).abs() > SPAN {
            slot.key = key;
            slot.since = at.0;
            slot.answers = 0;
            slot.asked.clear();
            slot.samples.clear();
        }
        if slot.asked.contains(&target_hash) {
            return None;
        }
        slot.asked.push(target_hash);
        if slot.samples.len() < SAMPLES {
            slot.samples.push(target);
        }
        if slot.asked.len() < MANY {
            return None;
        }
        let unanswered = slot.answers * 2 < slot.asked.len();
        let samples = std::mem::take(&mut slot.samples);
        // the memory goes too: a burst of askers must not hold it for ever
        *slot = Slot::default();
        unanswered.then(|| {
            let names = samples.iter().map(|target| match target {
                Target::Address(ip) => ip.to_string(),
                Target::Port(port) => port.to_string(),
            });
            names.collect::<Vec<_>>().join(", ")
        })
    }

    fn answered(&mut self, of: Of) {
        let key = self.key(of);
        if let Some(place) = places(key).into_iter().find(|place| self.slots[*place].key == key) {
            self.slots[place].answers += 1;
        }
    }

    fn key(&self, of: Of) -> u64 {
        // 0 is nobody's
        self.hasher.hash_one(of) | 1
    }

    /// The slot that is this one's already, or the one of its two that holds less.
    fn slot(&mut self, of: Of, at: Timestamp) -> (u64, &mut Slot) {
        let key = self.key(of);
        let [one, other] = places(key);
        let held = |slot: &Slot| if (at.0 - slot.since).abs() > SPAN { 0 } else { slot.asked.len() };
        let place = match (&self.slots[one], &self.slots[other]) {
            (first, _) if first.key == key => one,
            (_, second) if second.key == key => other,
            (first, second) if held(second) < held(first) => other,
            _ => one,
        };
        (key, &mut self.slots[place])
    }
}

/// The two slots that a key may stand in: from bits of it that have nothing to do with each other.
fn places(key: u64) -> [usize; 2] {
    [(key >> 1) as usize % SLOTS, (key >> 33) as usize % SLOTS]
}

impl Findings {
    pub(crate) fn scan(&mut self, seen: Seen<'_>) {
        let summary = seen.summary;
        match (summary.opening, summary.source_ip, summary.destination_ip) {
            (Some(Opening::Asked), Some(from), Some(to)) => {
                self.tcp(seen, from, to);
            }
            (Some(Opening::Agreed), Some(from), Some(to)) => {
                self.scans.answered(Of::Addresses(to, summary.source_port));
                self.scans.answered(Of::Ports(to, from));
            }
            (None, None, Some(target)) if summary.protocol == Some("arp") => self.arp(seen, target),
            _ => {}
        }
    }

    fn tcp(&mut self, seen: Seen<'_>, from: IpAddr, to: IpAddr) {
        // what comes in from the Internet scans without end, and clients of the Web open many connections
        let port = seen.summary.destination_port;
        if !self.policy.local.contains(from)
            || (matches!(port, 80 | 443) && self.policy.local.is_public(to))
            || to.is_multicast()
        {
            return;
        }
        let addresses = self.scans.asked(Of::Addresses(from, port), Target::Address(to), seen.at);
        let ports = self.scans.asked(Of::Ports(from, to), Target::Port(port), seen.at);
        if addresses.is_none() && ports.is_none() {
            return;
        }
        let mac = seen.device(seen.summary.source, Some(from));
        if self.is_router(seen, mac.or(seen.summary.source)) {
            return;
        }
        if let Some(samples) = addresses {
            self.raise(
                FindingKind::AddressScan,
                mac,
                format!("{from}/tcp/{port}"),
                format!("{from} tried port {port} of {MANY} addresses within a minute"),
                seen.evidence("tcp", format!("connections to {} and others", samples)),
            );
        }
        if let Some(samples) = ports {
            self.raise(
                FindingKind::PortScan,
                mac,
                format!("{from}/{to}"),
                format!("{from} tried {MANY} ports of {to} within a minute"),
                seen.evidence("tcp", format!("ports {} and others", samples)),
            );
        }
    }

    fn arp(&mut self, seen: Seen<'_>, target: IpAddr) {
        let summary = seen.summary;
        let Some(asker) = summary.source else { return };
        match summary.destination {
            Some(MacAddr::BROADCAST) => {}
            Some(asked_before) => return self.scans.answered(Of::Arp(asked_before)),
            None => return,
        }
        // an announcement asks for its own address
        let own = seen.inventory.readings().any(|r| r.field == Field::ArpAddress && r.ip == Some(target));
        if own {
            return;
        }
        let Some(samples) = self.scans.asked(Of::Arp(asker), Target::Address(target), seen.at) else {
            return;
        };
        if self.is_router(seen, Some(asker)) {
            return;
        }
        self.raise(
            FindingKind::AddressScan,
            Some(asker),
            "arp",
            format!("{asker} asked by ARP for {MANY} addresses within a minute"),
            seen.evidence("arp", format!("asked for {} and others", samples)),
        );
    }

    fn is_router(&self, seen: Seen<'_>, mac: Option<MacAddr>) -> bool {
        mac.and_then(|mac| seen.inventory.device(mac)).is_some_and(|device| device.is_router())
    }
}
