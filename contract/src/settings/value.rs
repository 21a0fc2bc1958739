//! What one value may be, by its kind. The reasons never repeat a secret.

use std::net::IpAddr;

use super::{Definition, Kind, Selection, Selector};

pub(super) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|v| !v.is_empty())
}

/// Checks one value against its kind; the reason never repeats a secret.
pub(super) fn check(d: &Definition, value: &str) -> Result<(), String> {
    match d.kind {
        Kind::Text(max) | Kind::Secret(max) => {
            let length = value.chars().count();
            if length > max {
                return Err(format!("has {length} characters, at most {max} are allowed"));
            }
            if value.chars().any(char::is_control) {
                return Err("has a control character or a line break".to_owned());
            }
            Ok(())
        }
        Kind::Choice(options) => match options.contains(&value) {
            true => Ok(()),
            false => Err(format!("\"{value}\" is not one of {}", options.join(", "))),
        },
        Kind::AddressWithPrefix => address_with_prefix(value).map(drop),
        Kind::Address => address(value).map(drop),
        Kind::Addresses => list(value).try_for_each(|v| address(v).map(drop)),
        Kind::Names => list(value).try_for_each(|v| {
            let plain = v.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:*/[]".contains(c));
            if plain {
                Ok(())
            } else {
                Err(format!("\"{v}\" is not a host name or address"))
            }
        }),
        Kind::ProxyUrl => {
            let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
            match rest {
                // credentials have settings of their own so that they can be masked
                Some(rest) if rest.contains('@') => {
                    Err("carries credentials; give them as proxy.username and proxy.password".to_owned())
                }
                Some(rest) if !rest.trim_end_matches('/').is_empty() => proxy_port(value, rest),
                _ => Err(format!("\"{value}\" is not http://host:port or https://host:port")),
            }
        }
        Kind::Interfaces => selection(value).map(drop),
        Kind::Pem => match value.contains("-----BEGIN CERTIFICATE-----") {
            true => Ok(()),
            false => Err("is not a PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned()),
        },
        Kind::PemKey => match value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
            true if value.contains("ENCRYPTED") => {
                Err("is encrypted; give the key without a passphrase".to_owned())
            }
            true => Ok(()),
            false => Err("is not a PEM private key (-----BEGIN PRIVATE KEY-----)".to_owned()),
        },
    }
}

/// A port is optional; one that is given must be one.
fn proxy_port(url: &str, rest: &str) -> Result<(), String> {
    let authority = rest.split('/').next().unwrap_or_default();
    // the colons of an IPv6 address are inside brackets
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    match after_host.rsplit_once(':') {
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|p| p > 0) => {
            Err(format!("\"{url}\" has port \"{port}\", which is not from 1 to 65535"))
        }
        _ => Ok(()),
    }
}

fn address(value: &str) -> Result<IpAddr, String> {
    value.parse().map_err(|_| format!("\"{value}\" is not an IP address"))
}

pub(super) fn address_with_prefix(value: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("\"{value}\" is not an address with prefix, such as 192.0.2.10/24");
    let (ip, prefix) = value.split_once('/').ok_or_else(wrong)?;
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    if prefix == 0 || prefix > most {
        return Err(format!("prefix length {prefix} is not between 1 and {most}"));
    }
    Ok((ip, prefix))
}

pub(super) fn selection(value: &str) -> Result<Selection, String> {
    if value == "auto" {
        return Ok(Selection::Auto);
    }
    let selectors = list(value).map(selector).collect::<Result<Vec<_>, _>>()?;
    if selectors.is_empty() {
        return Err("is empty; write auto, or selectors such as mac:00:50:56:01:02:03".to_owned());
    }
    Ok(Selection::These(selectors))
}

fn selector(value: &str) -> Result<Selector, String> {
    let (kind, rest) = value.split_once(':').unwrap_or(("", value));
    let plain = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    match kind {
        "mac" => rest.parse().map(Selector::Mac).map_err(|e: crate::mac::MacError| e.to_string()),
        "pci" if plain => Ok(Selector::Pci(rest.to_ascii_lowercase())),
        // names of port groups have blanks and more in them; they are compared and nothing else
        "network" if !rest.trim().is_empty() => Ok(Selector::Network(rest.trim().to_owned())),
        "driver" if plain => Ok(Selector::Driver(rest.to_owned())),
        "name" if plain => Ok(Selector::Name(rest.to_owned())),
        _ => Err(format!("\"{value}\" does not start with mac:, pci:, network:, driver: or name:")),
    }
}
