//! Whom a device sends to: the greatest of its peers, by bytes.
//!
//! Kept by sighting, not by frame: a sighting is a conversation's frames of a second, drawn together. Only what the device
//! sends itself counts. What a router passes on has a counted-down hop limit and is left out; so is whatever goes to a
//! group. A full list gives up the peer with the fewest bytes.

use std::fmt::Write as _;
use std::net::IpAddr;

use eyot_contract::{Peer, Timestamp, MAX_PEERS};
use eyot_dissect::{Opening, Summary};

use crate::addresses::is_unicast;
use crate::inventory::forwarded;

/// Most peers of all devices together: 20 MiB.
pub const MAX_PEERS_OF_ALL: usize = 262_144;

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It was known, or took the place of another.
    Known,
    /// There is one more.
    New,
    /// There is no room.
    Refused,
}

#[derive(Clone, Debug)]
struct Entry {
    ip: IpAddr,
    protocol: Option<&'static str>,
    port: u16,
    /// The port is the device's own.
    serves: bool,
    bytes: u64,
    last_seen: Timestamp,
}

/// The peers of one device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    entries: Vec<Entry>,
    /// Place of the one that was sent to last.
    latest: usize,
}

/// Whom the sender of a frame itself means by it.
#[inline]
pub(crate) fn peer_of(summary: &Summary) -> Option<IpAddr> {
    // an ARP message, which is about an address, has no hop limit
    let own = summary.hop_limit.is_some() && !summary.outside && !forwarded(summary);
    summary.destination_ip.filter(|ip| own && is_unicast(*ip))
}

impl Peers {
    /// Notes what was sent to a peer. `room`: a further one may be remembered.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        ip: IpAddr,
        summary: &Summary,
        bytes: u64,
        at: Timestamp,
        room: bool,
    ) -> Noted {
        let mut noted = Noted::Known;
        if self.entries.get(self.latest).is_none_or(|entry| entry.ip != ip) {
            self.latest = match self.entries.iter().position(|entry| entry.ip == ip) {
                Some(place) => place,
                None if self.entries.len() >= MAX_PEERS => self.replace_least(Entry::new(ip, at)),
                None if !room => return Noted::Refused,
                None => {
                    noted = Noted::New;
                    self.entries.push(Entry::new(ip, at));
                    self.entries.len() - 1
                }
            };
        }
        self.entries[self.latest].sent(summary, bytes, at);
        noted
    }

    #[cold]
    fn replace_least(&mut self, entry: Entry) -> usize {
        let least =
            (0..self.entries.len()).min_by_key(|at| (self.entries[*at].bytes, self.entries[*at].last_seen));
        let place = least.unwrap_or_default();
        self.entries[place] = entry;
        place
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// As they are reported: who has the address and where it is says the inventory.
    pub(crate) fn reported(&self) -> Vec<Peer> {
        let peer = |entry: &Entry| Peer {
            ip: entry.ip,
            mac: None,
            location: None,
            protocol: entry.protocol.map(str::to_owned),
            port: entry.port,
            serves: entry.serves,
            bytes: entry.bytes,
            last_seen: entry.last_seen,
        };
        Peer::together([self.entries.iter().map(peer).collect()])
    }

    /// A line each: address, bytes, time, port, 1 for a service of its own, protocol.
    pub(crate) fn to_store(&self) -> String {
        let mut text = String::new();
        for Entry { ip, bytes, last_seen, port, serves, protocol } in &self.entries {
            let (serves, protocol) = (u8::from(*serves), protocol.unwrap_or_default());
            // writing to a text does not fail
            let _ = writeln!(text, "{ip} {bytes} {} {port} {serves} {protocol}", last_seen.0);
        }
        text
    }

    /// What was stored. A line that cannot be read is left out; a protocol of another version is not named.
    pub(crate) fn stored(text: &str) -> Self {
        Self { entries: text.lines().filter_map(Entry::stored).take(MAX_PEERS).collect(), latest: 0 }
    }
}

impl Entry {
    fn new(ip: IpAddr, at: Timestamp) -> Self {
        Self { ip, protocol: None, port: 0, serves: false, bytes: 0, last_seen: at }
    }

    #[inline]
    fn sent(&mut self, summary: &Summary, bytes: u64, at: Timestamp) {
        self.bytes += bytes;
        self.last_seen = self.last_seen.max(at);
        if summary.protocol.is_some() {
            self.protocol = summary.protocol;
        }
        let (own, theirs) = (summary.source_port, summary.destination_port);
        match summary.opening {
            Some(Opening::Asked) => (self.port, self.serves) = (theirs, false),
            Some(Opening::Agreed) => (self.port, self.serves) = (own, true),
            // services have the lower number, mostly
            None if self.port == 0 => (self.port, self.serves) = (own.min(theirs), own < theirs),
            None => {}
        }
    }

    fn stored(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let mut next = || parts.next();
        let (ip, bytes, at) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        let (port, serves, protocol) = (next()?.parse().ok()?, next()? == "1", next()?);
        let known = eyot_dissect::protocols().iter().find(|p| p.name == protocol);
        Some(Self { ip, bytes, last_seen: Timestamp(at), port, serves, protocol: known.map(|p| p.name) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn summary(to: &str, ports: (u16, u16)) -> Summary {
        Summary {
            destination_ip: to.parse().ok(),
            hop_limit: Some(64),
            source_port: ports.0,
            destination_port: ports.1,
            ..Summary::default()
        }
    }

    fn send(peers: &mut Peers, summary: &Summary, bytes: u64, at: i64) -> Noted {
        peers.sent(summary.destination_ip.unwrap(), summary, bytes, Timestamp(at), true)
    }

    #[test]
    fn only_what_a_device_itself_sends_to_somebody_counts() {
        assert!(peer_of(&summary("192.0.2.1", (1, 2))).is_some());
        for (to, hops, outside) in [
            ("192.0.2.1", Some(62), false),
            ("192.0.2.1", None, false),
            ("192.0.2.1", Some(64), true),
            ("224.0.0.251", Some(255), false),
            ("255.255.255.255", Some(64), false),
            ("ff02::1", Some(255), false),
        ] {
            let summary = Summary { hop_limit: hops, outside, ..summary(to, (1, 2)) };
            assert_eq!(peer_of(&summary), None, "{to} {hops:?} {outside}");
        }
    }

    #[test]
    fn the_greatest_stay_and_are_reported_first() {
        let mut peers = Peers::default();
        for n in 0..200_u32 {
            let to = std::net::Ipv4Addr::from(0x0a00_0000 + n % 100).to_string();
            let bytes = if n % 100 < 3 { 1_000_000 } else { 60 };
            let noted = send(&mut peers, &summary(&to, (40_000, 443)), bytes, i64::from(n));
            assert_eq!(noted == Noted::New, n < MAX_PEERS as u32, "{n}");
        }
        let reported = peers.reported();
        assert_eq!(reported.len(), MAX_PEERS);
        for (at, peer) in reported.iter().take(3).enumerate() {
            assert_eq!((peer.ip.to_string(), peer.bytes), (format!("10.0.0.{at}"), 2_000_000));
        }
        let full = Peers::default().sent(
            "10.0.0.1".parse().unwrap(),
            &summary("10.0.0.1", (1, 2)),
            1,
            Timestamp(0),
            false,
        );
        assert_eq!(full, Noted::Refused);
    }

    #[test]
    fn a_connections_opening_says_whose_the_service_is() {
        let mut peers = Peers::default();
        send(&mut peers, &summary("10.0.0.1", (50_000, 51_000)), 60, 1);
        let asked = Summary { opening: Some(Opening::Asked), ..summary("10.0.0.1", (50_000, 61_616)) };
        send(&mut peers, &asked, 60, 2);
        let agreed = Summary { opening: Some(Opening::Agreed), ..summary("10.0.0.2", (8554, 1024)) };
        send(&mut peers, &agreed, 60, 3);
        send(&mut peers, &summary("10.0.0.3", (5060, 40_000)), 60, 4);
        let said: Vec<_> = peers.reported().iter().map(|p| (p.port, p.serves, p.bytes)).collect();
        assert_eq!(said, [(61_616, false, 120), (8554, true, 60), (5060, true, 60)]);
    }

    #[test]
    fn what_is_stored_comes_back() {
        let mut peers = Peers::default();
        let dns = Summary { protocol: Some("dns"), ..summary("192.0.2.53", (40_000, 53)) };
        send(&mut peers, &dns, 90, 7);
        send(&mut peers, &summary("2001:db8::1", (443, 40_000)), 70, 8);
        let text = peers.to_store();
        assert_eq!(Peers::stored(&text).reported(), peers.reported());
        let damaged = format!("nonsense\n192.0.2.1 x\n{text}192.0.2.9 1 2 3 0 protocol-of-tomorrow\n");
        let back = Peers::stored(&damaged).reported();
        assert_eq!(back.len(), 3);
        assert_eq!(back.iter().filter_map(|p| p.protocol.as_deref()).collect::<Vec<_>>(), ["dns"]);
    }
}
