//! The link layer: Ethernet II and 802.3 with LLC and SNAP, VLAN tags, Linux "cooked" v1 and v2, BSD loopback, raw IP, and
//! 802.11 with or without what a radio's driver puts before it.
//!
//! IEEE 802.3 clause 3.2, IEEE 802.1Q clause 9, IEEE 802.1BR clause 7 (E-tag), IEEE 802 clause 9 (SNAP), the tcpdump.org
//! pages of the LINKTYPEs. What wraps a whole frame or packet (MPLS, PPPoE, GRE and the like) is in `tunnel`; 802.11
//! itself in `wifi`.

use eyot_capture::{Frame, LinkType};
use eyot_contract::MacAddr;

use crate::cursor::Cursor;
use crate::wifi;

/// IPv4.
pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
/// IPv6.
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Below this the type field of Ethernet is a length.
const ETHERTYPE_MIN: u16 = 0x0600;
/// 802.1Q, 802.1ad, and the two that QinQ used before it.
const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// Cisco's tag between fabric extender and switch: four bytes that name ports, no VLAN.
const VN_TAG: u16 = 0x8926;
/// The same of IEEE 802.1BR, six bytes.
const E_TAG: u16 = 0x893f;
/// Tags taken off at most; more is not a network but an attack.
const MAX_VLAN_TAGS: usize = 8;
/// LLC service access point of SNAP.
const SAP_SNAP: u8 = 0xaa;
/// LLC unnumbered information.
const LLC_UI: u8 = 0x03;
/// ARPHRD_ETHER, and ARPHRD_LOOPBACK, whose addresses are six zeros.
const ARPHRD_ETHER: u16 = 1;
/// Pseudo ethertype of 802.2 frames in cooked captures.
const SLL_802_2: u16 = 0x0004;

/// What the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    EtherType(u16),
    Llc(u8),
    Snap([u8; 3], u16),
}

/// A frame without its link header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub source: Option<MacAddr>,
    pub destination: Option<MacAddr>,
    pub vlan: Option<u16>,
    pub kind: Kind,
    pub payload: &'a [u8],
}

/// Takes the link header off. `None` when it is not whole or of a kind that is not known.
#[inline]
pub(crate) fn read<'a>(frame: &Frame<'a>) -> Option<Link<'a>> {
    let vlan = frame.vlan.and_then(vlan_id);
    if frame.link == LinkType::ETHERNET {
        ethernet(frame.bytes, vlan)
    } else {
        other(frame, vlan)
    }
}

/// An Ethernet frame from its addresses on.
#[inline]
pub(crate) fn ethernet(bytes: &[u8], vlan: Option<u16>) -> Option<Link<'_>> {
    let (header, rest) = bytes.split_first_chunk::<14>()?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, high, low] = *header;
    let kind = u16::from_be_bytes([high, low]);
    let (source, destination) =
        (Some(MacAddr([s0, s1, s2, s3, s4, s5])), Some(MacAddr([d0, d1, d2, d3, d4, d5])));
    if kind == ETHERTYPE_IPV4 {
        return Some(Link { source, destination, vlan, kind: Kind::EtherType(kind), payload: rest });
    }
    Some(Link { source, destination, ..payload(Cursor::new(rest), kind, vlan)? })
}

/// An IP packet with nothing before it.
pub(crate) fn raw_ip(bytes: &[u8], vlan: Option<u16>) -> Option<Link<'_>> {
    let kind = match bytes.first()? >> 4 {
        4 => ETHERTYPE_IPV4,
        6 => ETHERTYPE_IPV6,
        _ => return None,
    };
    Some(Link { source: None, destination: None, vlan, kind: Kind::EtherType(kind), payload: bytes })
}

fn other<'a>(frame: &Frame<'a>, vlan: Option<u16>) -> Option<Link<'a>> {
    let mut cursor = Cursor::new(frame.bytes);
    match frame.link {
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            raw_ip(frame.bytes, vlan)
        }
        LinkType::NULL | LinkType::LOOP => {
            // an address family in the writer's byte order, which the packet itself tells as well
            cursor.skip(4)?;
            raw_ip(cursor.rest(), vlan)
        }
        LinkType::WIFI => wifi::frame(frame.bytes, vlan),
        LinkType::WIFI_RADIOTAP => wifi::frame(wifi::after_radiotap(frame.bytes)?, vlan),
        LinkType::WIFI_PRISM => wifi::frame(wifi::after_prism(frame.bytes)?, vlan),
        LinkType::WIFI_AVS => wifi::frame(wifi::after_avs(frame.bytes)?, vlan),
        LinkType::PPI => match wifi::after_ppi(frame.bytes)? {
            (LinkType::WIFI, bytes) => wifi::frame(bytes, vlan),
            (LinkType::ETHERNET, bytes) => ethernet(bytes, vlan),
            _ => None,
        },
        LinkType::LINUX_SLL => {
            let _packet_type = cursor.u16()?;
            let hardware = cursor.u16()?;
            let length = cursor.u16()?;
            let address = cursor.array::<8>()?;
            let kind = cursor.u16()?;
            Some(Link { source: cooked_source(hardware, length, address), ..payload(cursor, kind, vlan)? })
        }
        LinkType::LINUX_SLL2 => {
            let kind = cursor.u16()?;
            let _reserved = cursor.u16()?;
            let _interface = cursor.u32()?;
            let hardware = cursor.u16()?;
            let _packet_type = cursor.u8()?;
            let length = cursor.u8()?;
            let address = cursor.array::<8>()?;
            Some(Link {
                source: cooked_source(hardware, length.into(), address),
                ..payload(cursor, kind, vlan)?
            })
        }
        _ => None,
    }
}

/// Takes off tags and LLC, from the type field's value on.
pub(crate) fn payload(mut cursor: Cursor<'_>, mut kind: u16, mut vlan: Option<u16>) -> Option<Link<'_>> {
    let link = |kind, vlan, payload| Some(Link { source: None, destination: None, vlan, kind, payload });
    for _ in 0..MAX_VLAN_TAGS {
        if VLAN_TAGS.contains(&kind) {
            vlan = vlan_id(cursor.u16()?).or(vlan);
        } else if kind == VN_TAG {
            cursor.skip(4)?;
        } else if kind == E_TAG {
            cursor.skip(6)?;
        } else {
            break;
        }
        kind = cursor.u16()?;
    }
    if kind >= ETHERTYPE_MIN {
        return link(Kind::EtherType(kind), vlan, cursor.rest());
    }
    if kind != SLL_802_2 {
        // the field is the length of what follows; the rest is padding
        cursor = Cursor::new(cursor.take_lax(kind.into()).0);
    }
    let [destination_sap, source_sap, control] = cursor.array()?;
    if (destination_sap, source_sap, control) != (SAP_SNAP, SAP_SNAP, LLC_UI) {
        return link(Kind::Llc(destination_sap), vlan, cursor.rest());
    }
    let organisation = cursor.array::<3>()?;
    let protocol = cursor.u16()?;
    // RFC 1042: with an organisation of zero the protocol id is an Ethernet type
    let kind =
        if organisation == [0; 3] { Kind::EtherType(protocol) } else { Kind::Snap(organisation, protocol) };
    link(kind, vlan, cursor.rest())
}

/// VLAN 0 is only a priority tag.
pub(crate) fn vlan_id(tag: u16) -> Option<u16> {
    Some(tag & 0x0fff).filter(|id| *id != 0)
}

fn cooked_source(hardware: u16, length: u16, address: [u8; 8]) -> Option<MacAddr> {
    let [a, b, c, d, e, f, ..] = address;
    (hardware == ARPHRD_ETHER && length == 6).then_some(MacAddr([a, b, c, d, e, f]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use eyot_contract::Timestamp;

    use super::*;

    fn frame(link: LinkType, bytes: &[u8]) -> Frame<'_> {
        Frame { at: Timestamp(0), link, bytes, wire_len: bytes.len() as u32, vlan: None }
    }

    const MACS: [u8; 12] = [1, 0x80, 0xc2, 0, 0, 0, 0, 1, 2, 3, 4, 5];

    fn built(rest: &[u8]) -> Vec<u8> {
        [&MACS[..], rest].concat()
    }

    #[test]
    fn ethernet_ii() {
        let bytes = built(&[0x08, 0, 0x45, 0]);
        let link = read(&frame(LinkType::ETHERNET, &bytes)).unwrap();
        assert_eq!(link.source, Some(MacAddr([0, 1, 2, 3, 4, 5])));
        assert_eq!(link.kind, Kind::EtherType(ETHERTYPE_IPV4));
        assert_eq!(link.payload, [0x45, 0]);
        assert_eq!(link.vlan, None);
    }

    #[test]
    fn tags_innermost_wins_and_priority_tags_do_not_count() {
        let bytes = built(&[0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0xe0, 0xc8, 0x86, 0xdd, 9]);
        let link = read(&frame(LinkType::ETHERNET, &bytes)).unwrap();
        assert_eq!((link.vlan, link.kind), (Some(200), Kind::EtherType(ETHERTYPE_IPV6)));
        let bytes = built(&[0x91, 0x00, 0xe0, 0x00, 0x08, 0x06]);
        let mut tagged = frame(LinkType::ETHERNET, &bytes);
        tagged.vlan = Some(7);
        assert_eq!(read(&tagged).unwrap().vlan, Some(7));
    }

    #[test]
    fn llc_and_snap_without_padding() {
        let stp = built(&[0, 5, 0x42, 0x42, 3, 0, 1, 0xee, 0xee]);
        let link = read(&frame(LinkType::ETHERNET, &stp)).unwrap();
        assert_eq!((link.kind, link.payload), (Kind::Llc(0x42), &[0, 1][..]));
        let cdp = built(&[0, 9, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 7, 0xee]);
        let link = read(&frame(LinkType::ETHERNET, &cdp)).unwrap();
        assert_eq!((link.kind, link.payload), (Kind::Snap([0, 0, 0x0c], 0x2000), &[7][..]));
        let ip = built(&[0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0, 0x45]);
        let link = read(&frame(LinkType::ETHERNET, &ip)).unwrap();
        assert_eq!(link.kind, Kind::EtherType(ETHERTYPE_IPV4));
    }

    #[test]
    fn cooked_and_raw() {
        let sll = [0, 0, 0, 1, 0, 6, 2, 1, 2, 3, 4, 5, 0, 0, 0x08, 0x06, 1];
        let link = read(&frame(LinkType::LINUX_SLL, &sll)).unwrap();
        assert_eq!(link.source, Some(MacAddr([2, 1, 2, 3, 4, 5])));
        assert_eq!((link.kind, link.payload), (Kind::EtherType(0x0806), &[1][..]));
        let sll2 = [0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 1, 2, 3, 4, 5, 0, 0, 0x60];
        let link = read(&frame(LinkType::LINUX_SLL2, &sll2)).unwrap();
        assert_eq!(link.source, Some(MacAddr([2, 1, 2, 3, 4, 5])));
        assert_eq!(link.kind, Kind::EtherType(ETHERTYPE_IPV6));
        // PPP has no addresses
        let ppp = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0x45];
        assert_eq!(read(&frame(LinkType::LINUX_SLL, &ppp)).unwrap().source, None);
        assert_eq!(read(&frame(LinkType::RAW, &[0x60])).unwrap().kind, Kind::EtherType(ETHERTYPE_IPV6));
        assert!(read(&frame(LinkType::RAW, &[0x10])).is_none());
        assert!(read(&frame(LinkType(147), &[0x60; 40])).is_none());
        let loopback = [2, 0, 0, 0, 0x45, 0];
        assert_eq!(read(&frame(LinkType::NULL, &loopback)).unwrap().kind, Kind::EtherType(ETHERTYPE_IPV4));
    }

    #[test]
    fn tags_of_fabric_extenders_are_passed_over() {
        let vn_tag = built(&[0x89, 0x26, 1, 2, 3, 4, 0x81, 0, 0, 9, 0x08, 0, 0x45]);
        let link = read(&frame(LinkType::ETHERNET, &vn_tag)).unwrap();
        assert_eq!((link.vlan, link.kind, link.payload), (Some(9), Kind::EtherType(0x0800), &[0x45][..]));
        let e_tag = built(&[0x89, 0x3f, 1, 2, 3, 4, 5, 6, 0x86, 0xdd, 0x60]);
        let link = read(&frame(LinkType::ETHERNET, &e_tag)).unwrap();
        assert_eq!((link.kind, link.payload), (Kind::EtherType(0x86dd), &[0x60][..]));
    }
}
