//! A captured frame, lent out for the length of one call.

use eyot_contract::Timestamp;

/// Link-layer header type, by its number in the tcpdump.org list (LINKTYPE_…).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// IEEE 802.3 Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IPv4 or IPv6, no link header.
    pub const RAW: Self = Self(101);
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
