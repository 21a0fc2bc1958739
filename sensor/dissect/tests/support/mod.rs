//! Frames built by hand, a device that listens to what they say, and a small reader of capture files.
//!
//! The reader stands here and not in the capture crate because it must not need libpcap: it knows classic pcap and the
//! blocks of pcapng that carry packets, and stops where a file is damaged.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::Ipv4Addr;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{MacAddr, Timestamp};
use eyot_dissect::{Dissector, Field, Observation, Summary};

pub const CLIENT: MacAddr = MacAddr([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
pub const SERVER: MacAddr = MacAddr([0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);

/// One end of a connection.
#[derive(Clone, Copy)]
pub struct End {
    pub mac: MacAddr,
    pub ip: [u8; 4],
    pub port: u16,
}

pub const fn client(port: u16) -> End {
    End { mac: CLIENT, ip: [192, 168, 1, 20], port }
}

pub const fn server(port: u16) -> End {
    End { mac: SERVER, ip: [192, 168, 1, 1], port }
}

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// Ethernet, IPv4 and TCP around a payload.
pub fn tcp(from: End, to: End, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port.to_be_bytes());
    segment.extend(to.port.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ipv4(from, to, 6, 0, &segment)
}

/// Ethernet, IPv4 and UDP around a payload.
pub fn udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(from.port.to_be_bytes());
    datagram.extend(to.port.to_be_bytes());
    datagram.extend((payload.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ipv4(from, to, 17, 0, &datagram)
}

/// Ethernet and IPv4; `fragment` is the flags-and-offset field.
pub fn ipv4(from: End, to: End, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = [to.mac.0, from.mac.0].concat();
    out.extend([0x08, 0x00, 0x45, 0]);
    out.extend((payload.len() as u16 + 20).to_be_bytes());
    out.extend([0, 1]);
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend(Ipv4Addr::from(from.ip).octets());
    out.extend(Ipv4Addr::from(to.ip).octets());
    out.extend(payload);
    out
}

/// A dissector and all that it said.
pub struct Listener {
    pub dissector: Dissector,
    pub said: Vec<(MacAddr, Field, String)>,
    /// Seconds.
    pub at: i64,
    /// Frames heard: each is 20 ms after the one before, so that the same one again is not the mirror's second copy.
    heard: i64,
}

impl Listener {
    pub fn new(limits: eyot_dissect::Limits) -> Self {
        Self { dissector: Dissector::new(limits), said: Vec::new(), at: 1_700_000_000, heard: 0 }
    }

    pub fn hear(&mut self, bytes: &[u8]) -> Summary {
        self.heard += 1;
        self.hear_frame(&Frame {
            at: Timestamp(self.at * 1_000_000 + self.heard * 20_000),
            link: LinkType::ETHERNET,
            bytes,
            wire_len: bytes.len() as u32,
            vlan: None,
        })
    }

    pub fn hear_frame(&mut self, frame: &Frame<'_>) -> Summary {
        let said = &mut self.said;
        self.dissector
            .frame(frame, &mut |o: &Observation<'_>| said.push((o.mac, o.field, o.value.to_string())))
    }

    pub fn all(&self, field: Field) -> Vec<&str> {
        self.said.iter().filter(|(_, f, _)| *f == field).map(|(_, _, value)| value.as_str()).collect()
    }
}

/// One packet of a file.
pub struct Packet {
    pub link: u16,
    pub at: Timestamp,
    pub wire_len: u32,
    pub bytes: Vec<u8>,
}

/// The packets of a capture file, as far as it goes. `None` when it is no capture file.
pub fn read_capture(file: &[u8]) -> Option<Vec<Packet>> {
    let magic: [u8; 4] = file.get(..4)?.try_into().ok()?;
    match magic {
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(read_pcapng(file)),
        [0xd4, 0xc3, 0xb2, 0xa1] => Some(read_pcap(file, u32::from_le_bytes, 1)),
        [0x4d, 0x3c, 0xb2, 0xa1] => Some(read_pcap(file, u32::from_le_bytes, 1000)),
        [0xa1, 0xb2, 0xc3, 0xd4] => Some(read_pcap(file, u32::from_be_bytes, 1)),
        [0xa1, 0xb2, 0x3c, 0x4d] => Some(read_pcap(file, u32::from_be_bytes, 1000)),
        _ => None,
    }
}

type Order = fn([u8; 4]) -> u32;

fn word(bytes: &[u8], at: usize, order: Order) -> Option<u32> {
    Some(order(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_pcap(file: &[u8], order: Order, divisor: u32) -> Vec<Packet> {
    let mut packets = Vec::new();
    let Some(link) = word(file, 20, order) else { return packets };
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(captured), Some(wire_len)) = (
        word(file, at, order),
        word(file, at + 4, order),
        word(file, at + 8, order),
        word(file, at + 12, order),
    ) {
        let Some(bytes) = file.get(at + 16..).and_then(|rest| rest.get(..captured as usize)) else { break };
        let moment = i64::from(seconds) * 1_000_000 + i64::from(fraction / divisor);
        packets.push(Packet { link: link as u16, at: Timestamp(moment), wire_len, bytes: bytes.to_vec() });
        at += 16 + captured as usize;
    }
    packets
}

fn read_pcapng(file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut links = Vec::new();
    let mut order: Order = u32::from_le_bytes;
    let mut at = 0;
    while at + 12 <= file.len() {
        if file[at..at + 4] == [0x0a, 0x0d, 0x0d, 0x0a] {
            order = if file[at + 8] == 0x1a { u32::from_be_bytes } else { u32::from_le_bytes };
            links.clear();
        }
        let (Some(kind), Some(length)) = (word(file, at, order), word(file, at + 4, order)) else { break };
        let length = length as usize;
        let Some(body) = file.get(at + 8..).and_then(|rest| rest.get(..length.checked_sub(12)?)) else {
            break;
        };
        match kind {
            1 => {
                let link = word(body, 0, order).unwrap_or(0);
                links.push(if body.first() == Some(&0) { (link >> 16) as u16 } else { link as u16 });
            }
            6 => {
                let interface = word(body, 0, order).unwrap_or(0) as usize;
                let high = word(body, 4, order).unwrap_or(0);
                let low = word(body, 8, order).unwrap_or(0);
                let captured = word(body, 12, order).unwrap_or(0) as usize;
                let wire_len = word(body, 16, order).unwrap_or(0);
                if let (Some(link), Some(bytes)) =
                    (links.get(interface), body.get(20..).and_then(|rest| rest.get(..captured)))
                {
                    let at = Timestamp((u64::from(high) << 32 | u64::from(low)) as i64);
                    packets.push(Packet { link: *link, at, wire_len, bytes: bytes.to_vec() });
                }
            }
            _ => {}
        }
        at += length.max(12).next_multiple_of(4);
    }
    packets
}
