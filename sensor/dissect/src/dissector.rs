//! The front door: one frame in, its readings out.

use std::fmt;
use std::net::IpAddr;

use eyot_capture::Frame;
use eyot_contract::MacAddr;

use crate::flow::Flows;
use crate::link::{self, Kind, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::packet::{self, Network, Packet};
use crate::readings::Readings;
use crate::registry::{Dispatch, Outcome, PROTOCOLS};
use crate::{arp, Observation};

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
    /// Frames of which less was captured than was sent.
    pub truncated: u64,
    /// Frames whose link header could not be read, or of a link type that is not known.
    pub unknown_link: u64,
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
    flows: Flows,
    counters: Counters,
}

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        let protocols = PROTOCOLS
            .iter()
            .map(|protocol| ProtocolCounters { name: protocol.name, messages: 0, malformed: 0, readings: 0 })
            .collect();
        Self {
            dispatch: Dispatch::new(),
            flows: Flows::new(&limits),
            counters: Counters { protocols, ..Counters::default() },
        }
    }

    /// Reads one frame, gives every reading to `sink` and returns what the frame itself was.
    pub fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(&Observation<'_>)) -> Summary {
        let summary = self.read(frame, sink);
        self.counters.frames += 1;
        self.counters.truncated += u64::from(summary.truncated);
        summary
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    fn read(&mut self, frame: &Frame<'_>, sink: &mut dyn FnMut(&Observation<'_>)) -> Summary {
        let cut = usize::try_from(frame.wire_len).is_ok_and(|length| frame.bytes.len() < length);
        let Some(link) = link::read(frame) else {
            self.counters.unknown_link += 1;
            return Summary { vlan: frame.vlan, truncated: cut, ..Summary::default() };
        };
        let mut summary = Summary {
            source: link.source,
            destination: link.destination,
            vlan: link.vlan,
            truncated: cut,
            ..Summary::default()
        };
        if matches!(link.kind, Kind::EtherType(ETHERTYPE_IPV4 | ETHERTYPE_IPV6)) {
            if let Some(network) = packet::network(link.payload, &mut summary) {
                self.network(frame, &network, &mut summary, sink);
            }
        } else if let Some(index) = self.dispatch.link(link.kind) {
            let packet = Packet::bare(frame.at, &summary, link.payload);
            self.message(&[Some(index)], &packet, &mut summary, sink);
            if matches!(link.kind, Kind::EtherType(ETHERTYPE_ARP)) {
                summary.destination_ip = arp::target(link.payload);
            }
        }
        summary
    }

    fn network(
        &mut self,
        frame: &Frame<'_>,
        network: &Network<'_>,
        summary: &mut Summary,
        sink: &mut dyn FnMut(&Observation<'_>),
    ) {
        match network.protocol {
            packet::IP_UDP => {
                let Some((source, destination, payload, cut)) = packet::udp(network.payload) else { return };
                (summary.source_port, summary.destination_port) = (source, destination);
                let indices = [self.dispatch.udp(destination), self.dispatch.udp(source)];
                if indices == [None, None] {
                    return;
                }
                summary.truncated |= cut;
                let packet = Packet {
                    source_port: source,
                    destination_port: destination,
                    ..Packet::bare(frame.at, summary, payload)
                };
                self.message(&indices, &packet, summary, sink);
            }
            packet::IP_TCP => {
                let Some(tcp) = packet::tcp(network.payload) else { return };
                (summary.source_port, summary.destination_port) = (tcp.source, tcp.destination);
                summary.opening = tcp.syn.then_some(if tcp.ack { Opening::Agreed } else { Opening::Asked });
                let packet = Packet {
                    source_port: tcp.source,
                    destination_port: tcp.destination,
                    ..Packet::bare(frame.at, summary, tcp.payload)
                };
                let mut readings = Readings::new(sink, packet.source, packet.source_ip, summary.vlan);
                let index = self.flows.segment(&tcp, &packet, &mut readings, &mut self.counters);
                summary.protocol = index.and_then(name);
            }
            other => {
                let Some(index) = self.dispatch.ip(other) else { return };
                let packet = Packet::bare(frame.at, summary, network.payload);
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
        sink: &mut dyn FnMut(&Observation<'_>),
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

impl fmt::Debug for Dissector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dissector").field("counters", &self.counters).finish_non_exhaustive()
    }
}

fn name(index: usize) -> Option<&'static str> {
    PROTOCOLS.get(index).map(|protocol| protocol.name)
}
