//! From a link payload to a message: IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), UDP (RFC 768) and TCP
//! (RFC 9293).
//!
//! Written out here rather than taken from a crate, because every frame passes through: it costs no allocation and
//! there is no unchecked access in it. The tests hold it against another implementation.
//!
//! Lengths are believed only as far as there are bytes; checksums are not looked at, since a mirror port often shows
//! frames before a NIC has filled them in. A fragment says that it is one; `fragments` puts them together.

use std::net::IpAddr;

use eyot_contract::MacAddr;

use crate::cursor::Cursor;
use crate::Summary;

/// IP protocol numbers.
pub(crate) const IP_TCP: u8 = 6;
pub(crate) const IP_UDP: u8 = 17;

/// IPv4's header without options, in bytes.
const IPV4_HEADER: usize = 20;
const MORE_FRAGMENTS_IPV4: u16 = 0x2000;
const FRAGMENT_OFFSET_IPV4: u16 = 0x1fff;
const MORE_FRAGMENTS_IPV6: u16 = 0x0001;
const FRAGMENT_OFFSET_IPV6: u16 = 0xfff8;

/// IPv6 extension headers, by their protocol numbers.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
/// Extension headers passed over at most.
const MAX_EXTENSIONS: usize = 8;

/// A message and who sent it to whom: what a protocol is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub source: Option<MacAddr>,
    pub destination: Option<MacAddr>,
    pub source_ip: Option<IpAddr>,
    pub destination_ip: Option<IpAddr>,
    pub hop_limit: Option<u8>,
    /// UDP or TCP; 0 where there is none.
    pub source_port: u16,
    pub destination_port: u16,
    /// The message.
    pub payload: &'a [u8],
    /// The message goes on beyond what was captured, or in later fragments.
    pub truncated: bool,
}

impl<'a> Packet<'a> {
    /// A packet that has no network header.
    pub(crate) fn bare(summary: &Summary, payload: &'a [u8]) -> Self {
        Self {
            source: summary.source,
            destination: summary.destination,
            source_ip: summary.source_ip,
            destination_ip: summary.destination_ip,
            hop_limit: summary.hop_limit,
            source_port: 0,
            destination_port: 0,
            payload,
            truncated: summary.truncated,
        }
    }
}

/// The transport part of an IP packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network<'a> {
    pub protocol: u8,
    pub payload: &'a [u8],
    /// It is only a part of what was sent.
    pub piece: Option<Piece<'a>>,
}

/// A fragment: where it belongs, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub identification: u32,
    /// What the whole begins with.
    pub protocol: u8,
    /// In bytes.
    pub offset: usize,
    /// Others follow.
    pub more: bool,
    pub bytes: &'a [u8],
    /// All of it was captured.
    pub whole: bool,
}

/// Reads the IP header into the summary. `None` when there is nothing behind it to read: a header that is not whole, or no
/// IP at all.
#[inline]
pub(crate) fn network<'a>(bytes: &'a [u8], summary: &mut Summary) -> Option<Network<'a>> {
    match bytes.first()? >> 4 {
        4 => ipv4(bytes, summary),
        6 => ipv6(bytes, summary),
        _ => None,
    }
}

/// RFC 791 section 3.1.
#[inline]
fn ipv4<'a>(bytes: &'a [u8], summary: &mut Summary) -> Option<Network<'a>> {
    let header = bytes.first_chunk::<IPV4_HEADER>()?;
    let [first, _, t0, t1, i0, i1, f0, f1, hop_limit, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        *header;
    let header_length = usize::from(first & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([t0, t1]));
    let fragment = u16::from_be_bytes([f0, f1]);
    summary.source_ip = known(IpAddr::V4([s0, s1, s2, s3].into()));
    summary.destination_ip = known(IpAddr::V4([d0, d1, d2, d3].into()));
    summary.hop_limit = Some(hop_limit);
    if header_length < IPV4_HEADER {
        return None;
    }
    let mut cursor = Cursor::new(bytes.get(header_length..)?);
    // a total of 0 is a segment that offloading had not cut up yet
    let (payload, whole) = match total.checked_sub(header_length) {
        Some(length) => cursor.take_lax(length),
        None => (cursor.rest(), true),
    };
    summary.truncated |= !whole;
    let mut piece = None;
    if fragment & (MORE_FRAGMENTS_IPV4 | FRAGMENT_OFFSET_IPV4) != 0 {
        summary.truncated = true;
        piece = Some(Piece {
            identification: u16::from_be_bytes([i0, i1]).into(),
            protocol,
            bytes: payload,
            offset: usize::from(fragment & FRAGMENT_OFFSET_IPV4) * 8,
            more: fragment & MORE_FRAGMENTS_IPV4 != 0,
            whole,
        });
    }
    Some(Network { protocol, payload, piece })
}

/// RFC 8200 sections 3 and 4.
fn ipv6<'a>(bytes: &'a [u8], summary: &mut Summary) -> Option<Network<'a>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(4)?;
    let length = usize::from(cursor.u16()?);
    let protocol = cursor.u8()?;
    let hop_limit = cursor.u8()?;
    let (source, destination) = (cursor.ipv6()?, cursor.ipv6()?);
    summary.source_ip = known(IpAddr::V6(source));
    summary.destination_ip = known(IpAddr::V6(destination));
    summary.hop_limit = Some(hop_limit);
    // a length of 0 is a jumbogram, or as above
    let (payload, whole) = if length == 0 { (cursor.rest(), true) } else { cursor.take_lax(length) };
    summary.truncated |= !whole;
    if !is_extension(protocol) {
        return Some(Network { protocol, payload, piece: None });
    }
    let network = extensions(protocol, payload)?;
    let piece = network.piece.map(|piece| Piece { whole, ..piece });
    summary.truncated |= piece.is_some();
    Some(Network { piece, ..network })
}

/// What follows IPv6's extension headers.
pub(crate) fn extensions(mut protocol: u8, bytes: &[u8]) -> Option<Network<'_>> {
    let mut cursor = Cursor::new(bytes);
    let mut piece = None;
    for _ in 0..MAX_EXTENSIONS {
        // the length counts units beyond the first 8 bytes; RFC 4302 counts in other units
        let unit = match protocol {
            FRAGMENT => {
                protocol = cursor.u8()?;
                cursor.skip(1)?;
                let fragment = cursor.u16()?;
                let identification = cursor.u32()?;
                let offset = usize::from(fragment & FRAGMENT_OFFSET_IPV6);
                let more = fragment & MORE_FRAGMENTS_IPV6 != 0;
                if offset != 0 || more {
                    let bytes = cursor.rest();
                    piece = Some(Piece { identification, protocol, offset, more, bytes, whole: true });
                }
                if offset != 0 {
                    // what follows is no header
                    return Some(Network { protocol, payload: cursor.rest(), piece });
                }
                continue;
            }
            AUTHENTICATION => 4,
            _ if is_extension(protocol) => 8,
            _ => return Some(Network { protocol, payload: cursor.rest(), piece }),
        };
        protocol = cursor.u8()?;
        let units = usize::from(cursor.u8()?);
        cursor.skip(units * unit + 6)?;
    }
    None
}

#[inline]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HOST_IDENTITY | SHIM6
    )
}

/// The unspecified address says that there is none.
fn known(address: IpAddr) -> Option<IpAddr> {
    Some(address).filter(|a| !a.is_unspecified())
}

/// A UDP header: ports and payload; the flag is set when the payload is not all there.
pub(crate) fn udp(bytes: &[u8]) -> Option<(u16, u16, &[u8], bool)> {
    let mut cursor = Cursor::new(bytes);
    let source = cursor.u16()?;
    let destination = cursor.u16()?;
    let length = usize::from(cursor.u16()?);
    cursor.skip(2)?;
    // length 0 stands for a jumbogram (RFC 2675) or an offload that had not filled it in
    let (payload, whole) = if length < 8 { (cursor.rest(), true) } else { cursor.take_lax(length - 8) };
    Some((source, destination, payload, !whole))
}

/// A TCP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp<'a> {
    pub source: u16,
    pub destination: u16,
    pub sequence: u32,
    pub fin: bool,
    pub syn: bool,
    pub ack: bool,
    pub rst: bool,
    pub payload: &'a [u8],
}

#[inline]
pub(crate) fn tcp(bytes: &[u8]) -> Option<Tcp<'_>> {
    let [s0, s1, d0, d1, q0, q1, q2, q3, _, _, _, _, offset, flags] = *bytes.first_chunk::<14>()?;
    let header = usize::from(offset >> 4) * 4;
    Some(Tcp {
        source: u16::from_be_bytes([s0, s1]),
        destination: u16::from_be_bytes([d0, d1]),
        sequence: u32::from_be_bytes([q0, q1, q2, q3]),
        fin: flags & 1 != 0,
        syn: flags & 2 != 0,
        ack: flags & 16 != 0,
        rst: flags & 4 != 0,
        payload: if header < 20 { return None } else { bytes.get(header..)? },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    /// What the other implementation writes, read here: addresses, ports, payload.
    fn read(bytes: &[u8]) -> (Summary, u8, u16, u16, Vec<u8>) {
        let mut summary = Summary::default();
        let network = network(bytes, &mut summary).unwrap();
        let (source, destination, payload) = if network.protocol == IP_UDP {
            let (source, destination, payload, cut) = udp(network.payload).unwrap();
            assert!(!cut);
            (source, destination, payload.to_vec())
        } else {
            let tcp = tcp(network.payload).unwrap();
            (tcp.source, tcp.destination, tcp.payload.to_vec())
        };
        (summary, network.protocol, source, destination, payload)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reads_what_another_implementation_writes(
            v6 in any::<bool>(),
            is_tcp in any::<bool>(),
            (from, to) in any::<([u8; 16], [u8; 16])>(),
            (source, destination) in any::<(u16, u16)>(),
            hops in any::<u8>(),
            sequence in any::<u32>(),
            payload in prop::collection::vec(any::<u8>(), 0..100),
            padding in 0_usize..20,
        ) {
            let [from4, to4] = [&from, &to].map(|bytes| <[u8; 4]>::try_from(&bytes[..4]).unwrap());
            let network = if v6 {
                PacketBuilder::ipv6(from, to, hops)
            } else {
                PacketBuilder::ipv4(from4, to4, hops)
            };
            let mut bytes = Vec::new();
            if is_tcp {
                let transport = network.tcp(source, destination, sequence, 1).syn();
                transport.write(&mut bytes, &payload).unwrap();
            } else {
                network.udp(source, destination).write(&mut bytes, &payload).unwrap();
            }
            // what Ethernet fills a short frame with
            bytes.resize(bytes.len() + padding, 0xee);
            let (summary, protocol, s, d, p) = read(&bytes);
            let [from_ip, to_ip] =
                if v6 { [from, to].map(IpAddr::from) } else { [from4, to4].map(IpAddr::from) };
            prop_assert_eq!(summary.source_ip, known(from_ip));
            prop_assert_eq!(summary.destination_ip, known(to_ip));
            prop_assert_eq!(summary.hop_limit, Some(hops));
            prop_assert!(!summary.truncated);
            prop_assert_eq!(protocol, if is_tcp { IP_TCP } else { IP_UDP });
            prop_assert_eq!((s, d, p), (source, destination, payload));
        }
    }

    /// IPv6 with the given chain of extension headers before UDP.
    fn chain(first: u8, extensions: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, extensions.len() as u8 + 9, first, 64];
        bytes.extend([0xfe; 32]);
        bytes.extend(extensions);
        bytes.extend([0, 53, 0x9c, 0x40, 0, 9, 0, 0, b'x']);
        bytes
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let hop_and_routing = [43, 0, 1, 4, 0, 0, 0, 0, 51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let authentication = [17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let bytes = chain(0, &[&hop_and_routing[..], &authentication].concat());
        let (summary, _, source, _, payload) = read(&bytes);
        assert_eq!((source, payload, summary.truncated), (53, vec![b'x'], false));
    }

    #[test]
    fn fragments_of_ipv6_say_so() {
        let (summary, _, source, ..) = read(&chain(44, &[17, 0, 0, 1, 0, 0, 0, 9]));
        assert_eq!((source, summary.truncated), (53, true));
        let mut summary = Summary::default();
        let later = chain(44, &[17, 0, 0, 8, 0, 0, 0, 9]);
        let piece = network(&later, &mut summary).unwrap().piece.unwrap();
        assert_eq!((piece.identification, piece.protocol, piece.offset, piece.more), (9, 17, 8, false));
        assert!(summary.truncated && summary.source_ip.is_some());
        // an atomic fragment is a whole packet (RFC 6946)
        assert!(!read(&chain(44, &[17, 0, 0, 0, 0, 0, 0, 9])).0.truncated);
    }

    #[test]
    fn survives_any_bytes() {
        for good in [chain(44, &[17, 0, 0, 1, 0, 0, 0, 9]), chain(0, &[17, 0, 1, 4, 0, 0, 0, 0])] {
            crate::testing::survives(&good, |bytes| {
                let mut summary = Summary::default();
                if let Some(network) = network(bytes, &mut summary) {
                    udp(network.payload);
                    tcp(network.payload);
                }
            });
        }
    }
}
