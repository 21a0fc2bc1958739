//! What the owner of the network says is right: lists that replace what would otherwise be learnt.

use std::net::IpAddr;

use eyot_contract::FindingKind;
use eyot_inventory::LocalNetworks;

/// What is expected on this network. An empty list means that nobody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Networks whose addresses are local.
    pub local: LocalNetworks,
    /// DHCP servers.
    pub dhcp_servers: Vec<IpAddr>,
    /// IPv6 routers, by the addresses they announce themselves from.
    pub routers: Vec<IpAddr>,
    /// DNS servers.
    pub dns_servers: Vec<IpAddr>,
    /// NTP servers.
    pub time_servers: Vec<IpAddr>,
    /// Kinds that nobody wants to hear of.
    pub muted: Vec<FindingKind>,
    /// For how long after the first frame what is seen counts as usual, in microseconds.
    pub learning: i64,
}

impl Policy {
    /// A day, in microseconds: every shift and every nightly job has been there once.
    pub const LEARNING: i64 = 86_400 * 1_000_000;
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            local: LocalNetworks::default(),
            dhcp_servers: Vec::new(),
            routers: Vec::new(),
            dns_servers: Vec::new(),
            time_servers: Vec::new(),
            muted: Vec::new(),
            learning: Self::LEARNING,
        }
    }
}
