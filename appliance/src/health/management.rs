//! The management interface itself: link, address, another machine with the same address, gateway. What is wrong here
//! explains why the portal is not reached, so it is looked at before anybody else is blamed.

use std::net::{IpAddr, Ipv4Addr};

use eyot_contract::ConditionCode;

use crate::apply::Roles;
use crate::host::{Adapter, Host, HostError};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Management {
    /// The adapter's name, if there is one.
    pub adapter: Option<String>,
    /// Its addresses, with their prefix lengths.
    pub addresses: Vec<String>,
    /// What is wrong, the first cause first.
    pub complaints: Vec<(ConditionCode, String)>,
}

/// Looks. The gateway is asked about only when the portal is not reached: before that nobody has needed it.
///
/// # Errors
/// `ip` does not run.
pub fn look(
    host: &dyn Host,
    adapters: &[Adapter],
    roles: &Roles,
    portal_reached: bool,
) -> Result<Management, HostError> {
    use ConditionCode as C;
    let Some(adapter) = adapters.iter().find(|a| roles.management.as_ref() == Some(&a.name)) else {
        return Ok(Management::default());
    };
    let mut found = Management { adapter: Some(adapter.name.clone()), ..Management::default() };
    if !adapter.link {
        found.complaints.push((C::ManagementDown, format!("{} has no link", adapter.name)));
        return Ok(found);
    }
    found.addresses = addresses(host, &adapter.name)?;
    if found.addresses.is_empty() {
        found
            .complaints
            .push((C::NoManagementAddress, format!("{} has a link but no address", adapter.name)));
        return Ok(found);
    }
    for address in found.addresses.iter().filter_map(|a| a.split('/').next()?.parse::<Ipv4Addr>().ok()) {
        if let Some(other) = host.address_holder(&adapter.name, address)? {
            found.complaints.push((C::DuplicateAddress, format!("{other} has {address} too")));
        }
    }
    if !portal_reached && found.complaints.is_empty() {
        found.complaints.extend(gateway(host, &adapter.name, &found.addresses)?);
    }
    Ok(found)
}

/// An adapter's addresses that others reach, with their prefix lengths.
///
/// # Errors
/// `ip` does not run.
pub fn addresses(host: &dyn Host, adapter: &str) -> Result<Vec<String>, HostError> {
    let text = host.run("ip", &["-o", "addr", "show", "dev", adapter, "scope", "global"])?;
    Ok(text.lines().filter_map(|l| l.split_whitespace().nth(3)).map(str::to_owned).collect())
}

/// The gateway that does not answer, or that is missing, for the first address family that has addresses.
fn gateway(
    host: &dyn Host,
    adapter: &str,
    addresses: &[String],
) -> Result<Option<(ConditionCode, String)>, HostError> {
    let family = if addresses.iter().any(|a| !a.contains(':')) { "-4" } else { "-6" };
    let routes = host.run("ip", &["-o", family, "route", "show", "default"])?;
    let Some(gateway) = routes.lines().find_map(|l| after(l, "via")?.parse::<IpAddr>().ok()) else {
        // a default route without a gateway (point to point) is in order
        let none = routes.trim().is_empty();
        return Ok(none.then(|| (ConditionCode::GatewayUnreachable, format!("{adapter} has no gateway"))));
    };
    let neighbours = host.run("ip", &["-o", "neigh", "show", &gateway.to_string(), "dev", adapter])?;
    let silent = neighbours.split_whitespace().any(|w| w == "FAILED" || w == "INCOMPLETE");
    Ok(silent.then(|| (ConditionCode::GatewayUnreachable, format!("{gateway} does not answer on {adapter}"))))
}

fn after<'t>(line: &'t str, word: &str) -> Option<&'t str> {
    line.split_whitespace().skip_while(|w| *w != word).nth(1)
}
