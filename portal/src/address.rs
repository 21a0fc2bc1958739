//! The portal's address as sensors and browsers write it: `https://host[:port]`, nothing after it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A checked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalAddress {
    host: String,
    port: u16,
}

/// A text that is no portal address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not a portal address ({reason}); write https://host or https://host:port, as sensors will reach it")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

/// Port of an address that names none.
const HTTPS: u16 = 443;
/// Longest host name (RFC 1035 §2.3.4, without the final dot).
const MAX_HOST_CHARS: usize = 253;

impl PortalAddress {
    /// Host name or IP address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for PortalAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason| AddressError { text: text.to_owned(), reason };
        let lower = text.trim().to_ascii_lowercase();
        let rest = lower.strip_prefix("https://").ok_or_else(|| wrong("it does not start with https://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[') {
            Some(six) => {
                let (host, after) = six.split_once(']').ok_or_else(|| wrong("the bracket is not closed"))?;
                host.parse::<Ipv6Addr>().map_err(|_| wrong("what stands in brackets is no IPv6 address"))?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("")) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(digits) => {
                digits.parse().ok().filter(|p| *p != 0).ok_or_else(|| wrong("the port is not 1 to 65535"))?
            }
            None => HTTPS,
        };
        let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if host.is_empty() || host.len() > MAX_HOST_CHARS || !(plain || host.parse::<IpAddr>().is_ok()) {
            return Err(wrong("the host is neither a name nor an IP address"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for PortalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "https://[{}]", self.host)?,
            false => write!(f, "https://{}", self.host)?,
        }
        if self.port == HTTPS {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for (written, meant, host) in [
            ("https://Portal.Example/", "https://portal.example", "portal.example"),
            ("https://10.0.0.1:8443", "https://10.0.0.1:8443", "10.0.0.1"),
            ("https://portal:443", "https://portal", "portal"),
            ("https://[2001:DB8::1]:444", "https://[2001:db8::1]:444", "2001:db8::1"),
        ] {
            let address: PortalAddress = written.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.host()), (meant, host));
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (written, reason) in [
            ("http://portal", "https://"),
            ("https://", "neither a name"),
            ("https://portal:0", "port"),
            ("https://portal:x", "port"),
            ("https://portal/x", "neither a name"),
            ("https://[::1", "bracket"),
            ("https://[1.2.3.4]", "IPv6"),
            ("https://a b", "neither a name"),
        ] {
            let error = written.parse::<PortalAddress>().unwrap_err().to_string();
            assert!(error.contains(reason), "{written}: {error}");
        }
    }
}
