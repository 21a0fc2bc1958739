//! IP networks as people write them, `192.168.0.0/16` or `2001:db8::/32`, and which addresses count as local.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use eyot_contract::Location;

/// A network: all addresses that share so many leading bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of this address and prefix length; `None` when the length is too great for the family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return None;
        }
        let kept = |value: u128| if prefix == 0 { 0 } else { value >> (bits - prefix) << (bits - prefix) };
        let first = match address {
            IpAddr::V4(ip) => IpAddr::from((kept(u32::from(ip).into()) as u32).to_be_bytes()),
            IpAddr::V6(ip) => Ipv6Addr::from(kept(ip.into())).into(),
        };
        Some(Self { first, prefix })
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && Self::new(address, self.prefix) == Some(*self)
    }

    /// Lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Leading bits that its addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a network such as 192.168.0.0/16 or 2001:db8::/32");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        Self::new(address, prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 })).ok_or_else(wrong)
    }
}

/// Which addresses are local: those of the given networks or, if none are given, those that are not routed in the
/// Internet (RFC 1918, RFC 6598, RFC 4193). Link-local ones always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNetworks(Vec<Network>);

impl LocalNetworks {
    /// These networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether somebody named them.
    pub fn are_configured(&self) -> bool {
        !self.0.is_empty()
    }

    /// Where an address is.
    pub fn location(&self, address: IpAddr) -> Location {
        match self.contains(address) {
            true => Location::Local,
            false => Location::Routed,
        }
    }

    /// Whether the address is local.
    pub fn contains(&self, address: IpAddr) -> bool {
        let link_local = match address {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        link_local
            || if self.0.is_empty() {
                is_private(address)
            } else {
                self.0.iter().any(|network| network.contains(address))
            }
    }

    /// Whether the address is one of the Internet's, reached through a router.
    pub fn is_public(&self, address: IpAddr) -> bool {
        let special = match address {
            IpAddr::V4(ip) => {
                ip.is_multicast()
                    || ip.is_broadcast()
                    || ip.is_loopback()
                    || matches!(ip.octets()[0], 0 | 240..)
            }
            IpAddr::V6(ip) => ip.is_multicast() || ip.is_loopback() || ip.is_unspecified(),
        };
        !special && !is_private(address) && !self.contains(address)
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn networks_are_read_and_hold_their_addresses() {
        let network: Network = "10.1.2.3/22".parse().unwrap();
        assert_eq!(network.to_string(), "10.1.0.0/22");
        assert!(
            network.contains("10.1.3.255".parse().unwrap()) && !network.contains("10.1.4.0".parse().unwrap())
        );
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()) && !all.contains("10.0.0.1".parse().unwrap()));
        assert_eq!("192.0.2.7".parse::<Network>().unwrap().prefix(), 32);
        for wrong in ["10.0.0.0/33", "x/8", "10.0.0.0/", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_networks_the_private_ones_are_local() {
        let none = LocalNetworks::default();
        let some = LocalNetworks::new(vec!["203.0.113.0/24".parse().unwrap()]);
        for (address, by_none, by_some) in [
            ("192.168.1.1", true, false),
            ("203.0.113.9", false, true),
            ("169.254.3.3", true, true),
            ("fe80::1", true, true),
            ("fd00::1", true, false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!((none.contains(address), some.contains(address)), (by_none, by_some), "{address}");
        }
        for (address, public) in [
            ("8.8.8.8", true),
            ("224.0.0.1", false),
            ("10.0.0.1", false),
            ("203.0.113.9", false),
            ("2001:db8::1", true),
        ] {
            assert_eq!(some.is_public(address.parse().unwrap()), public, "{address}");
        }
    }
}
