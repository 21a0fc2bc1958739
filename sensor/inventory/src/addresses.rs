//! Which IP addresses are a device's own, and whether it passes on what others say.
//!
//! An address is claimed when the device said so in a protocol that is not routed (ARP, neighbour discovery), was given it
//! by DHCP, or declares it (LLDP, CDP). Being the source of a frame claims nothing: behind a router's MAC the whole
//! Internet sends. So traffic gives weak addresses only, which count until something better is known, and these
//! situations make a device a router, whose weak addresses and the readings that came with them are withdrawn:
//!
//! * it announces itself (router advertisement, virtual-router MAC);
//! * frames of [`ROUTER_SOURCES`] unclaimed sources have a hop limit that has been counted down;
//! * more than [`MAX_WEAK`] unclaimed sources (IPv4 addresses, IPv6 networks) use it.
//!
//! A device that claims more than [`PROXY_CLAIMS`] IPv4 addresses by ARP answers for others (proxy ARP); of its claims
//! only those count that it also sends from, and it takes no address away from anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eyot_contract::{MacAddr, Timestamp};

/// Most addresses kept of one device.
pub const MAX_ADDRESSES: usize = 32;
/// Unclaimed sources with counted-down hop limits that make a router.
pub const ROUTER_SOURCES: usize = 3;
/// Most unclaimed sources a host may have before it is taken for a router.
pub const MAX_WEAK: usize = 4;
/// Most IPv4 addresses a device may claim by ARP before it is taken for a proxy.
pub const PROXY_CLAIMS: usize = 8;
/// An address unused for so long, while the device uses another of its kind, is no longer its own: a day, in microseconds.
pub const ADDRESS_IDLE: i64 = 86_400 * 1_000_000;

/// How an address became a device's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSource {
    /// Only frames with it as source were seen.
    Traffic,
    /// The same, but such an address is not routed.
    LinkLocal,
    /// Declared by LLDP or CDP.
    Declared,
    /// Neighbour discovery.
    Nd,
    /// ARP.
    Arp,
    /// Given by DHCP.
    Dhcp,
}

impl AddressSource {
    /// Every source, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Traffic, Self::LinkLocal, Self::Declared, Self::Nd, Self::Arp, Self::Dhcp];

    /// Name in the store and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::LinkLocal => "link_local",
            Self::Declared => "declared",
            Self::Nd => "nd",
            Self::Arp => "arp",
            Self::Dhcp => "dhcp",
        }
    }

    /// The source of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// One address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// VLAN in which it was claimed.
    pub vlan: Option<u16>,
    /// The strongest reason for it.
    pub source: AddressSource,
    /// Frames of the device had it as source, with a hop limit not yet counted down.
    pub sent: bool,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    pub(crate) unsaved: bool,
}

impl Address {
    fn is_claimed(&self) -> bool {
        self.source != AddressSource::Traffic
    }
}

/// Whose a reading is that came with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The device's own.
    Own,
    /// The device's own as far as is known.
    Weak,
    /// Somebody else's, passed on.
    Remote,
}

/// What a sighting changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing but times.
    None,
    /// The list of addresses.
    List,
    /// It is a router from now on.
    Router,
    /// Nothing, for want of room.
    Refused,
}

/// A device's addresses.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    list: Vec<Address>,
    /// Where in the list the latest source of a frame was found.
    recent: usize,
    /// Distinct unclaimed sources whose frames had been on the way before.
    remotes: Vec<IpAddr>,
    router: bool,
    /// Rows must go from the store.
    pub(crate) removed: bool,
}

impl Addresses {
    pub fn is_router(&self) -> bool {
        self.router
    }

    pub fn all(&self) -> &[Address] {
        &self.list
    }

    pub fn all_saved(&mut self) {
        self.removed = false;
        for address in &mut self.list {
            address.unsaved = false;
        }
    }

    /// Puts back what was stored.
    pub fn restore(&mut self, address: Address) {
        self.list.push(address);
    }

    /// Puts back that it is a router.
    pub fn restore_router(&mut self) {
        self.router = true;
    }

    /// The device said of itself that it is a router.
    pub fn set_router(&mut self) -> Change {
        if self.router {
            return Change::None;
        }
        self.router = true;
        self.remotes = Vec::new();
        let before = self.list.len();
        self.list.retain(Address::is_claimed);
        self.removed |= self.list.len() != before;
        Change::Router
    }

    /// A frame of the device had this source. `forwarded`: its hop limit had been counted down.
    #[inline]
    pub fn traffic(&mut self, ip: IpAddr, vlan: Option<u16>, at: Timestamp, forwarded: bool) -> Change {
        if let Some(known) = self.list.get_mut(self.recent).filter(|a| a.ip == ip) {
            known.last_seen = known.last_seen.max(at);
            known.first_seen = known.first_seen.min(at);
            known.sent |= !forwarded;
            known.unsaved = true;
            return Change::None;
        }
        self.traffic_of_another(ip, vlan, at, forwarded)
    }

    fn traffic_of_another(
        &mut self,
        ip: IpAddr,
        vlan: Option<u16>,
        at: Timestamp,
        forwarded: bool,
    ) -> Change {
        if let Some(index) = self.list.iter().position(|a| a.ip == ip) {
            self.recent = index;
            return self.traffic(ip, vlan, at, forwarded);
        }
        if !is_unicast(ip) {
            return Change::None;
        }
        if is_link_local(ip) {
            return self.claim(ip, vlan, AddressSource::LinkLocal, at);
        }
        if self.router {
            return Change::None;
        }
        if forwarded {
            if !self.remotes.contains(&ip) {
                self.remotes.push(ip);
            }
            return if self.remotes.len() >= ROUTER_SOURCES { self.set_router() } else { Change::None };
        }
        let change = self.add(ip, vlan, AddressSource::Traffic, true, at);
        if self.weak_networks() > MAX_WEAK {
            return self.set_router();
        }
        change
    }

    /// The device claims the address, or was given it.
    pub fn claim(&mut self, ip: IpAddr, vlan: Option<u16>, source: AddressSource, at: Timestamp) -> Change {
        if !is_unicast(ip) {
            return Change::None;
        }
        let change = match self.list.iter_mut().find(|a| a.ip == ip) {
            Some(known) => {
                let was_claimed = known.is_claimed();
                known.last_seen = known.last_seen.max(at);
                known.first_seen = known.first_seen.min(at);
                known.source = known.source.max(source);
                known.vlan = vlan.or(known.vlan);
                known.unsaved = true;
                if was_claimed {
                    Change::None
                } else {
                    Change::List
                }
            }
            None => self.add(ip, vlan, source, false, at),
        };
        if source == AddressSource::Dhcp && ip.is_ipv4() && self.release_older_leases(ip, vlan, at) {
            return Change::List;
        }
        change
    }

    /// Whether it was last seen here after `at`.
    pub fn holds_after(&self, ip: IpAddr, at: Timestamp) -> bool {
        self.list.iter().any(|a| a.ip == ip && a.last_seen > at)
    }

    /// Somebody else has it now.
    pub fn release(&mut self, ip: IpAddr) -> bool {
        self.retain(|a| a.ip != ip)
    }

    /// Whether the device answers ARP for others.
    pub fn is_proxy(&self) -> bool {
        let by_arp = |a: &&Address| a.ip.is_ipv4() && a.source == AddressSource::Arp;
        self.list.len() > PROXY_CLAIMS && self.list.iter().filter(by_arp).count() > PROXY_CLAIMS
    }

    /// Whose a reading is that came with `ip` as its address. `elsewhere`: another device claims that address.
    pub fn whose(&self, ip: IpAddr, forwarded: bool, elsewhere: bool) -> Whose {
        if !is_unicast(ip) || is_link_local(ip) {
            return Whose::Own;
        }
        let known = self.list.iter().find(|a| a.ip == ip);
        match known {
            Some(address) if address.is_claimed() => {
                return if self.is_proxy() && !address.sent { Whose::Remote } else { Whose::Own };
            }
            _ if elsewhere || self.router => return Whose::Remote,
            None if forwarded => return Whose::Remote,
            _ => {}
        }
        let mut claimed = self
            .list
            .iter()
            .filter(|a| a.is_claimed() && a.ip.is_ipv4() == ip.is_ipv4() && !is_link_local(a.ip))
            .peekable();
        if claimed.peek().is_none() || claimed.any(|a| network(a.ip) == network(ip)) {
            Whose::Weak
        } else {
            Whose::Remote
        }
    }

    /// The addresses that are the device's own now, newest first.
    pub fn own(&self) -> Vec<IpAddr> {
        let proxy = self.is_proxy();
        let mut own: Vec<&Address> = self
            .list
            .iter()
            .filter(|a| {
                if a.is_claimed() {
                    !(proxy && a.ip.is_ipv4()) || a.sent
                } else {
                    self.whose(a.ip, false, false) == Whose::Weak
                }
            })
            .collect();
        let kind = |a: &Address| (a.ip.is_ipv4(), is_link_local(a.ip));
        let newest = |of: &Address, among: &[&Address]| {
            among.iter().filter(|a| kind(a) == kind(of)).map(|a| a.last_seen.0).max().unwrap_or(i64::MIN)
        };
        let all = own.clone();
        own.retain(|a| a.last_seen.0 >= newest(a, &all).saturating_sub(ADDRESS_IDLE));
        own.sort_by_key(|a| (std::cmp::Reverse(a.last_seen), is_link_local(a.ip), a.ip));
        own.into_iter().map(|a| a.ip).collect()
    }

    fn add(
        &mut self,
        ip: IpAddr,
        vlan: Option<u16>,
        source: AddressSource,
        sent: bool,
        at: Timestamp,
    ) -> Change {
        if self.list.len() >= MAX_ADDRESSES {
            // the longest unused one gives way if it is weak or a day behind
            let oldest = self.list.iter().enumerate().min_by_key(|(_, a)| (a.is_claimed(), a.last_seen));
            match oldest {
                Some((index, a)) if !a.is_claimed() || a.last_seen.0 < at.0.saturating_sub(ADDRESS_IDLE) => {
                    self.list.swap_remove(index);
                    self.removed = true;
                }
                _ => return Change::Refused,
            }
        }
        self.list.push(Address { ip, vlan, source, sent, first_seen: at, last_seen: at, unsaved: true });
        Change::List
    }

    fn release_older_leases(&mut self, kept: IpAddr, vlan: Option<u16>, at: Timestamp) -> bool {
        self.retain(|a| {
            a.ip == kept
                || !a.ip.is_ipv4()
                || a.vlan != vlan
                || a.last_seen > at
                || a.source == AddressSource::Declared
        })
    }

    fn retain(&mut self, keep: impl FnMut(&Address) -> bool) -> bool {
        let before = self.list.len();
        self.list.retain(keep);
        let removed = self.list.len() != before;
        self.removed |= removed;
        removed
    }

    fn weak_networks(&self) -> usize {
        let mut networks: Vec<IpAddr> = self
            .list
            .iter()
            .filter(|a| !a.is_claimed())
            .map(|a| if a.ip.is_ipv4() { a.ip } else { network(a.ip) })
            .collect();
        networks.sort_unstable();
        networks.dedup();
        networks.len()
    }
}

/// MAC addresses that VRRP (RFC 5798), HSRP (versions 1 and 2, IPv4 and IPv6) and GLBP make for virtual routers.
pub fn is_virtual_router(mac: MacAddr) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, 0x00..=0x0f, _]
            | [0x00, 0x07, 0xb4, ..]
    )
}

/// Whether a hop limit has been counted down from one of the usual beginnings (64, 128, 255), at most thirty hops.
/// Small ones are multicast's and traceroute's own choice; 60 and 100 some devices begin with.
pub fn is_counted_down(hop_limit: u8) -> bool {
    matches!(hop_limit, 34..=59 | 61..=63 | 101..=127 | 225..=254)
}

pub(crate) fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_loopback()
                || ip.octets()[0] == 0)
        }
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_loopback()),
    }
}

pub fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The network most likely meant: a /24 of IPv4, a /64 of IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
    }
}
