//! From a link payload to a message: IP by etherparse's lax reader, then UDP and TCP headers (RFC 768, RFC 9293).
//!
//! Lengths are believed only as far as there are bytes; checksums are not looked at, since a mirror port often shows
//! frames before a NIC has filled them in. Fragments after the first carry nothing readable and only count.

use std::net::IpAddr;

use etherparse::{Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxIpSlice};
use eyot_contract::{MacAddr, Timestamp};

use crate::cursor::Cursor;
use crate::Summary;

/// IP protocol numbers.
pub(crate) const IP_TCP: u8 = 6;
pub(crate) const IP_UDP: u8 = 17;

/// A message and who sent it to whom: what a protocol is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub at: Timestamp,
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
    pub(crate) fn bare(at: Timestamp, summary: &Summary, payload: &'a [u8]) -> Self {
        Self {
            at,
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
}

/// Reads the IP header into the summary. `None` when there is nothing behind it to read: a later fragment, a header
/// that is not whole, or no IP at all.
pub(crate) fn network<'a>(bytes: &'a [u8], summary: &mut Summary) -> Option<Network<'a>> {
    let (ip, trouble) = LaxIpSlice::from_slice(bytes).ok()?;
    let fragment_offset = match &ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            summary.source_ip = known(IpAddr::V4(header.source_addr()));
            summary.destination_ip = known(IpAddr::V4(header.destination_addr()));
            summary.hop_limit = Some(header.ttl());
            header.fragments_offset().value()
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.header();
            summary.source_ip = known(IpAddr::V6(header.source_addr()));
            summary.destination_ip = known(IpAddr::V6(header.destination_addr()));
            summary.hop_limit = Some(header.hop_limit());
            let fragment = v6.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment.fragment_offset().value()),
                _ => None,
            });
            fragment.unwrap_or(0)
        }
    };
    let LaxIpPayloadSlice { incomplete, ip_number, fragmented, payload, .. } = ip.payload().clone();
    summary.truncated |= incomplete || fragmented;
    if trouble.is_some() || fragment_offset != 0 {
        return None;
    }
    Some(Network { protocol: ip_number.0, payload })
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
    pub rst: bool,
    pub payload: &'a [u8],
}

pub(crate) fn tcp(bytes: &[u8]) -> Option<Tcp<'_>> {
    let mut cursor = Cursor::new(bytes);
    let source = cursor.u16()?;
    let destination = cursor.u16()?;
    let sequence = cursor.u32()?;
    cursor.skip(4)?;
    let header = usize::from(cursor.u8()? >> 4) * 4;
    let flags = cursor.u8()?;
    Some(Tcp {
        source,
        destination,
        sequence,
        fin: flags & 1 != 0,
        syn: flags & 2 != 0,
        rst: flags & 4 != 0,
        payload: if header < 20 { return None } else { bytes.get(header..)? },
    })
}
