//! Networks of addresses, and the shortest list that means the same. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network: the addresses that share their first `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// IPv4 comes before IPv6.
    six: bool,
    /// The first address, in the low 32 bits for IPv4.
    first: u128,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a network such as 192.0.2.0/24")]
pub struct NotAPrefix(String);

impl Prefix {
    /// The network of so many bits that an address is in; `None` if there are no so many bits in an address.
    pub fn of(address: IpAddr, bits: u8) -> Option<Self> {
        let (six, value) = match address {
            IpAddr::V4(v4) => (false, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => (true, u128::from(v6)),
        };
        let width: u32 = if six { 128 } else { 32 };
        let rest = width.checked_sub(u32::from(bits))?;
        // shifting all 128 bits out is not defined
        let first = value.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0);
        Some(Self { six, first, bits })
    }

    /// One address.
    pub fn host(address: IpAddr) -> Self {
        let (six, first, bits) = match address {
            IpAddr::V4(v4) => (false, u128::from(u32::from(v4)), 32),
            IpAddr::V6(v6) => (true, u128::from(v6), 128),
        };
        Self { six, first, bits }
    }

    /// Whether it is of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.six
    }

    /// How many bits its addresses share.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether every address of `other` is in this one.
    pub fn contains(self, other: Self) -> bool {
        self.six == other.six && self.bits <= other.bits && {
            let rest = u32::from(self.width() - self.bits);
            self.first.checked_shr(rest) == other.first.checked_shr(rest)
        }
    }

    fn width(self) -> u8 {
        if self.six {
            128
        } else {
            32
        }
    }

    /// The network of which this and `other` are the two halves.
    fn parent_with(self, other: Self) -> Option<Self> {
        let bits = self.bits.checked_sub(1)?;
        let rest = u32::from(self.width() - bits);
        let above = |p: Self| p.first.checked_shr(rest).unwrap_or(0);
        let halves =
            self.six == other.six && self.bits == other.bits && self != other && above(self) == above(other);
        halves.then(|| Self { first: self.first.min(other.first), bits, ..self })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match self.six {
            true => IpAddr::V6(Ipv6Addr::from(self.first)),
            // the upper bits of an IPv4 network are zero
            false => IpAddr::V4(Ipv4Addr::from(self.first as u32)),
        };
        match self.bits == self.width() {
            true => write!(f, "{address}"),
            false => write!(f, "{address}/{}", self.bits),
        }
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// An address, or an address and a number of bits; bits of the host are cut off.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let wrong = || NotAPrefix(text.to_owned());
        match text.split_once('/') {
            None => text.parse().map(Self::host).map_err(|_| wrong()),
            Some((address, bits)) => {
                let address = address.parse().map_err(|_| wrong())?;
                Self::of(address, bits.parse().map_err(|_| wrong())?).ok_or_else(wrong)
            }
        }
    }
}

impl TryFrom<String> for Prefix {
    type Error = NotAPrefix;

    fn try_from(text: String) -> Result<Self, NotAPrefix> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

/// The shortest list of networks with the same addresses: in order, none inside another, no two that are halves of one.
pub fn collapse(prefixes: impl IntoIterator<Item = Prefix>) -> Vec<Prefix> {
    let mut all: Vec<Prefix> = prefixes.into_iter().collect();
    all.sort_unstable();
    let mut kept: Vec<Prefix> = Vec::new();
    for prefix in all {
        // in this order a network comes before those inside it
        if kept.last().is_some_and(|last| last.contains(prefix)) {
            continue;
        }
        let mut whole = prefix;
        while let Some(parent) = kept.last().and_then(|last| last.parent_with(whole)) {
            kept.pop();
            whole = parent;
        }
        kept.push(whole);
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn prefixes(text: &str) -> Vec<Prefix> {
        text.split_whitespace().map(|p| p.parse().unwrap()).collect()
    }

    #[test]
    fn overlapping_networks_become_one() {
        let cases = [
            ("10.0.0.0/8 10.1.0.0/16 10.1.2.3", "10.0.0.0/8"),
            ("192.0.2.128/25 192.0.2.0/25", "192.0.2.0/24"),
            ("192.0.2.0/26 192.0.2.64/26 192.0.2.128/25 192.0.3.0/24", "192.0.2.0/23"),
            ("192.0.3.0/24 192.0.4.0/24", "192.0.3.0/24 192.0.4.0/24"),
            ("2001:db8::/33 2001:db8:8000::/33 192.0.2.1", "192.0.2.1 2001:db8::/32"),
            ("0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0"),
            ("::/1 8000::/1 ::1", "::/0"),
            ("198.51.100.7 198.51.100.7/32", "198.51.100.7"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(collapse(prefixes(given)), prefixes(expected), "{given}");
        }
    }

    #[test]
    fn collapsing_keeps_exactly_the_same_addresses() {
        // every network of the last octet, in many combinations: the addresses covered stay the same
        let mut state = 7_u32;
        for _ in 0..200 {
            let mut given = Vec::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (last, bits) = ((state >> 16) as u8, 24 + ((state >> 8) % 9) as u8);
                given.push(Prefix::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), bits).unwrap());
            }
            let short = collapse(given.clone());
            for last in 0..=255 {
                let address = Prefix::host(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
                let covered = |list: &[Prefix]| list.iter().any(|p| p.contains(address));
                assert_eq!(covered(&given), covered(&short), "{given:?}");
            }
            assert!(short.len() <= given.len());
            assert_eq!(collapse(short.clone()), short);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["192.0.2.0/33", "2001:db8::/129", "192.0.2", "", "a/8", "192.0.2.0/-1", "192.0.2.0/"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        assert_eq!("192.0.2.77/24".parse::<Prefix>().unwrap().to_string(), "192.0.2.0/24");
    }
}
