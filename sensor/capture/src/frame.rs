//! A captured frame, lent out for the length of one call.

use eyot_contract::Timestamp;

/// Link-layer header type, by its number in the tcpdump.org list (LINKTYPE_…).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: an address family of four bytes, in the writer's byte order, then IP.
    pub const NULL: Self = Self(0);
    /// IEEE 802.3 Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP as some BSDs number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IPv4 or IPv6, no link header.
    pub const RAW: Self = Self(101);
    /// IEEE 802.11.
    pub const WIFI: Self = Self(105);
    /// OpenBSD loopback: an address family of four bytes, then IP.
    pub const LOOP: Self = Self(108);
    /// IEEE 802.11 behind a Prism monitor header.
    pub const WIFI_PRISM: Self = Self(119);
    /// IEEE 802.11 behind a radiotap header.
    pub const WIFI_RADIOTAP: Self = Self(127);
    /// IEEE 802.11 behind an AVS header.
    pub const WIFI_AVS: Self = Self(163);
    /// Per-Packet Information, then what it says follows.
    pub const PPI: Self = Self(192);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" v1.
    pub const LINUX_SLL: Self = Self(113);
    /// Linux "cooked" v2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it passed, by the capturing clock.
    pub at: Timestamp,
    /// What its first bytes are.
    pub link: LinkType,
    /// What was captured of it; may be shorter than the frame on the wire.
    pub bytes: &'a [u8],
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// The outermost 802.1Q tag when the kernel took it out of the bytes (TPACKET auxdata): the TCI's 12 VLAN bits.
    pub vlan: Option<u16>,
}
