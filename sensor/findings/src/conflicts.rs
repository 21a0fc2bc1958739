//! Two devices that claim one IPv4 address in turn (ARP spoofing).
//!
//! A change of owner is ordinary: a lease moves on, a fail-over pair swaps. Back and forth within minutes is not. Left
//! alone are virtual routers' own addresses, and routers that answer for everybody (proxy ARP) as long as they do not
//! contest the address of the gateway.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use eyot_contract::{FindingKind, MacAddr, Timestamp};
use eyot_inventory::{is_virtual_router, Reading};

use crate::engine::{Findings, Seen};
use crate::habits::Habit;

/// Most addresses watched; beyond, watching starts over.
const MAX_WATCHED: usize = 65_536;
/// Changes of owner, and within which time (ten minutes, in microseconds), that make a finding: A, B, A, B.
const CHANGES: u32 = 3;
const WITHIN: i64 = 10 * 60 * 1_000_000;

/// Owners of addresses by VLAN.
pub type Conflicts = HashMap<(Option<u16>, Ipv4Addr), Holder, foldhash::fast::RandomState>;

/// Who claimed an address last, and how often that changed.
#[derive(Debug)]
pub struct Holder {
    mac: MacAddr,
    former: Option<MacAddr>,
    changes: u32,
    since: Timestamp,
}

impl Findings {
    pub(crate) fn arp_claim(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        let Some(std::net::IpAddr::V4(ip)) = reading.ip else { return };
        let key = (reading.vlan, ip);
        if self.conflicts.len() >= MAX_WATCHED && !self.conflicts.contains_key(&key) {
            self.conflicts.clear();
        }
        let holder = self.conflicts.entry(key).or_insert(Holder {
            mac: reading.mac,
            former: None,
            changes: 0,
            since: seen.at,
        });
        if holder.mac == reading.mac {
            return;
        }
        let back = holder.former == Some(reading.mac);
        if !back || seen.at.0.saturating_sub(holder.since.0) > WITHIN {
            holder.changes = 0;
            holder.since = seen.at;
        }
        holder.changes += 1;
        let former = std::mem::replace(&mut holder.mac, reading.mac);
        holder.former = Some(former);
        if holder.changes < CHANGES {
            return;
        }
        holder.changes = 0;
        if is_virtual_router(former) || is_virtual_router(reading.mac) {
            return;
        }
        if seen.inventory.are_one(former, reading.mac) {
            return;
        }
        let answers_for_others =
            |mac| seen.inventory.device(mac).is_some_and(|device| device.answers_for_others());
        let text = ip.to_string();
        let is_gateway = self.habits.of(Habit::DhcpServer).any(|(_, known)| known.value == text);
        if !is_gateway && (answers_for_others(former) || answers_for_others(reading.mac)) {
            return;
        }
        // the pair, whichever of them spoke last, is one finding
        let (first, second) = (former.min(reading.mac), former.max(reading.mac));
        let what = if is_gateway { "the gateway's address" } else { "the address" };
        self.raise(
            FindingKind::ArpSpoofing,
            None,
            format!("{ip}/{first}/{second}"),
            format!("{first} and {second} claim {what} {ip} in turn"),
            seen.evidence("arp", format!("{ip} is at {}, before at {former}", reading.mac)),
        );
    }
}
