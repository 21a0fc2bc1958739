//! IEEE 802.11 frames, and the headers that monitoring drivers put before them.
//!
//! Only data frames in clear lead on: their LLC payload is an Ethernet payload. All others give the sender's address, so
//! that a station is seen, and nothing else. IEEE 802.11-2020 clause 9; radiotap.org; the tcpdump.org pages of
//! LINKTYPE_PRISM_HEADER, LINKTYPE_IEEE802_11_AVS and LINKTYPE_PPI.

use eyot_capture::LinkType;
use eyot_contract::MacAddr;

use crate::cursor::Cursor;
use crate::link::{payload, Kind, Link};

/// Frame types, bits 2 and 3 of the first byte.
const MANAGEMENT: u8 = 0;
const DATA: u8 = 2;
/// Data subtypes: with a QoS field; without a body.
const SUBTYPE_QOS: u8 = 0x80;
const SUBTYPE_EMPTY: u8 = 0x40;
/// Second byte of the frame control.
const TO_DISTRIBUTION: u8 = 0x01;
const FROM_DISTRIBUTION: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// QoS control: the body is an aggregate of several frames.
const AGGREGATE: u8 = 0x80;
/// Radiotap: the bit of the TSFT field and of the flags, and the flag for padding after the 802.11 header.
const RADIOTAP_TSFT: u32 = 1;
const RADIOTAP_FLAGS: u32 = 2;
const RADIOTAP_MORE: u32 = 1 << 31;
const RADIOTAP_FLAG_FCS: u8 = 0x10;
/// Frame check sequence, in bytes.
const FCS: usize = 4;
/// Pseudo length field for [`payload`]: LLC follows, to the end.
const LLC_FOLLOWS: u16 = 0x0004;
/// What is said of frames without a readable body; no protocol is registered for it.
const NOTHING: Kind = Kind::EtherType(0xffff);

/// Takes the 802.11 header off.
pub(crate) fn frame(bytes: &[u8], vlan: Option<u16>) -> Option<Link<'_>> {
    let (control, rest) = bytes.split_first_chunk::<2>()?;
    after_control(*control, rest, vlan)
}

/// The same, of a sender that may write the two bytes of the frame control the wrong way round, as Cisco's access points
/// do in CAPWAP.
pub(crate) fn frame_either_way(bytes: &[u8], vlan: Option<u16>) -> Option<Link<'_>> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let data = |control: u8| control & 0x0f == DATA << 2;
    let control = if !data(first) && data(second) { [second, first] } else { [first, second] };
    after_control(control, rest, vlan)
}

fn after_control([control, flags]: [u8; 2], bytes: &[u8], vlan: Option<u16>) -> Option<Link<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(2)?;
    let first = cursor.array().map(MacAddr)?;
    let kind = control >> 2 & 3;
    let empty = |source, destination| Some(Link { source, destination, vlan, kind: NOTHING, payload: &[] });
    if control & 3 != 0 {
        return None;
    }
    if kind != MANAGEMENT && kind != DATA {
        // control frames name a transmitter only sometimes; that station sends others too
        return empty(None, Some(first));
    }
    let second = cursor.array().map(MacAddr)?;
    let third = cursor.array().map(MacAddr)?;
    if kind == MANAGEMENT {
        return empty(Some(second), Some(first));
    }
    cursor.skip(2)?;
    let (source, destination) = match (flags & TO_DISTRIBUTION != 0, flags & FROM_DISTRIBUTION != 0) {
        (false, false) => (second, first),
        (true, false) => (second, third),
        (false, true) => (third, first),
        (true, true) => (cursor.array().map(MacAddr)?, third),
    };
    let mut aggregate = false;
    if control & SUBTYPE_QOS != 0 {
        let [low, _] = cursor.array()?;
        aggregate = low & AGGREGATE != 0;
        if flags & ORDER != 0 {
            cursor.skip(4)?;
        }
    }
    if flags & PROTECTED != 0 || control & SUBTYPE_EMPTY != 0 || aggregate {
        return empty(Some(source), Some(destination));
    }
    let body = payload(cursor, LLC_FOLLOWS, vlan);
    match body {
        Some(link) => Some(Link { source: Some(source), destination: Some(destination), ..link }),
        None => empty(Some(source), Some(destination)),
    }
}

/// What follows a radiotap header, without the frame check sequence that some drivers leave.
pub(crate) fn after_radiotap(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(2)?;
    let length = usize::from(cursor.u16_le()?);
    let present = cursor.u32_le()?;
    let rest = bytes.get(length..)?;
    let mut more = present;
    while more & RADIOTAP_MORE != 0 {
        more = cursor.u32_le()?;
    }
    if present & RADIOTAP_FLAGS == 0 {
        return Some(rest);
    }
    let mut at = bytes.len() - cursor.len();
    if present & RADIOTAP_TSFT != 0 {
        // eight bytes, aligned to as many
        at = at.next_multiple_of(8) + 8;
    }
    let flags = if at < length { *bytes.get(at)? } else { 0 };
    Some(if flags & RADIOTAP_FLAG_FCS != 0 { rest.get(..rest.len().saturating_sub(FCS))? } else { rest })
}

/// What follows a Prism header. Its length stands in the byte order of the machine that wrote it.
pub(crate) fn after_prism(bytes: &[u8]) -> Option<&[u8]> {
    let field = *bytes.get(4..)?.first_chunk::<4>()?;
    let length = u32::from_le_bytes(field).min(u32::from_be_bytes(field));
    bytes.get(usize::try_from(length).ok()?..)
}

/// What follows an AVS header.
pub(crate) fn after_avs(bytes: &[u8]) -> Option<&[u8]> {
    let field = *bytes.get(4..)?.first_chunk::<4>()?;
    bytes.get(usize::try_from(u32::from_be_bytes(field)).ok()?..)
}

/// What follows a PPI header, and of which type it is.
pub(crate) fn after_ppi(bytes: &[u8]) -> Option<(LinkType, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(2)?;
    let length = usize::from(cursor.u16_le()?);
    let link = LinkType(u16::try_from(cursor.u32_le()?).ok()?);
    Some((link, bytes.get(length..)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x01];
    const B: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x02];
    const C: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x03];
    const LLC_ARP: [u8; 9] = [0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06, 0x77];

    fn built(control: [u8; 2], more: &[u8]) -> Vec<u8> {
        [&control[..], &[0, 0], &A, &B, &C, &[0, 0], more].concat()
    }

    #[test]
    fn the_direction_says_which_address_is_whose() {
        for (flags, source, destination) in [(0, B, A), (1, B, C), (2, C, A)] {
            let bytes = built([0x08, flags], &LLC_ARP);
            let link = frame(&bytes, None).unwrap();
            assert_eq!((link.source, link.destination), (Some(MacAddr(source)), Some(MacAddr(destination))));
            assert_eq!((link.kind, link.payload), (Kind::EtherType(0x0806), &[0x77][..]));
        }
        let relayed = built([0x08, 3], &[&[9, 9, 9, 9, 9, 9][..], &LLC_ARP].concat());
        assert_eq!(frame(&relayed, None).unwrap().source, Some(MacAddr([9; 6])));
    }

    #[test]
    fn quality_of_service_and_ciphers() {
        let bytes = built([0x88, 1], &[&[0, 0][..], &LLC_ARP].concat());
        assert_eq!(frame(&bytes, None).unwrap().kind, Kind::EtherType(0x0806));
        for (control, more) in
            [([0x08, 0x41], &LLC_ARP[..]), ([0x88, 1], &[0x80, 0, 1][..]), ([0x80, 0], &[])]
        {
            let bytes = built(control, more);
            let link = frame(&bytes, None).unwrap();
            assert_eq!((link.source, link.kind), (Some(MacAddr(B)), NOTHING));
        }
        assert!(frame(&built([0x0b, 0], &LLC_ARP), None).is_none(), "another version");
        let swapped = built([0x01, 0x08], &LLC_ARP);
        assert_eq!(frame_either_way(&swapped, None).unwrap().destination, Some(MacAddr(C)));
    }

    #[test]
    fn headers_of_drivers() {
        let radiotap = [0, 0, 17, 0, 0x03, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0xaa, 1, 2, 3, 4];
        assert_eq!(after_radiotap(&radiotap), Some(&[0xaa][..]), "with a frame check sequence");
        assert_eq!(after_radiotap(&[0, 0, 8, 0, 0, 0, 0, 0, 0xaa]), Some(&[0xaa][..]));
        assert_eq!(after_prism(&[0, 0, 0, 0x44, 0, 0, 0, 8, 0xaa]), Some(&[0xaa][..]));
        assert_eq!(after_avs(&[0x80, 0x21, 0x10, 1, 0, 0, 0, 8, 0xaa]), Some(&[0xaa][..]));
        assert_eq!(after_ppi(&[0, 0, 8, 0, 105, 0, 0, 0, 0xaa]), Some((LinkType::WIFI, &[0xaa][..])));
    }
}
