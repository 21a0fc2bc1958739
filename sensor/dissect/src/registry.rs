//! The one list of protocols: the dissector's dispatch, the counters, `eyot-sensor protocols` and the documentation all
//! derive from it.

/// Where a protocol is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// An Ethernet type.
    EtherType(u16),
    /// An LLC frame with this destination service access point.
    Llc(u8),
    /// A SNAP frame: organisation code and protocol id.
    Snap([u8; 3], u16),
    /// Messages of this IP protocol number.
    Ip(u8),
    /// A UDP port, on either side.
    Udp(u16),
    /// A TCP port, on either side.
    Tcp(u16),
    /// Any TCP port: recognised by the first bytes of a connection.
    AnyTcp,
    /// Inside another protocol of this list.
    Within(&'static str),
}

/// One protocol.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Short name, the part before the dot of its fields' names.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// Where it is looked for.
    pub carriers: &'static [Carrier],
}

static PROTOCOLS: &[Protocol] = &[];

/// Every protocol that is read.
pub fn protocols() -> &'static [Protocol] {
    PROTOCOLS
}
