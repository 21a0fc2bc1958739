//! One entry of a list, checked: an address, a network or a host name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Widest IPv4 network taken; a wider one is taken for a mistake.
const WIDEST_V4: u8 = 8;
/// Widest IPv6 network taken.
const WIDEST_V6: u8 = 16;
/// Longest host name, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An address.
    Address(IpAddr),
    /// A network: its first address and the length of the prefix.
    Network(IpAddr, u8),
    /// A host name, lower case, which stands for everything below it.
    Name(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Network(ip, length) => write!(f, "{ip}/{length}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Entry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.replace("[.]", ".");
        if let Ok(ip) = text.parse() {
            return Ok(Self::Address(ip));
        }
        if let Some((ip, length)) = text.split_once('/') {
            let (ip, length): (IpAddr, u8) = (ip.parse().map_err(drop)?, length.parse().map_err(drop)?);
            let (widest, whole) = if ip.is_ipv4() { (WIDEST_V4, 32) } else { (WIDEST_V6, 128) };
            return match length {
                length if length == whole => Ok(Self::Address(ip)),
                length if (widest..whole).contains(&length) => {
                    Ok(Self::Network(first_of(ip, length), length))
                }
                _ => Err(()),
            };
        }
        name(&text).map(Self::Name).ok_or(())
    }
}

fn first_of(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(four) => IpAddr::V4((u32::from(four) & (u32::MAX << (32 - u32::from(length)))).into()),
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & (u128::MAX << (128 - u32::from(length)))).into()),
    }
}

/// A name of at least two labels: one alone would be a whole top-level domain.
fn name(text: &str) -> Option<String> {
    let text = text.strip_prefix("*.").unwrap_or(text).trim_end_matches('.').to_ascii_lowercase();
    let right = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let mut labels = text.split('.');
    let whole = text.len() <= MAX_NAME && labels.clone().count() >= 2 && labels.all(right);
    // an address with a part missing is no name
    let last_is_number = text.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    (whole && !last_is_number).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn entries_have_one_way_to_be_written() {
        for (written, meant) in [
            ("198.51.100.77/24", "198.51.100.0/24"),
            ("198.51.100.77/32", "198.51.100.77"),
            ("2001:db8::ffff/64", "2001:db8::/64"),
            ("*.Bad[.]Example.", "bad.example"),
        ] {
            assert_eq!(written.parse::<Entry>().unwrap().to_string(), meant);
        }
        for wrong in ["", "com", "10.0.0", "10.0.0.0/33", "10.0.0.0/7", "::/0", "a b.example", "a.example/x"]
        {
            assert!(wrong.parse::<Entry>().is_err(), "{wrong}");
        }
    }
}
