//! The front door: one frame in, its readings out.

use std::net::IpAddr;

use eyot_capture::Frame;
use eyot_contract::MacAddr;

use crate::Observation;

/// Bounds on what is remembered between frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections followed at once; the longest silent gives way to a new one.
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
    /// IP addressee.
    pub destination_ip: Option<IpAddr>,
    /// IPv4 time to live or IPv6 hop limit, as left when the frame passed.
    pub hop_limit: Option<u8>,
    /// Less was captured than was sent.
    pub truncated: bool,
    /// Registry name of the protocol that was read, if one was.
    pub protocol: Option<&'static str>,
}

/// What was read of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolCounters {
    /// Registry name.
    pub name: &'static str,
    /// Messages understood, wholly or in part.
    pub messages: u64,
    /// Messages in the protocol's place that were not understood.
    pub malformed: u64,
    /// Readings given out.
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

/// Turns frames into observations.
#[derive(Debug)]
pub struct Dissector {
    limits: Limits,
    counters: Counters,
}

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self { limits, counters: Counters::default() }
    }

    /// Reads one frame, gives every reading to `sink` and returns what the frame itself was.
    pub fn frame(&mut self, frame: &Frame<'_>, sink: &mut impl FnMut(&Observation<'_>)) -> Summary {
        let _ = (sink, &self.limits);
        self.counters.frames += 1;
        Summary { vlan: frame.vlan, ..Summary::default() }
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }
}
