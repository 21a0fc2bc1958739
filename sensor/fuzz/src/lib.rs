//! What the targets and the maker of seeds share: a message wrapped for the protocol that is to read it.
//!
//! An input of the target `dissector` is a protocol's name, a zero byte and a message. The message is carried to that
//! protocol the way a frame of its kind would bring it, as the registry says, so that what is tried is what can happen.

pub mod samples;

use eyot_dissect::{protocols, Carrier, Protocol};

/// Addresses of who speaks and who listens.
const SPEAKER: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];
const LISTENER: [u8; 6] = [0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
/// A port that is no protocol's.
const ANY_PORT: u16 = 50_123;
/// Longest segment of a connection.
const SEGMENT: usize = 1_400;

/// The protocol an input names and its message; one that names none goes to a protocol by its first byte.
pub fn input(data: &[u8]) -> Option<(&'static Protocol, &[u8])> {
    let (first, rest) = data.split_first()?;
    let named = data.iter().take(32).position(|b| *b == 0).and_then(|end| {
        let protocol = protocols().iter().find(|p| p.name.as_bytes() == &data[..end])?;
        Some((protocol, &data[end + 1..]))
    });
    named.or_else(|| Some((protocols().get(usize::from(*first) % protocols().len())?, rest)))
}

/// Frames that bring the message to the protocol, each way that it can come.
pub fn frames(protocol: &Protocol, message: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for carrier in protocol.carriers {
        match *carrier {
            Carrier::EtherType(kind) => all.push(ethernet(kind, message)),
            Carrier::Llc(sap) => all.push(length(&[&[sap, sap, 3][..], message].concat())),
            Carrier::Snap(organisation, kind) => {
                let head = [&[0xaa, 0xaa, 3][..], &organisation, &kind.to_be_bytes()].concat();
                all.push(length(&[&head[..], message].concat()));
            }
            Carrier::Ip(number) => all.push(packet(number, message)),
            Carrier::TcpOpening => all.push(packet(6, message)),
            Carrier::Udp(port) => {
                all.push(datagram(ANY_PORT, port, message));
                all.push(datagram(port, ANY_PORT, message));
            }
            Carrier::Tcp(port) => {
                all.extend(connection(ANY_PORT, port, message));
                all.extend(connection(port, ANY_PORT, message));
            }
            Carrier::AnyTcp => all.extend(connection(ANY_PORT, 8_123, message)),
            // the message is the other protocol's, with this one in it
            Carrier::Within(outer) => {
                let outer = protocols().iter().find(|p| p.name == outer);
                all.extend(outer.into_iter().flat_map(|outer| frames(outer, message)));
            }
        }
    }
    all
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&LISTENER[..], &SPEAKER, &kind.to_be_bytes(), payload].concat()
}

fn length(payload: &[u8]) -> Vec<u8> {
    ethernet(u16::try_from(payload.len()).unwrap_or(1_500).min(1_500), payload)
}

fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).unwrap_or(u16::MAX);
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 1, 0, 0, 255, protocol, 0, 0, 192, 168, 1, 20, 192, 168, 1, 1]);
    header.extend(payload);
    ethernet(0x0800, &header)
}

fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut bytes = [from, to, length, 0].map(u16::to_be_bytes).concat();
    bytes.extend(payload);
    packet(17, &bytes)
}

/// The message as a connection's first bytes, in segments.
fn connection(from: u16, to: u16, payload: &[u8]) -> Vec<Vec<u8>> {
    let mut sequence = 1_u32;
    payload
        .chunks(SEGMENT)
        .map(|part| {
            let mut bytes = [from, to].map(u16::to_be_bytes).concat();
            bytes.extend(sequence.to_be_bytes());
            bytes.extend([0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
            bytes.extend(part);
            sequence = sequence.wrapping_add(part.len() as u32);
            packet(6, &bytes)
        })
        .collect()
}
