//! What wraps a whole frame or packet: mirrors that travel over a network, and the tunnels of providers and data centres.
//!
//! * Over the link: MPLS (RFC 3032, pseudo-wires RFC 4448), PPPoE sessions (RFC 2516).
//! * Over IP: GRE (RFC 2784, 2890; NVGRE RFC 7637) with ERSPAN types I to III (draft-foschiano-erspan), EtherIP (RFC 3378),
//!   IPv4 and IPv6 in either (RFC 2003, 4213).
//! * Over UDP: VXLAN (RFC 7348), GENEVE (RFC 8926), TZSP, the data channel of CAPWAP (RFC 5415, 5416).
//!
//! What is inside is read in place of what is outside: an exporter of a mirror is no device of the network it mirrors. The
//! ends of all other tunnels are devices of this network; the dissector says of them that they were there. A tunnel that carries bare packets has no link addresses inside; then those outside stay, as those of the machine
//! that sent the packet on. How deep tunnels are followed is the dissector's to bound.

use std::net::IpAddr;

use crate::cursor::Cursor;
use crate::link::{self, Kind, Link, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::wifi;

const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPE_MPLS_MULTICAST: u16 = 0x8848;
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
/// Transparent Ethernet bridging, GRE's word for a whole frame.
const ETHERTYPE_BRIDGING: u16 = 0x6558;
const ETHERTYPE_ERSPAN: u16 = 0x88be;
const ETHERTYPE_ERSPAN_III: u16 = 0x22eb;

/// IP protocol numbers.
const IP_IPV4: u8 = 4;
const IP_IPV6: u8 = 41;
const IP_GRE: u8 = 47;
const IP_ETHERIP: u8 = 97;

/// MPLS labels passed over at most.
const MAX_LABELS: usize = 8;
const MPLS_BOTTOM: u32 = 0x100;
/// LLC service access point of the spanning tree protocol, the one that pseudo-wires carry.
const SAP_SPANNING_TREE: u8 = 0x42;

/// PPP's numbers of IPv4 and IPv6.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_VERSION: u16 = 0x0007;

/// UDP ports of the receiver. VXLAN's second is what Linux used before there was a number.
const PORT_VXLAN: [u16; 2] = [4789, 8472];
const PORT_GENEVE: u16 = 6081;
const PORT_TZSP: u16 = 37008;
const PORT_CAPWAP_DATA: u16 = 5247;

const VXLAN_HAS_ID: u8 = 0x08;
const TZSP_PADDING: u8 = 0;
const TZSP_END: u8 = 1;
const TZSP_ETHERNET: u16 = 1;
const TZSP_WIFI: u16 = 18;
const TZSP_PRISM: u16 = 119;
const TZSP_AVS: u16 = 127;
/// Tags passed over at most.
const MAX_TZSP_TAGS: usize = 64;
/// CAPWAP's binding number of 802.11.
const CAPWAP_WIFI: u32 = 1;

/// Kinds of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// Multiprotocol Label Switching.
    Mpls,
    /// PPP over Ethernet.
    Pppoe,
    /// Generic Routing Encapsulation, NVGRE included.
    Gre,
    /// A remote mirror of Cisco's and others'.
    Erspan,
    /// IPv4 or IPv6 in either.
    Ip,
    /// Ethernet in IP.
    EtherIp,
    /// Virtual Extensible LAN.
    Vxlan,
    /// Generic Network Virtualization Encapsulation.
    Geneve,
    /// TaZmen Sniffer Protocol.
    Tzsp,
    /// Data channel between access point and controller.
    Capwap,
}

impl TunnelKind {
    /// Whether it carries what a mirror port shows somewhere else, rather than this network's own traffic.
    pub fn is_mirror(self) -> bool {
        matches!(self, Self::Erspan | Self::Tzsp)
    }
}

/// The innermost tunnel that a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which kind.
    pub kind: TunnelKind,
    /// Network, session or label: VNI, GRE key, ERSPAN session, PPPoE session, bottom MPLS label; 0 where there is none.
    pub id: u32,
    /// Who sent the outer packet, where it was an IP packet.
    pub exporter: Option<IpAddr>,
}

/// A tunnel taken off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside<'a> {
    pub kind: TunnelKind,
    pub id: u32,
    /// Without addresses where the tunnel carries bare packets.
    pub link: Link<'a>,
}

fn inside(kind: TunnelKind, id: u32, link: Option<Link<'_>>) -> Option<Inside<'_>> {
    Some(Inside { kind, id, link: link? })
}

/// What is in a tunnel that runs over the link.
#[inline]
pub(crate) fn over_link<'a>(outer: &Link<'a>) -> Option<Inside<'a>> {
    match outer.kind {
        Kind::EtherType(ETHERTYPE_MPLS | ETHERTYPE_MPLS_MULTICAST) => mpls(outer.payload, outer.vlan),
        Kind::EtherType(ETHERTYPE_PPPOE_SESSION) => pppoe(outer.payload, outer.vlan),
        _ => None,
    }
}

/// What is in a tunnel that runs over IP, by the protocol's number.
#[inline]
pub(crate) fn over_ip(protocol: u8, bytes: &[u8]) -> Option<Inside<'_>> {
    match protocol {
        IP_GRE => gre(bytes),
        IP_IPV4 | IP_IPV6 => inside(TunnelKind::Ip, 0, link::raw_ip(bytes, None)),
        IP_ETHERIP => inside(TunnelKind::EtherIp, 0, link::ethernet(bytes.get(2..)?, None)),
        _ => None,
    }
}

/// Whether a tunnel may run to this UDP port.
#[inline]
pub(crate) fn is_udp_port(source: u16, destination: u16) -> bool {
    matches!(destination, 4789 | 8472 | PORT_GENEVE | PORT_TZSP | PORT_CAPWAP_DATA)
        || source == PORT_CAPWAP_DATA
}

/// What is in a tunnel that runs over UDP.
pub(crate) fn over_udp(source: u16, destination: u16, bytes: &[u8]) -> Option<Inside<'_>> {
    match destination {
        _ if PORT_VXLAN.contains(&destination) => vxlan(bytes),
        PORT_GENEVE => geneve(bytes),
        PORT_TZSP => tzsp(bytes),
        _ if destination == PORT_CAPWAP_DATA || source == PORT_CAPWAP_DATA => capwap(bytes),
        _ => None,
    }
}

fn mpls(bytes: &[u8], vlan: Option<u16>) -> Option<Inside<'_>> {
    let mut cursor = Cursor::new(bytes);
    for _ in 0..MAX_LABELS {
        let entry = cursor.u32()?;
        if entry & MPLS_BOTTOM == 0 {
            continue;
        }
        // nothing says what follows; the first half byte of IP is its version, that of a control word 0
        let link = match cursor.rest().first()? >> 4 {
            4 | 6 => link::raw_ip(cursor.rest(), vlan),
            0 => {
                // with a control word before it, or an address of Ethernet that happens to begin so
                let worded = link::ethernet(cursor.rest().get(4..)?, None);
                worded.filter(is_plausible).or_else(|| link::ethernet(cursor.rest(), None))
            }
            _ => link::ethernet(cursor.rest(), None),
        };
        return inside(TunnelKind::Mpls, entry >> 12, link);
    }
    None
}

/// Whether bytes taken for Ethernet begin something known.
fn is_plausible(link: &Link<'_>) -> bool {
    match link.kind {
        Kind::EtherType(kind) => {
            matches!(kind, ETHERTYPE_IPV4 | ETHERTYPE_IPV6 | link::ETHERTYPE_ARP)
                || matches!(kind, ETHERTYPE_MPLS | ETHERTYPE_PPPOE_SESSION | 0x8863 | 0x88cc)
        }
        Kind::Llc(sap) => sap == SAP_SPANNING_TREE,
        Kind::Snap(..) => true,
    }
}

fn pppoe(bytes: &[u8], vlan: Option<u16>) -> Option<Inside<'_>> {
    let mut cursor = Cursor::new(bytes);
    let (version, code) = (cursor.u8()?, cursor.u8()?);
    let session = cursor.u16()?;
    let length = usize::from(cursor.u16()?);
    if version != 0x11 || code != 0 {
        return None;
    }
    let mut cursor = Cursor::new(cursor.take_lax(length).0);
    let protocol = cursor.u16()?;
    let link = matches!(protocol, PPP_IPV4 | PPP_IPV6).then(|| link::raw_ip(cursor.rest(), vlan)).flatten();
    inside(TunnelKind::Pppoe, session.into(), link)
}

fn gre(bytes: &[u8]) -> Option<Inside<'_>> {
    let mut cursor = Cursor::new(bytes);
    let flags = cursor.u16()?;
    let protocol = cursor.u16()?;
    // version 1 is PPTP's; source routes are not used
    if flags & (GRE_VERSION | GRE_ROUTING) != 0 {
        return None;
    }
    if flags & GRE_CHECKSUM != 0 {
        cursor.skip(4)?;
    }
    let key = if flags & GRE_KEY != 0 { cursor.u32()? } else { 0 };
    if flags & GRE_SEQUENCE != 0 {
        cursor.skip(4)?;
    }
    match protocol {
        ETHERTYPE_ERSPAN if flags & GRE_SEQUENCE == 0 => {
            // type I has no header of its own
            inside(TunnelKind::Erspan, 0, link::ethernet(cursor.rest(), None))
        }
        ETHERTYPE_ERSPAN => {
            let (vlan, session) = (cursor.u16()?, cursor.u16()?);
            cursor.skip(4)?;
            let link = link::ethernet(cursor.rest(), link::vlan_id(vlan));
            inside(TunnelKind::Erspan, u32::from(session & 0x03ff), link)
        }
        ETHERTYPE_ERSPAN_III => {
            let (vlan, session) = (cursor.u16()?, cursor.u16()?);
            // timestamp and security group
            cursor.skip(6)?;
            let last = cursor.u16()?;
            if last & 1 != 0 {
                // the platform's own subheader
                cursor.skip(8)?;
            }
            let vlan = link::vlan_id(vlan);
            // frame type 0 is Ethernet, 2 an IP packet
            let link = match last >> 10 & 0x1f {
                0 => link::ethernet(cursor.rest(), vlan),
                2 => link::raw_ip(cursor.rest(), vlan),
                _ => None,
            };
            inside(TunnelKind::Erspan, u32::from(session & 0x03ff), link)
        }
        ETHERTYPE_BRIDGING => inside(TunnelKind::Gre, key, link::ethernet(cursor.rest(), None)),
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => inside(TunnelKind::Gre, key, link::raw_ip(cursor.rest(), None)),
        ETHERTYPE_MPLS => mpls(cursor.rest(), None),
        _ => None,
    }
}

fn vxlan(bytes: &[u8]) -> Option<Inside<'_>> {
    let (header, rest) = bytes.split_first_chunk::<8>()?;
    let [flags, _, _, _, a, b, c, _] = *header;
    let id = u32::from_be_bytes([0, a, b, c]);
    (flags & VXLAN_HAS_ID != 0).then(|| inside(TunnelKind::Vxlan, id, link::ethernet(rest, None))).flatten()
}

fn geneve(bytes: &[u8]) -> Option<Inside<'_>> {
    let mut cursor = Cursor::new(bytes);
    let first = cursor.u8()?;
    cursor.skip(1)?;
    let protocol = cursor.u16()?;
    let id = cursor.u24()?;
    cursor.skip(1 + usize::from(first & 0x3f) * 4)?;
    let link = match protocol {
        _ if first >> 6 != 0 => None,
        ETHERTYPE_BRIDGING => link::ethernet(cursor.rest(), None),
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => link::raw_ip(cursor.rest(), None),
        _ => None,
    };
    inside(TunnelKind::Geneve, id, link)
}

fn tzsp(bytes: &[u8]) -> Option<Inside<'_>> {
    let mut cursor = Cursor::new(bytes);
    let (version, kind) = (cursor.u8()?, cursor.u8()?);
    let protocol = cursor.u16()?;
    // received, or about to be transmitted
    if version != 1 || kind > 1 {
        return None;
    }
    for _ in 0..MAX_TZSP_TAGS {
        match cursor.u8()? {
            TZSP_PADDING => {}
            TZSP_END => {
                let bytes = cursor.rest();
                let link = match protocol {
                    TZSP_ETHERNET => link::ethernet(bytes, None),
                    TZSP_WIFI => wifi::frame(bytes, None),
                    TZSP_PRISM => wifi::frame(wifi::after_prism(bytes)?, None),
                    TZSP_AVS => wifi::frame(wifi::after_avs(bytes)?, None),
                    _ => None,
                };
                return inside(TunnelKind::Tzsp, 0, link);
            }
            _ => {
                let length = usize::from(cursor.u8()?);
                cursor.skip(length)?;
            }
        }
    }
    None
}

fn capwap(bytes: &[u8]) -> Option<Inside<'_>> {
    // version 0, and in clear: the other type is DTLS
    let header = u32::from_be_bytes(*bytes.first_chunk::<4>()?);
    if header >> 24 != 0 {
        return None;
    }
    let length = usize::try_from(header >> 19 & 0x1f).ok()? * 4;
    let binding = header >> 9 & 0x1f;
    let flag = |bit: u32| header & bit != 0;
    let (native, fragment, keep_alive) = (flag(0x100), flag(0x80), flag(0x08));
    let offset = u16::from_be_bytes(*bytes.get(6..)?.first_chunk::<2>()?) >> 3;
    if keep_alive || fragment && offset != 0 || length < 8 {
        return None;
    }
    let bytes = bytes.get(length..)?;
    let link = match (native, binding) {
        (false, _) => link::ethernet(bytes, None),
        (true, CAPWAP_WIFI) => wifi::frame_either_way(bytes, None),
        (true, _) => None,
    };
    inside(TunnelKind::Capwap, 0, link)
}
