//! The inventory in groups: how many of each there are, and a line before each group's devices.

use maud::{html, Markup};

use super::inventory::address;
use super::label::label;
use crate::api::devices::Asked;
use crate::store::{Device, Grouping, SITE};

/// Filter value for "nobody knows".
const UNKNOWN: &str = "unknown";

/// The groups with their counts; each leads to its devices alone.
pub(super) fn chips(asked: &Asked, group: Option<Grouping>, groups: &[(Option<String>, i64)]) -> Markup {
    let of = |within: &str| {
        let alone = Asked { within: within.to_owned(), ..asked.clone() };
        address("/devices", &alone, None)
    };
    html! {
        @if let Some(group) = group {
            nav.chips aria-label={ "Groups by " (group.title().to_lowercase()) } {
                a href=(of("")) aria-current=[asked.within.is_empty().then_some("true")] { "All groups" }
                @for (key, count) in groups {
                    @let key = key.as_deref();
                    @let here = asked.within == key.unwrap_or(UNKNOWN);
                    a href=(of(key.unwrap_or(UNKNOWN))) aria-current=[here.then_some("true")] {
                        (shown(group, key)) " " strong { (count) }
                    }
                }
            }
        }
    }
}

/// The line before a group's first device.
pub(super) fn heading(
    group: Grouping,
    device: &Device,
    earlier: Option<&Device>,
    groups: &[(Option<String>, i64)],
    columns: usize,
) -> Markup {
    let key = key_of(group, device);
    let begins = earlier.is_none_or(|earlier| key_of(group, earlier) != key);
    let count = groups.iter().find(|(of, _)| *of == key).map(|(_, count)| *count);
    html! {
        @if begins {
            tr.group { th colspan=(columns) scope="colgroup" {
                (shown(group, key.as_deref()))
                @if let Some(count) = count { " " small { (count) " device" @if count != 1 { "s" } } }
            } }
        }
    }
}

/// What the store groups it by.
fn key_of(group: Grouping, device: &Device) -> Option<String> {
    let record = &device.record;
    match group {
        Grouping::Type => record.device_type.map(|t| t.name().to_owned()),
        Grouping::Class => record.class.map(|c| c.name().to_owned()),
        Grouping::Vendor => record.vendor.clone(),
        Grouping::Model => record.model.clone(),
        Grouping::Os => record.os.clone(),
        // there is one site
        Grouping::Site => Some(SITE.to_owned()),
        Grouping::Zone => Some(device.zone.clone()),
        Grouping::Sensor => Some(device.sensor_name.clone()),
        Grouping::Vlans => {
            let all: Vec<_> = record.vlans.iter().map(ToString::to_string).collect();
            (!all.is_empty()).then(|| all.join(","))
        }
        Grouping::Authorized => device.decisions.authorized.map(|a| if a { "yes" } else { "no" }.to_owned()),
        Grouping::Importance => Some(device.decisions.importance.clone()),
        Grouping::Location => Some(device.decisions.location.clone()).filter(|l| !l.is_empty()),
    }
}

fn shown(group: Grouping, key: Option<&str>) -> String {
    match (group, key) {
        (Grouping::Vlans, None) => "No VLAN".to_owned(),
        (Grouping::Authorized, None) => "Not decided".to_owned(),
        (_, None) => "Unknown".to_owned(),
        (Grouping::Vlans, Some(key)) => format!("VLAN {}", key.replace(',', ", ")),
        (Grouping::Authorized, Some(key)) => format!("Authorised: {key}"),
        (Grouping::Type | Grouping::Class | Grouping::Importance, Some(key)) => label(key),
        (_, Some(key)) => key.to_owned(),
    }
}
