//! What a sample of frames looks like: kinds of destinations, tags, both sides of conversations, networks. Pure; survives
//! any bytes.
//!
//! Ethernet II and 802.1Q/802.1ad tags, ARP (RFC 826), IPv4 and IPv6 as far as the TCP ports. Nothing else is needed to
//! tell a mirror from an ordinary port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eyot_contract::MacAddr;

use crate::host::Sampled;

/// Conversations remembered at once; more are passed over.
const MAX_CONVERSATIONS: usize = 4096;
/// Stations remembered at once for telling networks apart.
const MAX_STATIONS: usize = 1024;
/// A conversation of so many frames should have been answered.
pub const FRAMES_TO_BE_ANSWERED: u32 = 3;

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const TCP: u8 = 6;

/// Two ends of a TCP conversation, the lesser first.
type Ends = ((IpAddr, u16), (IpAddr, u16));

/// Counts of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Frames looked at.
    pub frames: u64,
    /// To everybody or to a group, and ARP.
    pub flooded: u64,
    /// Of these: ARP.
    pub arp: u64,
    /// From one station to another, neither of which is this adapter.
    pub between_others: u64,
    /// To or from this adapter itself.
    pub own: u64,
    /// With a VLAN tag.
    pub tagged: u64,
    /// Frames from the lesser and from the greater end.
    conversations: BTreeMap<Ends, (u32, u32)>,
    /// Stations by the /24 that their ARP speaks of, untagged frames only.
    stations: BTreeMap<[u8; 3], BTreeSet<MacAddr>>,
    /// Pairs of /24 between which ARP was spoken: one network, then.
    neighbours: BTreeSet<([u8; 3], [u8; 3])>,
}

impl Shape {
    /// Takes a frame in. `own` is the adapter's address.
    pub fn see(&mut self, frame: &Sampled, own: MacAddr) {
        let bytes = frame.bytes.as_slice();
        let (Some(to), Some(from)) = (mac(bytes, 0), mac(bytes, 6)) else { return };
        self.frames += 1;
        let (mut kind, mut rest) = (half_word(bytes, 12), bytes.get(14..).unwrap_or_default());
        let mut tagged = frame.tag_taken_off;
        while kind.is_some_and(|k| TAGS.contains(&k)) {
            tagged = true;
            (kind, rest) = (half_word(rest, 2), rest.get(4..).unwrap_or_default());
        }
        self.tagged += u64::from(tagged);
        let arp = kind == Some(ARP);
        self.arp += u64::from(arp);
        match () {
            () if to == own || from == own => self.own += 1,
            // the group bit; ARP is answered to one station, and that is flooded by bridges that do not know it yet
            () if to.0[0] & 1 == 1 || arp => self.flooded += 1,
            () => self.between_others += 1,
        }
        if arp && !tagged {
            self.see_arp(rest, from);
        }
        if let Some((from, to)) = kind.and_then(|k| tcp_ends(k, rest)) {
            self.see_conversation(from, to);
        }
    }

    /// Adds what another sample saw.
    pub fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.flooded += other.flooded;
        self.arp += other.arp;
        self.between_others += other.between_others;
        self.own += other.own;
        self.tagged += other.tagged;
        for (ends, (lesser, greater)) in other.conversations {
            let room = self.conversations.len() < MAX_CONVERSATIONS;
            if room || self.conversations.contains_key(&ends) {
                let sum = self.conversations.entry(ends).or_default();
                *sum = (sum.0.saturating_add(lesser), sum.1.saturating_add(greater));
            }
        }
        for (network, stations) in other.stations {
            self.stations.entry(network).or_default().extend(stations);
        }
        self.neighbours.extend(other.neighbours);
    }

    /// TCP conversations long enough to have been answered, and how many of them were.
    pub fn conversations(&self) -> (usize, usize) {
        let long = self.conversations.values().filter(|(a, b)| a.saturating_add(*b) >= FRAMES_TO_BE_ANSWERED);
        long.fold((0, 0), |(all, answered), (a, b)| (all + 1, answered + usize::from(*a > 0 && *b > 0)))
    }

    /// IPv4 networks that have at least so many stations each and between which nobody asks by ARP: separate broadcast
    /// domains, all seen without a tag.
    pub fn separate_networks(&self, stations: usize) -> usize {
        let mut group: BTreeMap<[u8; 3], [u8; 3]> = self.stations.keys().map(|n| (*n, *n)).collect();
        for (a, b) in &self.neighbours {
            let (Some(ga), Some(gb)) = (group.get(a).copied(), group.get(b).copied()) else { continue };
            for g in group.values_mut().filter(|g| **g == gb) {
                *g = ga;
            }
        }
        let mut members: BTreeMap<[u8; 3], BTreeSet<MacAddr>> = BTreeMap::new();
        for (network, g) in &group {
            members.entry(*g).or_default().extend(self.stations.get(network).into_iter().flatten());
        }
        members.values().filter(|m| m.len() >= stations).count()
    }

    fn see_arp(&mut self, packet: &[u8], from: MacAddr) {
        let ethernet_ipv4 = packet.get(..6) == Some(&[0, 1, 8, 0, 6, 4]);
        let (Some(sender), Some(target)) = (network(packet, 14), network(packet, 24)) else { return };
        // probes (RFC 5227) have no sender; link-local addresses belong to no network of anybody's
        if !ethernet_ipv4 || sender == [0; 3] || sender[..2] == [169, 254] || target == [0; 3] {
            return;
        }
        if self.stations.values().map(BTreeSet::len).sum::<usize>() < MAX_STATIONS {
            self.stations.entry(sender).or_default().insert(from);
            if sender != target && self.neighbours.len() < MAX_STATIONS {
                self.neighbours.insert((sender, target));
            }
        }
    }

    fn see_conversation(&mut self, from: (IpAddr, u16), to: (IpAddr, u16)) {
        let ends = if from < to { (from, to) } else { (to, from) };
        if self.conversations.len() >= MAX_CONVERSATIONS && !self.conversations.contains_key(&ends) {
            return;
        }
        let (lesser, greater) = self.conversations.entry(ends).or_default();
        let side = if from == ends.0 { lesser } else { greater };
        *side = side.saturating_add(1);
    }
}

fn tcp_ends(kind: u16, packet: &[u8]) -> Option<((IpAddr, u16), (IpAddr, u16))> {
    let (from, to, segment) = match kind {
        IPV4 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            // ports are in the first fragment only
            if *packet.get(9)? != TCP || half_word(packet, 6)? & 0x1fff != 0 || header < 20 {
                return None;
            }
            let at = |i| four(packet, i).map(|a| IpAddr::V4(Ipv4Addr::from(a)));
            (at(12)?, at(16)?, packet.get(header..)?)
        }
        IPV6 if *packet.get(6)? == TCP => {
            let at = |i: usize| {
                let sixteen: [u8; 16] = packet.get(i..i + 16)?.try_into().ok()?;
                Some(IpAddr::V6(Ipv6Addr::from(sixteen)))
            };
            (at(8)?, at(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    Some(((from, half_word(segment, 0)?), (to, half_word(segment, 2)?)))
}

fn mac(bytes: &[u8], at: usize) -> Option<MacAddr> {
    bytes.get(at..at + 6)?.try_into().ok().map(MacAddr)
}

fn half_word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

fn network(bytes: &[u8], at: usize) -> Option<[u8; 3]> {
    bytes.get(at..at + 3)?.try_into().ok()
}
