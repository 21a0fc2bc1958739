//! The front door: one frame in, its readings out.

use std::fmt;
use std::net::IpAddr;

use eyot_capture::Frame;
use eyot_contract::MacAddr;

use crate::duplicate::Duplicates;
use crate::flow::Flows;
use crate::fragments::{Fragment, FragmentCounters, Fragments};
use crate::link::{self, Kind, Link, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::openings::Openings;
use crate::packet::{self, Network, Packet, Piece};
use crate::readings::Readings;
use crate::registry::{Dispatch, Outcome, PROTOCOLS};
use crate::tunnel::{self, Inside, Tunnel};
use crate::{arp, Observation};

/// Tunnels in tunnels followed at most; more is not a network but an attack.
const MAX_TUNNELS: usize = 4;

/// Bounds on what is remembered between frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections followed at once, rounded up to a power of two; the longest silent gives way to a new one.
    pub max_flows: usize,
    /// Bytes kept of each direction of one connection.
    pub max_flow_bytes: usize,
    /// Directions whose bytes are being collected at once; the oldest gives way.
    pub max_collecting: usize,
}

impl Limits {
    /// 131 072 connections: six minutes of an office's new connections, 8 MiB of table.
    pub const MAX_FLOWS: usize = 1 << 17;
    /// 16 KiB: a TLS certificate chain or the head of an HTTP answer with a device description.
    pub const MAX_FLOW_BYTES: usize = 16 * 1024;
    /// 1 024 directions: 16 MiB at most.
    pub const MAX_COLLECTING: usize = 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_flows: Self::MAX_FLOWS,
            max_flow_bytes: Self::MAX_FLOW_BYTES,
            max_collecting: Self::MAX_COLLECTING,
        }
    }
}

/// What a frame itself was, whether or not anything was read from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sender, where the link has addresses.
    pub source: Option<MacAddr>,
    /// Addressee, where the link has addresses.
    pub destination: Option<MacAddr>,
    /// Innermost VLAN tag of the frame.
    pub vlan: Option<u16>,
    /// IP sender.
    pub source_ip: Option<IpAddr>,
    /// IP addressee, or the address that an ARP message is about.
    pub destination_ip: Option<IpAddr>,
    /// IPv4 time to live or IPv6 hop limit, as left when the frame passed.
    pub hop_limit: Option<u8>,
    /// UDP or TCP port of the sender; 0 where there is none.
    pub source_port: u16,
    /// UDP or TCP port of the addressee; 0 where there is none.
    pub destination_port: u16,
    /// How a TCP connection begins, where the frame begins one.
    pub opening: Option<Opening>,
    /// The innermost tunnel it came in. Everything else here is of what was inside.
    pub tunnel: Option<Tunnel>,
    /// This is the outside of a tunnel: who carried a frame that has a summary of its own.
    pub outside: bool,
    /// The same frame passed a moment ago, and was counted and read then.
    pub duplicate: bool,
    /// Less was captured than was sent.
    pub truncated: bool,
    /// Registry name of the protocol that was read, if one was.
    pub protocol: Option<&'static str>,
}

/// The beginning of a TCP connection (RFC 9293 section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The sender asks for it: SYN.
    Asked,
    /// The sender agrees to it: SYN and ACK.
    Agreed,
}

/// What was read of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolCounters {
    /// Registry name.
    pub name: &'static str,
    /// Messages understood, wholly or in part.
    pub messages: u64,
    /// Messages in the protocol's place that were damaged, or something else: a ping where neighbour discovery is
    /// looked for counts here too.
    pub malformed: u64,
    /// Readings given out; those of a protocol inside another count for the outer one.
    pub readings: u64,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames seen.
    pub frames: u64,
    /// Frames that a mirror port showed a second time; they were not read again.
    pub duplicates: u64,
    /// Frames that were inside a tunnel.
    pub tunnelled: u64,
    /// Frames of which less was captured than was sent.
    pub truncated: u64,
    /// Frames whose link header could not be read, or of a link type that is not known.
    pub unknown_link: u64,
    /// IP fragments.
    pub fragments: FragmentCounters,
    /// Connections forgotten, while still being read, because the table was full.
    pub flows_evicted: u64,
    /// Directions given up, while being collected, because too many were.
    pub collecting_evicted: u64,
    /// Directions given up because bytes were missing.
    pub gaps: u64,
    /// Directions given up because the bound on bytes was reached.
    pub oversized: u64,
    /// Per protocol, in the registry's order.
    pub protocols: Vec<ProtocolCounters>,
}

impl Counters {
    /// One call of the protocol of that index in the registry; `None` while it waits for more.
    pub(crate) fn count(&mut self, index: usize, outcome: Option<Outcome>, readings: &Readings<'_>) {
        if let Some(counters) = self.protocols.get_mut(index) {
            counters.readings += readings.count();
            match outcome {
                Some(Outcome::Whole | Outcome::Partial) => counters.messages += 1,
                Some(Outcome::NotMine) => counters.malformed += 1,
                None => {}
            }
        }
        if let Some(inner) = readings.inner() {
            if let Some(counters) = self.protocols.iter_mut().find(|counters| counters.name == inner) {
                counters.messages += 1;
            }
        }
    }
}

/// Turns frames into observations.
pub struct Dissector {
    dispatch: Dispatch,
    core: Core,
}

/// What is remembered between frames.
struct Core {
    duplicates: Duplicates,
    fragments: Fragments,
    openings: Openings,
    flows: Flows,
    counters: Counters,
    /// Of the latest frame, as far as it came in tunnels whose ends belong to the network.
    outsides: Vec<Summary>,
}

/// Where readings go.
type Sink<'s> = &'s mut dyn FnMut(&Observation<'_>);

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        let protocols = PROTOCOLS
            .iter()
            .map(|protocol| ProtocolCounters { name: protocol.name, messages: 0, malformed: 0, readings: 0 })
            .collect();
        Self {
            dispatch: Dispatch::new(),
            core: Core {
                duplicates: Duplicates::new(),
                fragments: Fragments::default(),
                openings: Openings::new(),
                flows: Flows::new(&limits),
                counters: Counters { protocols, ..Counters::default() },
                outsides: Vec::with_capacity(MAX_TUNNELS),
            },
        }
    }

    /// Reads one frame, gives every reading to `sink` and returns what the frame itself was.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(&Observation<'_>)) -> Summary {
        let Self { dispatch, core } = self;
        core.counters.frames += 1;
        core.outsides.clear();
        let cut = usize::try_from(frame.wire_len).is_ok_and(|length| frame.bytes.len() < length);
        let Some(link) = link::read(frame) else {
            core.counters.unknown_link += 1;
            core.counters.truncated += u64::from(cut);
            return Summary { vlan: frame.vlan, truncated: cut, ..Summary::default() };
        };
        let summary = core.link(dispatch, frame, &link, cut, sink);
        core.counters.truncated += u64::from(summary.truncated);
        summary
    }

    /// Who carried the latest frame, from the outside inwards: the tunnels it came in, but for mirrors, whose ends have
    /// nothing to do with what they show. No readings belong to them.
    #[inline]
    pub fn outsides(&self) -> &[Summary] {
        &self.core.outsides
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        Counters { fragments: self.core.fragments.counters(), ..self.core.counters.clone() }
    }
}

/// One round of taking a tunnel off.
enum Round<'a> {
    /// There is nothing more to do.
    Read,
    /// This was inside.
    Inside(Inside<'a>),
    /// The last piece of this.
    Assembled(u8, Vec<u8>),
}

impl Core {
    /// A frame from its link header on, and what is inside it.
    fn link(
        &mut self,
        dispatch: &Dispatch,
        frame: &Frame<'_>,
        link: &Link<'_>,
        cut: bool,
        sink: Sink<'_>,
    ) -> Summary {
        let mut summary = Summary {
            source: link.source,
            destination: link.destination,
            vlan: link.vlan,
            truncated: cut,
            ..Summary::default()
        };
        let mut link = *link;
        for _ in 0..MAX_TUNNELS {
            match self.round(dispatch, frame, &link, &mut summary, sink) {
                Round::Read => return summary,
                Round::Assembled(protocol, bytes) => {
                    summary.truncated = cut;
                    self.assembled(dispatch, frame, protocol, &bytes, &mut summary, sink);
                    return summary;
                }
                Round::Inside(inside) => {
                    self.leave(&inside, &summary);
                    link = enter(&inside, &link, cut, &mut summary);
                }
            }
        }
        // the innermost of too many is what it is: nobody's
        Summary { tunnel: summary.tunnel, truncated: cut, ..Summary::default() }
    }

    #[inline]
    fn round<'a>(
        &mut self,
        dispatch: &Dispatch,
        frame: &Frame<'_>,
        link: &Link<'a>,
        summary: &mut Summary,
        sink: Sink<'_>,
    ) -> Round<'a> {
        if !matches!(link.kind, Kind::EtherType(ETHERTYPE_IPV4 | ETHERTYPE_IPV6)) {
            if let Some(inside) = tunnel::over_link(link) {
                return Round::Inside(inside);
            }
            if self.is_duplicate(frame, link, summary) {
                return Round::Read;
            }
            if let Some(index) = dispatch.link(link.kind) {
                let packet = Packet::bare(summary, link.payload);
                self.message(&[Some(index)], &packet, summary, sink);
                if matches!(link.kind, Kind::EtherType(ETHERTYPE_ARP)) {
                    summary.destination_ip = arp::target(link.payload);
                }
            }
            return Round::Read;
        }
        let network = packet::network(link.payload, summary);
        if let Some(network) = network.filter(|network| network.piece.is_none()) {
            if let Some(inside) = inside(&network) {
                return Round::Inside(inside);
            }
        }
        if self.is_duplicate(frame, link, summary) {
            return Round::Read;
        }
        let Some(network) = network else { return Round::Read };
        let Some(piece) = network.piece else {
            self.network(dispatch, frame, &network, summary, sink);
            return Round::Read;
        };
        // a connection's bytes are read once, whole; of a datagram the beginning is better than nothing
        if piece.offset == 0 && network.protocol != packet::IP_TCP {
            self.network(dispatch, frame, &network, summary, sink);
        }
        match self.piece(frame, &piece, summary) {
            Some(bytes) => Round::Assembled(piece.protocol, bytes),
            None => Round::Read,
        }
    }

    #[inline]
    fn is_duplicate(&mut self, frame: &Frame<'_>, link: &Link<'_>, summary: &mut Summary) -> bool {
        summary.duplicate = self.duplicates.seen(frame.at, link);
        self.counters.duplicates += u64::from(summary.duplicate);
        self.counters.tunnelled += u64::from(summary.tunnel.is_some());
        summary.duplicate
    }

    /// Remembers who carried what is inside.
    fn leave(&mut self, inside: &Inside<'_>, outside: &Summary) {
        if !inside.kind.is_mirror() {
            self.outsides.push(Summary { outside: true, ..*outside });
        }
    }

    fn piece(&mut self, frame: &Frame<'_>, piece: &Piece<'_>, summary: &Summary) -> Option<Vec<u8>> {
        if !piece.whole {
            return None;
        }
        let fragment = Fragment {
            source: summary.source_ip?,
            destination: summary.destination_ip?,
            identification: piece.identification,
            protocol: piece.protocol,
            offset: piece.offset,
            more: piece.more,
            bytes: piece.bytes,
        };
        self.fragments.take(frame.at, &fragment)
    }

    /// A datagram put together from its fragments: what was in the IP packet.
    fn assembled(
        &mut self,
        dispatch: &Dispatch,
        frame: &Frame<'_>,
        protocol: u8,
        bytes: &[u8],
        summary: &mut Summary,
        sink: Sink<'_>,
    ) {
        let v6 = summary.source_ip.is_some_and(|ip| ip.is_ipv6());
        let network = if v6 {
            packet::extensions(protocol, bytes)
        } else {
            Some(Network { protocol, payload: bytes, piece: None })
        };
        let Some(network) = network else { return };
        let Some(inside) = inside(&network) else {
            return self.network(dispatch, frame, &network, summary, sink);
        };
        // a mirror's frame that did not fit into the network it travelled over; one more tunnel in it is not followed
        let outer = Link {
            source: summary.source,
            destination: summary.destination,
            vlan: summary.vlan,
            kind: Kind::EtherType(ETHERTYPE_IPV4),
            payload: bytes,
        };
        self.leave(&inside, summary);
        let link = enter(&inside, &outer, false, summary);
        self.round(dispatch, frame, &link, summary, sink);
    }

    fn network(
        &mut self,
        dispatch: &Dispatch,
        frame: &Frame<'_>,
        network: &Network<'_>,
        summary: &mut Summary,
        sink: Sink<'_>,
    ) {
        match network.protocol {
            packet::IP_UDP => {
                let Some((source, destination, payload, cut)) = packet::udp(network.payload) else { return };
                (summary.source_port, summary.destination_port) = (source, destination);
                let indices = [dispatch.udp(destination), dispatch.udp(source)];
                if indices == [None, None] {
                    return;
                }
                summary.truncated |= cut;
                let packet = Packet {
                    source_port: source,
                    destination_port: destination,
                    ..Packet::bare(summary, payload)
                };
                self.message(&indices, &packet, summary, sink);
            }
            packet::IP_TCP => {
                let Some(tcp) = packet::tcp(network.payload) else { return };
                (summary.source_port, summary.destination_port) = (tcp.source, tcp.destination);
                if tcp.syn {
                    summary.opening = Some(if tcp.ack { Opening::Agreed } else { Opening::Asked });
                    let due = self.openings.is_due(frame.at, summary, tcp.ack);
                    if let Some(index) = dispatch.opening().filter(|_| due) {
                        let packet = Packet {
                            source_port: tcp.source,
                            destination_port: tcp.destination,
                            ..Packet::bare(summary, network.payload)
                        };
                        self.message(&[Some(index)], &packet, summary, sink);
                    }
                }
                let place = self.flows.place(&tcp, summary, frame.at.seconds(), &mut self.counters);
                let Some(place) = place else { return };
                let packet = Packet {
                    source_port: tcp.source,
                    destination_port: tcp.destination,
                    ..Packet::bare(summary, tcp.payload)
                };
                let mut readings = Readings::new(sink, packet.source, packet.source_ip, summary.vlan);
                let index = self.flows.segment(place, &tcp, &packet, &mut readings, &mut self.counters);
                summary.protocol = index.and_then(name);
            }
            other => {
                let Some(index) = dispatch.ip(other) else { return };
                let packet = Packet::bare(summary, network.payload);
                self.message(&[Some(index)], &packet, summary, sink);
            }
        }
    }

    /// Offers a message to the protocols whose place it was found in, until one takes it.
    fn message(
        &mut self,
        indices: &[Option<usize>],
        packet: &Packet<'_>,
        summary: &mut Summary,
        sink: Sink<'_>,
    ) {
        for index in indices.iter().flatten() {
            let Some(read) = PROTOCOLS.get(*index).and_then(|protocol| protocol.message) else { continue };
            let mut readings = Readings::new(sink, packet.source, packet.source_ip, summary.vlan);
            let outcome = read(packet, &mut readings);
            self.counters.count(*index, Some(outcome), &readings);
            summary.truncated |= outcome == Outcome::Partial;
            if outcome != Outcome::NotMine {
                summary.protocol = name(*index);
                return;
            }
        }
    }
}

/// What an IP packet wraps.
#[inline]
fn inside<'a>(network: &Network<'a>) -> Option<Inside<'a>> {
    if network.protocol == packet::IP_UDP {
        // nearly all datagrams are no tunnel: their ports say so
        let [s0, s1, d0, d1] = *network.payload.first_chunk()?;
        if !tunnel::is_udp_port(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])) {
            return None;
        }
        let (source, destination, payload, _) = packet::udp(network.payload)?;
        return tunnel::over_udp(source, destination, payload);
    }
    if network.protocol == packet::IP_TCP {
        return None;
    }
    tunnel::over_ip(network.protocol, network.payload)
}

/// Puts what was inside in the place of what was outside.
fn enter<'a>(inside: &Inside<'a>, outer: &Link<'_>, cut: bool, summary: &mut Summary) -> Link<'a> {
    let tunnel = Tunnel { kind: inside.kind, id: inside.id, exporter: summary.source_ip };
    let bare = inside.link.source.is_none() && inside.link.destination.is_none();
    let mut link = inside.link;
    if bare {
        link = Link {
            source: outer.source,
            destination: outer.destination,
            vlan: link.vlan.or(outer.vlan),
            ..link
        };
    }
    *summary = Summary {
        source: link.source,
        destination: link.destination,
        vlan: link.vlan,
        tunnel: Some(tunnel),
        truncated: cut,
        ..Summary::default()
    };
    link
}

impl fmt::Debug for Dissector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dissector").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn name(index: usize) -> Option<&'static str> {
    PROTOCOLS.get(index).map(|protocol| protocol.name)
}
