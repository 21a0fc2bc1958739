//! Settings that the portal gives a sensor, and what the sensor says became of them.
//!
//! The sensor asks every minute with the version that is in force there; while that is the portal's too, the answer has no
//! settings. They are a map, so that a sensor older than its portal can name what it does not know instead of leaving it
//! out silently. A portal without them answers 404.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Lowest bandwidth that a sensor may be held to, in kbit/s: below it reports come so late that the sensor looks lost.
pub const MIN_BANDWIDTH_KBPS: u32 = 350;
/// Highest bandwidth that a cap can say, in kbit/s: what a sensor's two processors send at most.
pub const MAX_BANDWIDTH_KBPS: u32 = 10_000_000;
/// Longest capture filter, in bytes.
pub const MAX_FILTER: usize = 4_096;
/// Most subnets.
pub const MAX_SUBNETS: usize = 1_000;
/// Longest name of a VLAN, in characters.
pub const MAX_VLAN_NAME: usize = 64;
/// VLANs there are (IEEE 802.1Q: 0 and 4095 are reserved).
pub const VLANS: std::ops::RangeInclusive<u16> = 1..=4_094;
/// Longest reason of a refusal, in characters.
pub const MAX_REASON: usize = 500;

/// `POST` to [`path::SETTINGS`](crate::path::SETTINGS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsRequest {
    /// Version that is in force at the sensor, with the exception of what it refuses.
    pub in_force: Option<String>,
    /// Settings of that version that the sensor refuses, each with the reason.
    pub refused: BTreeMap<String, String>,
}

/// What the portal wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsAnswer {
    /// Changes with the settings.
    pub version: String,
    /// All of them by name, as [`RemoteSetting::value`] writes them. None while the version is in force.
    pub settings: Option<Map<String, Value>>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteSetting {
    /// `bandwidth_kbps`: how much the sensor sends to the portal at most, in kbit/s.
    Bandwidth(u32),
    /// `filter`: which frames are captured, in libpcap's language. Whether libpcap takes it only the sensor can tell.
    Filter(String),
    /// `subnets`: which networks are local, `address/length` each. All others are behind a router.
    Subnets(Vec<String>),
    /// `vlan_names`: what VLANs are called, by their number.
    VlanNames(BTreeMap<u16, String>),
}

impl RemoteSetting {
    /// Their names, in the order in which they are shown.
    pub const NAMES: [&'static str; 4] = ["bandwidth_kbps", "subnets", "vlan_names", "filter"];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bandwidth(_) => "bandwidth_kbps",
            Self::Filter(_) => "filter",
            Self::Subnets(_) => "subnets",
            Self::VlanNames(_) => "vlan_names",
        }
    }

    /// Reads one by its name.
    ///
    /// # Errors
    /// There is none of this name, or it cannot have this value.
    pub fn read(name: &str, value: &Value) -> Result<Self, String> {
        match name {
            "bandwidth_kbps" => bandwidth(value),
            "filter" => filter(value),
            "subnets" => subnets(value),
            "vlan_names" => vlan_names(value),
            _ => Err(format!("not a setting of this version; {} are", Self::NAMES.join(", "))),
        }
    }

    /// Its value as JSON.
    pub fn value(&self) -> Value {
        match self {
            Self::Bandwidth(kbps) => Value::from(*kbps),
            Self::Filter(text) => Value::from(text.as_str()),
            Self::Subnets(list) => Value::from(list.as_slice()),
            Self::VlanNames(names) => {
                Value::Object(names.iter().map(|(id, name)| (id.to_string(), name.as_str().into())).collect())
            }
        }
    }
}

fn bandwidth(value: &Value) -> Result<RemoteSetting, String> {
    let kbps = value.as_u64().and_then(|kbps| u32::try_from(kbps).ok());
    kbps.filter(|kbps| (MIN_BANDWIDTH_KBPS..=MAX_BANDWIDTH_KBPS).contains(kbps))
        .map(RemoteSetting::Bandwidth)
        .ok_or_else(|| format!("{MIN_BANDWIDTH_KBPS} to {MAX_BANDWIDTH_KBPS} kbit/s are possible"))
}

fn filter(value: &Value) -> Result<RemoteSetting, String> {
    let text = value.as_str().ok_or("a text is expected, in libpcap's language")?.trim();
    if text.len() > MAX_FILTER {
        return Err(format!("a filter has at most {MAX_FILTER} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("a filter stands on one line".to_owned());
    }
    Ok(RemoteSetting::Filter(text.to_owned()))
}

fn subnets(value: &Value) -> Result<RemoteSetting, String> {
    let list = value.as_array().ok_or("a list of texts is expected, such as [\"10.0.0.0/8\"]")?;
    if list.len() > MAX_SUBNETS {
        return Err(format!("at most {MAX_SUBNETS} networks are possible"));
    }
    let network = |value: &Value| {
        let text = value.as_str().ok_or("a list of texts is expected, such as [\"10.0.0.0/8\"]")?.trim();
        match is_network(text) {
            true => Ok(text.to_owned()),
            false => {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
                Err(format!("\"{shown}\" is not a network such as 192.168.0.0/16 or 2001:db8::/32"))
            }
        }
    };
    list.iter().map(network).collect::<Result<_, String>>().map(RemoteSetting::Subnets)
}

fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|length| {
        length.bytes().all(|b| b.is_ascii_digit()) && length.parse::<u8>().is_ok_and(|length| length <= bits)
    })
}

fn vlan_names(value: &Value) -> Result<RemoteSetting, String> {
    let all = value.as_object().ok_or("an object is expected, such as {\"10\": \"voice\"}")?;
    let mut names = BTreeMap::new();
    for (id, name) in all {
        let id = id.parse::<u16>().ok().filter(|id| VLANS.contains(id));
        let id = id.ok_or_else(|| format!("VLANs have the numbers {} to {}", VLANS.start(), VLANS.end()))?;
        let name = name.as_str().map(str::trim).filter(|name| {
            !name.is_empty() && name.chars().count() <= MAX_VLAN_NAME && !name.chars().any(char::is_control)
        });
        let name = name
            .ok_or_else(|| format!("VLAN {id}: a name has 1 to {MAX_VLAN_NAME} characters, on one line"))?;
        names.insert(id, name.to_owned());
    }
    Ok(RemoteSetting::VlanNames(names))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_is_written_as_it_is_read() {
        for (name, value) in [
            ("bandwidth_kbps", json!(1500)),
            ("filter", json!("not port 443 or (vlan and not port 443)")),
            ("filter", json!("")),
            ("subnets", json!(["10.0.0.0/8", "192.168.7.9", "2001:db8::/32"])),
            ("vlan_names", json!({ "1": "management", "4094": "voice" })),
        ] {
            let read = RemoteSetting::read(name, &value).unwrap();
            assert_eq!((read.name(), read.value()), (name, value));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_reason() {
        for (name, value, reason) in [
            ("bandwidth_kbps", json!(349), "350 to"),
            ("bandwidth_kbps", json!("1500"), "350 to"),
            ("filter", json!(7), "a text is expected"),
            ("filter", json!("udp\nor tcp"), "one line"),
            ("filter", json!("x".repeat(4097)), "at most 4096 bytes"),
            ("subnets", json!("10.0.0.0/8"), "a list of texts"),
            ("subnets", json!(["10.0.0.0/33"]), "\"10.0.0.0/33\" is not a network"),
            ("subnets", json!(["10.0.0.0/+8"]), "is not a network"),
            ("subnets", json!(vec!["10.0.0.0/8"; 1001]), "at most 1000"),
            ("vlan_names", json!({ "4095": "x" }), "1 to 4094"),
            ("vlan_names", json!({ "5": " " }), "VLAN 5: a name has"),
            ("vlan_names", json!([]), "an object is expected"),
            ("colour", json!("red"), "not a setting of this version; bandwidth_kbps, subnets"),
        ] {
            let refused = RemoteSetting::read(name, &value).unwrap_err();
            assert!(refused.contains(reason), "{name} {value}: {refused}");
        }
    }

    #[test]
    fn an_older_speaker_says_less() {
        let request: SettingsRequest = serde_json::from_str("{}").unwrap();
        assert_eq!(request, SettingsRequest::default());
        let answer: SettingsAnswer = serde_json::from_str("{\"version\":\"1\",\"more\":2}").unwrap();
        assert_eq!(answer, SettingsAnswer { version: "1".to_owned(), settings: None });
    }
}
