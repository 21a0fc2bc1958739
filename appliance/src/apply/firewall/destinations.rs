//! Where the appliance may connect to: `firewall.destinations`, the portal and the proxy, as networks.
//!
//! The firewall knows addresses only. What a name or a tag stands for is looked up here, and what was found last is kept on
//! disk: when a name server or the list of tags fails, the last good answer holds, and a boot has its rules before it has
//! a network. An address that a name no longer gives stays for a day, because names with many addresses give a few at a
//! time.
//!
//! What Azure's own services tell of is followed: the provisioning service names the hub, the hub names the storage account
//! for files. The latter comes with each file and by the sensor's word, so it is believed only where its name is one that
//! Azure gives to storage; a name of another kind has to stand in `firewall.destinations`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use eyot_contract::settings::Settings;
use eyot_contract::{ConditionCode, DestinationCheck, Timestamp};
use serde::{Deserialize, Serialize};

use super::prefix::{collapse, Prefix};
use super::service_tags::{Tags, STALE_S};
use crate::apply::sensor;
use crate::host::{Access, Host, HostError};
use crate::paths;

/// How long an address stays that its name no longer gives, in seconds.
const LINGERS_S: i64 = 86_400;
/// Time between two lookups of a name, in seconds, and how much longer after its address was last confirmed the record is
/// written anew: the disk is not worn out by clocks.
const EVERY_S: i64 = 300;
const CONFIRM_EVERY_S: i64 = 3600;
/// Addresses kept of one name.
const MAX_ADDRESSES: usize = 64;
/// Time limit of a lookup.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the sensor calls the IoT Hub.
const IOT_HUB: &str = "azure_iot_hub";
/// How the names of Azure's blob storage end, in each of its clouds; the last with DNS zones
/// (learn.microsoft.com, "Storage account overview", "Azure Government", "Azure in China").
const STORAGE: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.storage.azure.net",
];
/// Storage accounts followed for one hub, most.
const MAX_STORAGE: usize = 4;
/// Before an Azure service tag.
const TAG: &str = "tag:";

/// What each destination stood for when that was last known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// By destination as written: each network, and when it was last given.
    #[serde(default)]
    by_destination: BTreeMap<String, BTreeMap<Prefix, Timestamp>>,
}

/// The networks that these settings let through, as they were last known; `None` means any.
///
/// # Errors
/// The disk.
pub fn networks(
    host: &dyn Host,
    settings: &Settings,
    portal: Option<&str>,
) -> Result<Option<Vec<Prefix>>, HostError> {
    Ok(Known::load(host)?.networks(settings, portal, &azure_names(host)?))
}

/// A destination by its kind.
enum Kind<'t> {
    Network(Prefix),
    Tag(&'t str),
    Name(&'t str),
}

fn kind(destination: &str) -> Kind<'_> {
    match (destination.strip_prefix(TAG), destination.trim_matches(['[', ']']).parse()) {
        (Some(tag), _) => Kind::Tag(tag),
        (None, Ok(prefix)) => Kind::Network(prefix),
        (None, Err(_)) => Kind::Name(destination),
    }
}

/// Every destination and why it is let through: those of the settings, the portal, the proxy, Azure's hosts (`told`: those
/// that its services have told of). Empty if the settings allow any.
fn wanted(settings: &Settings, portal: Option<&str>, told: &[String]) -> BTreeMap<String, &'static str> {
    let mut wanted = BTreeMap::new();
    if settings.destinations.is_empty() {
        return wanted;
    }
    if let Some(azure) = sensor::azure(settings) {
        if let Some(hub) = &azure.hub {
            wanted.insert(hub.provisioning_host.clone(), "azure.id_scope: the provisioning service");
            wanted.extend(told.iter().filter_map(|name| match is_storage(name) {
                false => Some((name.clone(), "azure.id_scope: the IoT Hub assigned")),
                true if hub.stores_files() => {
                    Some((name.clone(), "the storage account that the IoT Hub names for files"))
                }
                true => None,
            }));
        }
        wanted.extend(azure.event_hub.iter().map(|e| (e.host.clone(), "azure.event_hub: the namespace")));
    }
    wanted.extend(settings.proxy.as_ref().and_then(|p| host_of(&p.url)).map(|h| (h, "proxy.url")));
    wanted.extend(portal.and_then(host_of).map(|h| (h, "the portal")));
    wanted.extend(settings.destinations.iter().cloned().map(|d| (d, "firewall.destinations")));
    wanted
}

/// What is let through and why, a line each with what it stands for now; empty where anything is.
///
/// # Errors
/// The disk.
pub fn reasons(host: &dyn Host, settings: &Settings, portal: Option<&str>) -> Result<Vec<String>, HostError> {
    let known = Known::load(host)?;
    let wanted = wanted(settings, portal, &azure_names(host)?);
    let line = |(destination, why): (String, &'static str)| {
        let networks: Vec<String> = known.of(&destination).iter().map(Prefix::to_string).collect();
        let networks = match networks.is_empty() {
            true => "no address is known".to_owned(),
            false => networks.join(", "),
        };
        format!("{destination} ({why}): {networks}")
    };
    Ok(wanted.into_iter().map(line).collect())
}

/// The names that Azure's services have told of.
///
/// # Errors
/// The disk. A damaged record is as none.
fn azure_names(host: &dyn Host) -> Result<Vec<String>, HostError> {
    let text = host.read(paths::AZURE_NAMES)?;
    Ok(text.and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default())
}

/// Keeps the hub that was assigned. Says whether the firewall has to learn a name before it can be reached.
///
/// # Errors
/// The disk.
pub fn remember_hub(
    host: &dyn Host,
    settings: &Settings,
    checks: &[DestinationCheck],
) -> Result<bool, HostError> {
    let asked = sensor::azure(settings).and_then(|a| a.hub.as_ref()).map(|h| h.provisioning_host.as_str());
    let assigned = checks
        .iter()
        .filter(|c| {
            c.destination == IOT_HUB && Some(c.endpoint.as_str()) != asked && !is_storage(&c.endpoint)
        })
        .map(|c| c.endpoint.clone());
    remember(host, settings, assigned.collect(), |name| !is_storage(name))
}

/// Keeps the storage accounts that the hub told the sensor of. Says whether the firewall has to learn one.
///
/// # Errors
/// The disk.
pub fn remember_storage(
    host: &dyn Host,
    settings: &Settings,
    told: &BTreeSet<String>,
) -> Result<bool, HostError> {
    let names = told.iter().map(|name| name.to_ascii_lowercase()).filter(|name| is_storage(name));
    remember(host, settings, names.take(MAX_STORAGE).collect(), is_storage)
}

/// Puts names in the place of those of the same kind.
fn remember(
    host: &dyn Host,
    settings: &Settings,
    names: Vec<String>,
    same_kind: impl Fn(&str) -> bool,
) -> Result<bool, HostError> {
    let known = azure_names(host)?;
    // a service that does not answer now takes nothing back
    if names.is_empty() || names.iter().eq(known.iter().filter(|name| same_kind(name))) {
        return Ok(false);
    }
    let others = known.into_iter().filter(|name| !same_kind(name));
    let text = serde_json::to_vec(&others.chain(names).collect::<Vec<_>>()).unwrap_or_default();
    host.write(paths::AZURE_NAMES, &text, Access::Everyone)?;
    Ok(!settings.destinations.is_empty())
}

/// Whether this is a name that Azure gives to blob storage: an account, perhaps a zone, and nothing before them.
fn is_storage(name: &str) -> bool {
    let plain = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let account = STORAGE.iter().find_map(|end| name.strip_suffix(end));
    account.is_some_and(|a| a.split('.').count() <= 2 && a.split('.').all(plain))
}

/// The host of `scheme://host[:port]`.
fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

impl Known {
    /// What is on disk.
    ///
    /// # Errors
    /// The disk. A damaged record is as none.
    pub fn load(host: &dyn Host) -> Result<Self, HostError> {
        let text = host.read(paths::DESTINATIONS)?;
        Ok(text.and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default())
    }

    /// `told`: the names that Azure's services have told of. `None` means any.
    pub(crate) fn networks(
        &self,
        settings: &Settings,
        portal: Option<&str>,
        told: &[String],
    ) -> Option<Vec<Prefix>> {
        let wanted = wanted(settings, portal, told);
        (!wanted.is_empty()).then(|| collapse(wanted.keys().flat_map(|destination| self.of(destination))))
    }

    fn of(&self, destination: &str) -> Vec<Prefix> {
        match kind(destination) {
            Kind::Network(prefix) => vec![prefix],
            Kind::Tag(_) | Kind::Name(_) => {
                self.by_destination.get(destination).map(|n| n.keys().copied().collect()).unwrap_or_default()
            }
        }
    }

    /// Puts new answers in. Networks that are given no longer stay for `lingers_s` after they were last given.
    fn learn(&mut self, destination: &str, given: &[Prefix], now: Timestamp, lingers_s: i64) {
        let networks = self.by_destination.entry(destination.to_owned()).or_default();
        networks.retain(|p, at| given.contains(p) || now.seconds() - at.seconds() < lingers_s);
        for prefix in given {
            let at = networks.entry(*prefix).or_insert(now);
            if now.seconds() - at.seconds() >= CONFIRM_EVERY_S {
                *at = now;
            }
        }
    }
}

/// Looks names and tags up every few minutes.
#[derive(Default)]
pub struct Lookup {
    looked: Option<(Timestamp, BTreeSet<String>)>,
    complaints: Vec<(ConditionCode, String)>,
}

impl Lookup {
    /// Looks up what is due and keeps it; says what could not be found out.
    ///
    /// # Errors
    /// The disk.
    pub async fn look(
        &mut self,
        host: &dyn Host,
        settings: &Settings,
        portal: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<(ConditionCode, String)>, HostError> {
        let wanted: BTreeSet<String> = wanted(settings, portal, &azure_names(host)?).into_keys().collect();
        let fresh = self
            .looked
            .as_ref()
            .is_some_and(|(at, of)| (0..EVERY_S).contains(&(now.seconds() - at.seconds())) && *of == wanted);
        if fresh {
            return Ok(self.complaints.clone());
        }
        self.complaints.clear();
        let mut known = Known::load(host)?;
        known.by_destination.retain(|d, _| wanted.contains(d));
        let tags = match wanted.iter().any(|d| matches!(kind(d), Kind::Tag(_))) {
            true => Tags::load(host)?,
            false => None,
        };
        for destination in &wanted {
            match kind(destination) {
                Kind::Network(_) => {}
                Kind::Tag(tag) => {
                    match tags.as_ref().and_then(|t| t.networks(tag, now)) {
                        // the list itself knows what lingers
                        Some(networks) => known.learn(destination, &networks, now, 0),
                        None => {
                            let held = known.by_destination.contains_key(destination);
                            self.complaints
                                .push((ConditionCode::ServiceTags, missing(tag, tags.is_some(), held)));
                        }
                    }
                }
                Kind::Name(name) => match addresses(name).await {
                    Ok(given) => known.learn(destination, &given, now, LINGERS_S),
                    // the portal behind a proxy need not resolve here, and whether it must is told elsewhere
                    Err(why) if settings.destinations.contains(destination) => self
                        .complaints
                        .push((ConditionCode::EndpointDns, format!("firewall.destinations: {name}: {why}"))),
                    Err(_) => {}
                },
            }
        }
        self.complaints.extend(tags.as_ref().and_then(|t| old(t, now)));
        let text = serde_json::to_vec(&known).unwrap_or_default();
        match wanted.is_empty() {
            true => host.remove(paths::DESTINATIONS)?,
            false => drop(host.write(paths::DESTINATIONS, &text, Access::Everyone)?),
        }
        self.looked = Some((now, wanted));
        Ok(self.complaints.clone())
    }
}

fn missing(tag: &str, list: bool, held: bool) -> String {
    let why = match list {
        true => format!("the list of service tags has no {tag}"),
        false => format!("no list of service tags is there for {tag}"),
    };
    match held {
        true => format!("{why}; the networks it last had hold"),
        false => format!("{why}; connections there are not let through"),
    }
}

/// What to say of a list that is old or could not be renewed.
fn old(tags: &Tags, now: Timestamp) -> Option<(ConditionCode, String)> {
    let days = (now.seconds() - tags.taken.seconds()) / 86_400;
    let detail = match &tags.problem {
        Some(problem) => {
            format!("the latest file was not taken over: {problem}; the list of {} holds", tags.taken)
        }
        None if now.seconds() - tags.taken.seconds() > STALE_S => format!("the list is {days} days old"),
        None => return None,
    };
    Some((ConditionCode::ServiceTags, detail))
}

async fn addresses(name: &str) -> Result<Vec<Prefix>, String> {
    let lookup = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 443)));
    let found = lookup.await.map_err(|_| "the name servers do not answer".to_owned())?;
    let found = found.map_err(|_| "does not resolve".to_owned())?;
    // an address of nobody would let through what the machine sends to itself under another name
    let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast();
    let found: BTreeSet<Prefix> = found.map(|a| a.ip()).filter(usable).map(Prefix::host).collect();
    Ok(found.into_iter().take(MAX_ADDRESSES).collect())
}
