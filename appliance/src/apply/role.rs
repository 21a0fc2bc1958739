//! Which adapter manages and which listen. Pure: settings and adapters in, roles out.
//!
//! What the settings name explicitly holds. Where they say `auto`, adapters with hardware behind them are put in PCI
//! order (hypervisors number their adapters so; names they do not), those on other buses after them in the kernel's
//! order; the first is the management one, the others listen.

use eyot_contract::settings::{Selection, Selector, Settings};
use eyot_contract::{ConditionCode, InterfaceRole};

use crate::host::Adapter;

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The management adapter's name.
    pub management: Option<String>,
    /// The capture adapters' names.
    pub capture: Vec<String>,
    /// What could not be had as the settings want it.
    pub complaints: Vec<(ConditionCode, String)>,
}

impl Roles {
    /// Whether this adapter listens.
    pub fn captures(&self, name: &str) -> bool {
        self.capture.iter().any(|c| c == name)
    }

    /// What this adapter is for.
    pub fn of(&self, name: &str) -> InterfaceRole {
        match () {
            () if self.management.as_deref() == Some(name) => InterfaceRole::Management,
            () if self.captures(name) => InterfaceRole::Capture,
            () => InterfaceRole::Unused,
        }
    }
}

/// Decides.
pub fn assign(settings: &Settings, adapters: &[Adapter]) -> Roles {
    let ordered = in_order(adapters);
    let mut roles = Roles::default();

    let named_captures = match &settings.capture_interfaces {
        Selection::Auto => None,
        Selection::These(selectors) => Some(choose(selectors, adapters, "capture.interfaces", &mut roles)),
    };
    let listening = |name: &str| named_captures.as_ref().is_some_and(|c| c.iter().any(|n| n == name));
    let names = || ordered.iter().map(|a| a.name.clone());
    // when all of them are named for monitoring, one must manage all the same: a machine out of reach helps nobody
    let first = || names().find(|n| !listening(n)).or_else(|| names().next());
    roles.management = match &settings.management_interface {
        Selection::Auto => first(),
        Selection::These(selectors) => {
            // a wrong selector must not make the machine unreachable: the rule decides, and the complaint says so
            choose(selectors, adapters, "management.interface", &mut roles).into_iter().next().or_else(first)
        }
    };
    let management = roles.management.clone();
    let is_management = |name: &String| management.as_ref() == Some(name);
    roles.capture = match named_captures {
        Some(named) => {
            if let Some(both) = named.iter().find(|n| is_management(n)) {
                roles.complaints.push((
                    ConditionCode::SettingsInvalid,
                    format!("{both} is named for monitoring but is the one that manages; name another adapter, or add one"),
                ));
            }
            named.into_iter().filter(|n| !is_management(n)).collect()
        }
        None => ordered.iter().map(|a| a.name.clone()).filter(|n| !is_management(n)).collect(),
    };
    if roles.capture.is_empty() {
        let detail = match adapters.len() {
            0 => "the machine has no network adapter at all".to_owned(),
            _ => format!("adapters: {}", list(adapters)),
        };
        roles.complaints.push((ConditionCode::NoMonitoringInterface, detail));
    }
    roles
}

/// Adapters that `auto` may take, in the order in which it takes them.
fn in_order(adapters: &[Adapter]) -> Vec<&Adapter> {
    let mut ordered: Vec<&Adapter> = adapters.iter().filter(|a| a.hardware && !a.enslaved).collect();
    ordered.sort_by_key(|a| {
        let slot = a.bus.as_deref().filter(|b| crate::host::is_pci_address(b));
        (slot.is_none(), slot.map(str::to_owned), a.index)
    });
    ordered
}

fn choose(selectors: &[Selector], adapters: &[Adapter], key: &str, roles: &mut Roles) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    for selector in selectors {
        let before = chosen.len();
        for adapter in adapters.iter().filter(|a| !a.enslaved && matches(selector, a)) {
            if !chosen.contains(&adapter.name) {
                chosen.push(adapter.name.clone());
            }
        }
        let found = chosen.len() > before || adapters.iter().any(|a| matches(selector, a));
        if !found {
            roles.complaints.push((
                ConditionCode::SettingsInvalid,
                format!("{key}: {} matches no adapter; present are {}", text(selector), list(adapters)),
            ));
        }
    }
    chosen
}

fn matches(selector: &Selector, adapter: &Adapter) -> bool {
    match selector {
        Selector::Mac(mac) => adapter.mac == *mac,
        Selector::Pci(slot) => adapter.bus.as_deref().is_some_and(|b| b.ends_with(slot.as_str())),
        Selector::Driver(driver) => adapter.driver.as_deref() == Some(driver),
        Selector::Name(name) => adapter.name == *name,
    }
}

fn text(selector: &Selector) -> String {
    match selector {
        Selector::Mac(mac) => format!("mac:{mac}"),
        Selector::Pci(slot) => format!("pci:{slot}"),
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
