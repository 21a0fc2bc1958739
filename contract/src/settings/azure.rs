//! The owner's Azure, and whom the sensor reports to: from texts to what is meant.

use std::fmt;

use super::value::list;
use super::SettingsError;

/// Somebody the sensor reports to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// The portal, once activated.
    Portal,
    /// The owner's Azure.
    Azure,
    /// Signed files to carry to the portal.
    File,
}

impl Report {
    /// Every one with its name in `report.destinations`.
    pub const ALL: [(&'static str, Self); 3] =
        [("portal", Self::Portal), ("azure", Self::Azure), ("file", Self::File)];
}

/// The owner's Azure. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Azure {
    /// IoT Hub, by way of the provisioning service.
    pub hub: Option<AzureHub>,
    /// An event hub, directly.
    pub event_hub: Option<AzureEventHub>,
}

/// A registration at the provisioning service.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureHub {
    /// ID scope.
    pub id_scope: String,
    /// Registration id; becomes the device id.
    pub registration_id: String,
    /// Symmetric key, base64.
    pub key: String,
    /// Whether the key is the enrolment group's.
    pub group: bool,
    /// The service's host name.
    pub provisioning_host: String,
    /// How often the whole inventory is stored as a file, in hours; 0: never.
    pub snapshot_hours: u64,
    /// Whether the device twin is followed.
    pub twin: bool,
}

impl AzureHub {
    /// Whether files may go to the storage account that the hub names.
    pub fn stores_files(&self) -> bool {
        self.snapshot_hours > 0 || self.twin
    }
}

impl fmt::Debug for AzureHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureHub")
            .field("id_scope", &self.id_scope)
            .field("registration_id", &self.registration_id)
            .field("group", &self.group)
            .field("provisioning_host", &self.provisioning_host)
            .field("snapshot_hours", &self.snapshot_hours)
            .field("twin", &self.twin)
            .finish_non_exhaustive()
    }
}

/// An event hub.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureEventHub {
    /// The namespace's host name.
    pub host: String,
    /// The connection string, with the key.
    pub connection: String,
}

impl fmt::Debug for AzureEventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureEventHub").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What the texts mean. `text` gives a setting, or its default.
pub(super) fn azure(text: &dyn Fn(&'static str) -> Option<String>) -> Result<Option<Azure>, SettingsError> {
    let twin = text("azure.twin").as_deref() == Some("on");
    let snapshot_hours = text("azure.snapshot_hours").and_then(|hours| hours.parse().ok()).unwrap_or(0);
    let hub = match (text("azure.id_scope"), text("azure.registration_id"), text("azure.key")) {
        (None, None, None) if snapshot_hours > 0 || twin => {
            let key = if twin { "azure.twin" } else { "azure.snapshot_hours" };
            return Err(wrong(
                key,
                "it is the IoT Hub's; give azure.id_scope, azure.registration_id and azure.key",
            ));
        }
        (None, None, None) => None,
        (Some(id_scope), Some(registration_id), Some(key)) => Some(AzureHub {
            id_scope,
            registration_id,
            key,
            group: text("azure.enrolment").as_deref() == Some("group"),
            provisioning_host: text("azure.provisioning_host").unwrap_or_default(),
            snapshot_hours,
            twin,
        }),
        _ => {
            return Err(wrong("azure.key", "azure.id_scope, azure.registration_id and azure.key go together"))
        }
    };
    let event_hub = event_hub(text)?;
    Ok((hub.is_some() || event_hub.is_some()).then_some(Azure { hub, event_hub }))
}

/// Either the whole connection string in the secret, or place, policy and key apart.
fn event_hub(text: &dyn Fn(&'static str) -> Option<String>) -> Result<Option<AzureEventHub>, SettingsError> {
    const PLACE: &str = "azure.event_hub";
    const KEY: &str = "azure.event_hub_key";
    let place = text(PLACE);
    let Some(key) = text(KEY) else {
        return match place {
            None => Ok(None),
            Some(_) => Err(wrong(KEY, "azure.event_hub is set without a key that may send to it")),
        };
    };
    let part = |name: &str| {
        let parts = key.split(';').filter_map(|p| p.split_once('='));
        parts.clone().find(|(k, _)| k.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned())
    };
    if let Some(endpoint) = part("Endpoint") {
        let host = endpoint.strip_prefix("sb://").map(|h| h.trim_end_matches('/')).filter(|h| is_host(h));
        let host =
            host.ok_or_else(|| wrong(KEY, "the connection string's Endpoint is not sb://namespace/"))?;
        if part("SharedAccessKeyName").is_none() || part("SharedAccessKey").is_none() {
            return Err(wrong(KEY, "the connection string has no SharedAccessKeyName or SharedAccessKey"));
        }
        let entity = match (part("EntityPath"), &place) {
            (Some(_), None) => String::new(),
            (None, Some(place)) => format!(";EntityPath={}", name_of(place)),
            (Some(entity), Some(place)) if entity.eq_ignore_ascii_case(name_of(place)) => String::new(),
            (Some(_), Some(_)) => {
                return Err(wrong(PLACE, "it is another event hub than the one in the connection string"))
            }
            (None, None) => {
                return Err(wrong(PLACE, "the connection string is a namespace's; say which event hub of it"))
            }
        };
        let connection = format!("{}{entity}", key.trim_end_matches(';'));
        return Ok(Some(AzureEventHub { host: host.to_owned(), connection }));
    }
    let expected = "namespace.servicebus.windows.net/hub is expected";
    let place = place.ok_or_else(|| wrong(PLACE, expected))?;
    let (host, name) = place
        .split_once('/')
        .filter(|(h, n)| is_host(h) && is_name(n))
        .ok_or_else(|| wrong(PLACE, expected))?;
    let policy = text("azure.event_hub_policy").unwrap_or_default();
    if key.contains(';') || policy.contains(';') {
        return Err(wrong(KEY, "a key or policy has no semicolon; is it a part of a connection string?"));
    }
    let connection =
        format!("Endpoint=sb://{host}/;SharedAccessKeyName={policy};SharedAccessKey={key};EntityPath={name}");
    Ok(Some(AzureEventHub { host: host.to_owned(), connection }))
}

/// The hub's own name in `namespace/hub` or alone.
fn name_of(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn is_host(text: &str) -> bool {
    is_name(text) && text.contains('.')
}

/// Whom the sensor reports to: what is said, else the portal and whatever of Azure is set.
pub(super) fn reports(written: Option<String>, azure: Option<&Azure>) -> Result<Vec<Report>, SettingsError> {
    const KEY: &str = "report.destinations";
    let Some(written) = written else {
        let mut reports = vec![Report::Portal];
        reports.extend(azure.map(|_| Report::Azure));
        return Ok(reports);
    };
    let mut reports = Vec::new();
    for name in list(&written) {
        let known = Report::ALL.iter().find(|(n, _)| *n == name).map(|(_, r)| *r);
        reports.push(known.ok_or_else(|| {
            wrong(KEY, &format!("\"{name}\" is none; portal, azure and file are, joined by commas"))
        })?);
    }
    reports.sort_unstable();
    reports.dedup();
    if reports.contains(&Report::Azure) && azure.is_none() {
        return Err(wrong(KEY, "azure is named, and neither azure.id_scope nor azure.event_hub is set"));
    }
    Ok(reports)
}

fn wrong(key: &'static str, reason: &str) -> SettingsError {
    SettingsError::Combination { key, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{resolve, Layer, Settings};
    use super::*;

    fn meant(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let mut layer = Layer::new("x");
        for (key, value) in pairs {
            layer.set(key, *value).unwrap();
        }
        resolve(&[layer]).map(|r| r.settings).map_err(|e| e.to_string())
    }

    const HUB: [(&str, &str); 3] =
        [("azure.id_scope", "0ne0"), ("azure.registration_id", "lab"), ("azure.key", "c2VjcmV0")];
    const STRING: &str = "Endpoint=sb://ns.example/;SharedAccessKeyName=send;SharedAccessKey=s3cret=";

    #[test]
    fn azure_is_whole_or_a_mistake_and_shows_no_key() {
        let settings = meant(&HUB).unwrap();
        assert_eq!(settings.reports, [Report::Portal, Report::Azure]);
        assert!(!format!("{settings:?}").contains("c2VjcmV0"));
        let hub = settings.azure.unwrap().hub.unwrap();
        assert_eq!((hub.group, &*hub.provisioning_host), (false, "global.azure-devices-provisioning.net"));
        assert!(meant(&HUB[..2]).unwrap_err().contains("go together"));
        assert!(!hub.stores_files());
        let files =
            meant(&[&HUB[..], &[("azure.snapshot_hours", "24"), ("azure.twin", "on")]].concat()).unwrap();
        let hub = files.azure.unwrap().hub.unwrap();
        assert_eq!((hub.snapshot_hours, hub.twin, hub.stores_files()), (24, true, true));
        for alone in [("azure.snapshot_hours", "24"), ("azure.twin", "on")] {
            assert!(meant(&[alone]).unwrap_err().contains(alone.0));
        }
        assert!(meant(&[&HUB[..], &[("azure.snapshot_hours", "5")]].concat())
            .unwrap_err()
            .contains("is not one of"));
        assert_eq!(meant(&[]).unwrap().reports, [Report::Portal]);
    }

    #[test]
    fn an_event_hub_is_given_in_either_way() {
        let apart = [("azure.event_hub", "ns.example/devices"), ("azure.event_hub_policy", "send")];
        let both = meant(&[&apart[..], &[("azure.event_hub_key", "s3cret=")]].concat()).unwrap();
        assert!(!format!("{both:?}").contains("s3cret"));
        let whole = meant(&[("azure.event_hub_key", &format!("{STRING};EntityPath=devices"))]).unwrap();
        assert_eq!(whole.azure, both.azure);
        let named = meant(&[("azure.event_hub", "devices"), ("azure.event_hub_key", STRING)]).unwrap();
        assert_eq!(named.azure, both.azure);
        for wrong in [
            &apart[..],
            &[("azure.event_hub_key", STRING)],
            &[("azure.event_hub", "devices"), ("azure.event_hub_key", "s3cret=")],
            &[("azure.event_hub", "a b/c"), ("azure.event_hub_key", "s3cret=")],
            &[("azure.event_hub_key", "Endpoint=http://x/;SharedAccessKey=s3cret=")],
        ] {
            let error = meant(wrong).unwrap_err();
            assert!(error.contains("azure.event_hub") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn destinations_are_those_that_are_named() {
        let file = meant(&[("report.destinations", "file, portal")]).unwrap();
        assert_eq!(file.reports, [Report::Portal, Report::File]);
        assert!(meant(&[("report.destinations", "azure")]).unwrap_err().contains("neither azure.id_scope"));
        assert!(meant(&[("report.destinations", "cloud")]).unwrap_err().contains("\"cloud\" is none"));
        let only = meant(&[&HUB[..], &[("report.destinations", "azure")]].concat()).unwrap();
        assert_eq!(only.reports, [Report::Azure]);
    }
}
