//! Which adapter manages, which listen, which ends tunnels. Pure: settings, adapters and evidence in, roles out.
//!
//! What the settings name explicitly holds. Where they say `auto`, the management adapter is, in this order: the one that
//! managed before (by hardware address: names and slots change between boots and hypervisors), the one with the default
//! route, one with an address, one that hears no traffic of others while another does, the first in PCI order (hypervisors
//! number their adapters so; names they do not), those on other buses after them in the kernel's order. All others listen,
//! but never one that carries an address or the default route: on somebody's own server it is in use.

use std::collections::BTreeMap;

use eyot_contract::settings::{Selection, Selector, Settings};
use eyot_contract::{ConditionCode, InterfaceRole, MacAddr};
use serde::{Deserialize, Serialize};

use crate::datasource::ovf_networks;
use crate::host::{Access, Adapter, Host, HostError};
use crate::paths;

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The management adapter's name.
    pub management: Option<String>,
    /// The capture adapters' names.
    pub capture: Vec<String>,
    /// Names of the adapters that mirrored traffic is sent to in tunnels.
    pub tunnel: Vec<String>,
    /// For each adapter's name: why it does what it does, for people.
    pub why: BTreeMap<String, String>,
    /// What could not be had as the settings want it.
    pub complaints: Vec<(ConditionCode, String)>,
}

/// What bears on roles besides the settings and the adapters themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What each did when management was last known to work.
    pub remembered: Option<Memory>,
    /// The network each adapter was connected to when the OVA was deployed.
    pub networks: BTreeMap<MacAddr, String>,
    /// Names of adapters that heard frames between other machines.
    pub hears_others: Vec<String>,
}

/// What each adapter did, by hardware address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The one that managed, and had an address.
    pub management: Option<MacAddr>,
    /// Those that listened then.
    pub capture: Vec<MacAddr>,
}

impl Memory {
    /// What is on disk. A damaged record is as none.
    ///
    /// # Errors
    /// The disk.
    pub fn load(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(paths::ROLES)?.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Remembers roles that proved themselves: the management adapter has an address. Says whether anything was new.
    ///
    /// # Errors
    /// The disk.
    pub fn keep(host: &dyn Host, roles: &Roles, adapters: &[Adapter]) -> Result<bool, HostError> {
        let mac = |name: &String| adapters.iter().find(|a| a.name == *name).map(|a| a.mac);
        let proved = adapters.iter().any(|a| a.addressed && roles.management.as_ref() == Some(&a.name));
        if !proved {
            return Ok(false);
        }
        let mut capture: Vec<MacAddr> = roles.capture.iter().filter_map(mac).collect();
        capture.sort_unstable();
        let now = Self { management: roles.management.as_ref().and_then(mac), capture };
        let text = serde_json::to_vec(&now).unwrap_or_default();
        host.write(paths::ROLES, &text, Access::Everyone)
    }
}

impl Roles {
    /// Whether this adapter listens.
    pub fn captures(&self, name: &str) -> bool {
        self.capture.iter().any(|c| c == name)
    }

    /// Whether tunnels end here.
    pub fn ends_tunnels(&self, name: &str) -> bool {
        self.tunnel.iter().any(|t| t == name)
    }

    /// The adapters that the sensor reads: those that listen and those where tunnels end.
    pub fn read(&self) -> Vec<String> {
        self.capture.iter().chain(&self.tunnel).cloned().collect()
    }

    /// What this adapter is for. One that ends tunnels receives mirrored traffic like those that listen.
    pub fn of(&self, name: &str) -> InterfaceRole {
        match () {
            () if self.management.as_deref() == Some(name) => InterfaceRole::Management,
            () if self.captures(name) || self.ends_tunnels(name) => InterfaceRole::Capture,
            () => InterfaceRole::Unused,
        }
    }

    fn because(&mut self, name: &str, why: impl Into<String>) {
        self.why.insert(name.to_owned(), why.into());
    }
}

/// Decides with the evidence that this machine keeps.
///
/// # Errors
/// The disk, or the platform's channel when the settings name a network of the OVF environment.
pub fn decide(host: &dyn Host, settings: &Settings, adapters: &[Adapter]) -> Result<Roles, HostError> {
    decide_hearing(host, settings, adapters, Vec::new())
}

/// The same, knowing which adapters heard frames between other machines.
///
/// # Errors
/// As [`decide`].
pub fn decide_hearing(
    host: &dyn Host,
    settings: &Settings,
    adapters: &[Adapter],
    hears_others: Vec<String>,
) -> Result<Roles, HostError> {
    let networks = match names_a_network(settings) {
        true => ovf_networks::networks(host)?,
        false => BTreeMap::new(),
    };
    let evidence = Evidence { remembered: Memory::load(host)?, networks, hears_others };
    Ok(assign_by(settings, adapters, &evidence))
}

/// Decides by settings and adapters alone.
pub fn assign(settings: &Settings, adapters: &[Adapter]) -> Roles {
    assign_by(settings, adapters, &Evidence::default())
}

/// Decides.
pub fn assign_by(settings: &Settings, adapters: &[Adapter], evidence: &Evidence) -> Roles {
    let mut roles = Roles::default();
    let seen = Seen { adapters, evidence };
    if let Some(tunnel) = &settings.tunnel {
        roles.tunnel = seen.choose(&tunnel.interface, "capture.tunnel", &mut roles);
        for name in roles.tunnel.clone() {
            roles.because(&name, format!("capture.tunnel names it; mirrors are sent to {}", tunnel.address));
        }
    }
    let tunnel = roles.tunnel.clone();
    let free: Vec<&Adapter> = seen.in_order().into_iter().filter(|a| !tunnel.contains(&a.name)).collect();

    let named_captures = match &settings.capture_interfaces {
        Selection::Auto => None,
        Selection::These(selectors) => Some(seen.choose(selectors, "capture.interfaces", &mut roles)),
    };
    let listening = |name: &str| named_captures.as_ref().is_some_and(|c| c.iter().any(|n| n == name));
    // when all of them are named for monitoring, one must manage all the same: a machine out of reach helps nobody
    let by_rule = || {
        let unnamed: Vec<&Adapter> = free.iter().copied().filter(|a| !listening(&a.name)).collect();
        let among = if unnamed.is_empty() { &free } else { &unnamed };
        seen.likeliest(among)
    };
    let chosen = match &settings.management_interface {
        Selection::Auto => by_rule(),
        Selection::These(selectors) => {
            // a wrong selector must not make the machine unreachable: the rule decides, and the complaint says so
            let named = seen.choose(selectors, "management.interface", &mut roles).into_iter().next();
            named.map(|n| (n, "management.interface names it".to_owned())).or_else(by_rule)
        }
    };
    if let Some((name, why)) = &chosen {
        roles.because(name, why.as_str());
    }
    roles.management = chosen.map(|(name, _)| name);
    roles.tunnel.retain(|t| roles.management.as_ref() != Some(t));
    match named_captures {
        Some(named) => seen.take_named(named, &mut roles),
        None => seen.take_the_rest(&free, &mut roles),
    }
    for adapter in adapters {
        roles.why.entry(adapter.name.clone()).or_insert_with(|| match (adapter.hardware, adapter.enslaved) {
            (_, true) => "belongs to a bond, a bridge or another adapter".to_owned(),
            (false, _) => "no hardware is behind it".to_owned(),
            (true, false) => "capture.interfaces does not name it".to_owned(),
        });
    }
    if roles.capture.is_empty() && roles.tunnel.is_empty() {
        let detail = match adapters.len() {
            0 => "the machine has no network adapter at all".to_owned(),
            _ => format!("adapters: {}", list(adapters)),
        };
        roles.complaints.push((ConditionCode::NoMonitoringInterface, detail));
    }
    roles
}

/// Whether a wait for traffic could tell more: the rule is to decide between several adapters of which nothing is known.
pub fn is_undecided(settings: &Settings, adapters: &[Adapter], remembered: Option<&Memory>) -> bool {
    let candidates: Vec<&Adapter> = adapters.iter().filter(|a| a.hardware && !a.enslaved).collect();
    let known = |a: &&Adapter| a.addressed || remembered.is_some_and(|m| m.management == Some(a.mac));
    settings.management_interface == Selection::Auto
        && settings.capture_interfaces == Selection::Auto
        && candidates.len() > 1
        && !candidates.iter().any(known)
}

fn names_a_network(settings: &Settings) -> bool {
    let of = |s: &Selection| match s {
        Selection::Auto => Vec::new(),
        Selection::These(these) => these.clone(),
    };
    let tunnel = settings.tunnel.as_ref().map(|t| t.interface.clone()).unwrap_or_default();
    let all = [of(&settings.management_interface), of(&settings.capture_interfaces), tunnel].concat();
    all.iter().any(|s| matches!(s, Selector::Network(_)))
}

/// What there is to decide by.
struct Seen<'a> {
    adapters: &'a [Adapter],
    evidence: &'a Evidence,
}

impl<'a> Seen<'a> {
    /// Adapters that `auto` may take, in the order in which it takes them.
    fn in_order(&self) -> Vec<&'a Adapter> {
        let mut ordered: Vec<&Adapter> = self.adapters.iter().filter(|a| a.hardware && !a.enslaved).collect();
        ordered.sort_by_key(|a| {
            let slot = a.bus.as_deref().filter(|b| crate::host::is_pci_address(b));
            (slot.is_none(), slot.map(str::to_owned), a.index)
        });
        ordered
    }

    /// The likeliest management adapter and why. What it did before counts most: an adapter that listens does not become
    /// the management one because somebody gave it an address.
    fn likeliest(&self, among: &[&Adapter]) -> Option<(String, String)> {
        let hears = |a: &Adapter| self.evidence.hears_others.contains(&a.name);
        let remembered = self.evidence.remembered.as_ref().and_then(|m| m.management);
        let another_hears = among.iter().any(|a| hears(a));
        let rank = |a: &Adapter| match () {
            () if remembered == Some(a.mac) => (0, "managed before (same hardware address)"),
            () if a.default_route => (1, "has the default route"),
            () if a.addressed => (2, "has an address"),
            () if another_hears && !hears(a) => (3, "hears no traffic of others, and another does"),
            () => (4, "the first in PCI order; nothing else tells"),
        };
        // of equals the first, and they are in order
        let best = among.iter().min_by_key(|a| rank(a).0)?;
        Some((best.name.clone(), rank(best).1.to_owned()))
    }

    fn take_named(&self, named: Vec<String>, roles: &mut Roles) {
        for name in named {
            if roles.management.as_ref() == Some(&name) {
                roles.complaints.push((
                    ConditionCode::SettingsInvalid,
                    format!("{name} is named for monitoring but is the one that manages; name another adapter, or add one"),
                ));
                continue;
            }
            if roles.tunnel.contains(&name) {
                roles.complaints.push((
                    ConditionCode::SettingsInvalid,
                    format!(
                        "{name} is named by both capture.interfaces and capture.tunnel; tunnels end there"
                    ),
                ));
                continue;
            }
            if let Some(adapter) =
                self.adapters.iter().find(|a| a.name == name && (a.addressed || a.default_route))
            {
                roles
                    .complaints
                    .push((ConditionCode::AdapterRoles, in_use(adapter, "is named for monitoring")));
            }
            roles.because(&name, "capture.interfaces names it");
            roles.capture.push(name);
        }
    }

    fn take_the_rest(&self, free: &[&Adapter], roles: &mut Roles) {
        let listened =
            |a: &Adapter| self.evidence.remembered.as_ref().is_some_and(|m| m.capture.contains(&a.mac));
        for adapter in free {
            if roles.management.as_ref() == Some(&adapter.name) {
                continue;
            }
            let used = adapter.addressed || adapter.default_route;
            let why = match (used, listened(adapter)) {
                (true, false) => {
                    roles.because(
                        &adapter.name,
                        "has an address and is not the management one; in use by others",
                    );
                    continue;
                }
                (true, true) => {
                    roles.complaints.push((ConditionCode::AdapterRoles, in_use(adapter, "listens")));
                    "listened before"
                }
                (false, true) => "listened before",
                (false, false) if self.evidence.hears_others.contains(&adapter.name) => {
                    "hears traffic of others"
                }
                (false, false) if adapter.link && adapter.rx_frames > 0 => {
                    "no address, a link, and frames arrive"
                }
                (false, false) => "no address, and not the management one",
            };
            roles.because(&adapter.name, why);
            roles.capture.push(adapter.name.clone());
        }
    }

    fn choose(&self, selectors: &[Selector], key: &str, roles: &mut Roles) -> Vec<String> {
        let mut chosen: Vec<String> = Vec::new();
        for selector in selectors {
            let before = chosen.len();
            for adapter in self.adapters.iter().filter(|a| !a.enslaved && self.matches(selector, a)) {
                if !chosen.contains(&adapter.name) {
                    chosen.push(adapter.name.clone());
                }
            }
            let found = chosen.len() > before || self.adapters.iter().any(|a| self.matches(selector, a));
            if !found {
                roles.complaints.push((
                    ConditionCode::SettingsInvalid,
                    format!(
                        "{key}: {} matches no adapter; present are {}",
                        text(selector),
                        self.list_with_networks(selector)
                    ),
                ));
            }
        }
        chosen
    }

    fn matches(&self, selector: &Selector, adapter: &Adapter) -> bool {
        match selector {
            Selector::Mac(mac) => adapter.mac == *mac,
            Selector::Pci(slot) => adapter.bus.as_deref().is_some_and(|b| b.ends_with(slot.as_str())),
            Selector::Network(network) => self.evidence.networks.get(&adapter.mac) == Some(network),
            Selector::Driver(driver) => adapter.driver.as_deref() == Some(driver),
            Selector::Name(name) => adapter.name == *name,
        }
    }

    fn list_with_networks(&self, selector: &Selector) -> String {
        let mut text = list(self.adapters);
        if matches!(selector, Selector::Network(_)) {
            let networks: Vec<&str> = self.evidence.networks.values().map(String::as_str).collect();
            match networks.is_empty() {
                true => text.push_str("; the OVF environment names no networks"),
                false => {
                    text.push_str(&format!("; networks in the OVF environment: {}", networks.join(", ")))
                }
            }
        }
        text
    }
}

fn in_use(adapter: &Adapter, does: &str) -> String {
    let carries = if adapter.default_route { "the default route" } else { "an address" };
    format!(
        "{} ({}) {does} and carries {carries}; the firewall lets nothing through there",
        adapter.name, adapter.mac
    )
}

fn text(selector: &Selector) -> String {
    match selector {
        Selector::Mac(mac) => format!("mac:{mac}"),
        Selector::Pci(slot) => format!("pci:{slot}"),
        Selector::Network(network) => format!("network:{network}"),
        Selector::Driver(driver) => format!("driver:{driver}"),
        Selector::Name(name) => format!("name:{name}"),
    }
}

fn list(adapters: &[Adapter]) -> String {
    match adapters.is_empty() {
        true => "none".to_owned(),
        false => adapters.iter().map(|a| format!("{} ({})", a.name, a.mac)).collect::<Vec<_>>().join(", "),
    }
}
