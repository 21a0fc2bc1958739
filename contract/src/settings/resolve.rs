//! From written to meant: the strongest layer that sets a key decides it.

use std::collections::BTreeMap;

use super::value::{address_with_prefix, check, list, selection};
use super::{
    azure, definition, Addressing, Layer, Proxy, Selection, Settings, SettingsError, Tunnel, DEFINITIONS,
};

/// What [`resolve`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// For each key that somebody set: which layer won.
    pub origins: BTreeMap<&'static str, String>,
}

/// Decides every setting, strongest layer first.
///
/// # Errors
/// A value of the wrong kind in a layer that wins, or settings that contradict one another. A wrong value in a layer
/// that is overruled does no harm and is not reported.
pub fn resolve(layers: &[Layer]) -> Result<Resolved, SettingsError> {
    let pick = |key: &'static str| -> Option<(&Layer, &str)> {
        layers.iter().find_map(|l| l.values.get(key).map(|v| (l, v.trim()))).filter(|(_, v)| !v.is_empty())
    };
    let mut origins = BTreeMap::new();
    for d in DEFINITIONS {
        if let Some((layer, value)) = pick(d.key) {
            check(d, value).map_err(|reason| SettingsError::Value {
                origin: layer.origin.clone(),
                key: d.key,
                reason,
            })?;
            origins.insert(d.key, layer.origin.clone());
        }
    }
    let text = |key: &'static str| -> Option<String> {
        let default = definition(key).map_or("", |d| d.default);
        pick(key).map(|(_, v)| v.to_owned()).or_else(|| Some(default.to_owned()).filter(|d| !d.is_empty()))
    };
    let token = match pick("activation.token") {
        Some((layer, v)) => Some(v.parse().map_err(|e: crate::TokenError| SettingsError::Value {
            origin: layer.origin.clone(),
            key: "activation.token",
            reason: e.to_string(),
        })?),
        None => None,
    };
    let addressing = match text("management.mode").as_deref() {
        Some("static") => {
            let written = text("management.address").ok_or_else(|| SettingsError::Combination {
                key: "management.address",
                reason: "management.mode is static, so an address with prefix is needed (192.0.2.10/24)"
                    .to_owned(),
            })?;
            let (address, prefix) = address_with_prefix(&written)
                .map_err(|reason| SettingsError::Combination { key: "management.address", reason })?;
            Addressing::Static {
                address,
                prefix,
                gateway: text("management.gateway").and_then(|g| g.parse().ok()),
                dns: text("management.dns")
                    .map(|d| list(&d).filter_map(|a| a.parse().ok()).collect())
                    .unwrap_or_default(),
            }
        }
        _ => Addressing::Dhcp,
    };
    let credentials = match (text("proxy.username"), text("proxy.password")) {
        (Some(user), password) => Some((user, password.unwrap_or_default())),
        (None, Some(_)) => {
            return Err(SettingsError::Combination {
                key: "proxy.username",
                reason: "proxy.password is set without a user name".to_owned(),
            })
        }
        (None, None) => None,
    };
    let exceptions =
        text("proxy.exceptions").map(|v| list(&v).map(str::to_owned).collect()).unwrap_or_default();
    let identity = match (text("proxy.certificate"), text("proxy.key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(SettingsError::Combination {
                key: "proxy.key",
                reason: "proxy.certificate and proxy.key go together".to_owned(),
            })
        }
    };
    let proxy = match (text("proxy.url"), credentials) {
        (Some(url), _) if identity.is_some() && !url.starts_with("https://") => {
            return Err(SettingsError::Combination {
                key: "proxy.certificate",
                reason: "a client certificate needs an https:// proxy".to_owned(),
            })
        }
        (Some(url), credentials) => Some(Proxy { url, credentials, identity, exceptions }),
        (None, None) if identity.is_none() => None,
        (None, _) => {
            return Err(SettingsError::Combination {
                key: "proxy.url",
                reason: "proxy credentials are set without a proxy address".to_owned(),
            })
        }
    };
    let chosen = |key| text(key).map_or(Ok(Selection::Auto), |v| selection(&v));
    let combine = |key: &'static str| move |reason: String| SettingsError::Combination { key, reason };
    let tunnel = match (text("capture.tunnel"), text("capture.tunnel_address")) {
        (None, None) => None,
        (Some(interface), Some(address)) => {
            let (address, prefix) =
                address_with_prefix(&address).map_err(combine("capture.tunnel_address"))?;
            match selection(&interface).map_err(combine("capture.tunnel"))? {
                Selection::These(interface) => Some(Tunnel { interface, address, prefix }),
                Selection::Auto => {
                    return Err(combine("capture.tunnel")(
                        "auto is not possible here; name the adapter".to_owned(),
                    ))
                }
            }
        }
        _ => {
            return Err(SettingsError::Combination {
                key: "capture.tunnel_address",
                reason: "capture.tunnel and capture.tunnel_address go together".to_owned(),
            })
        }
    };
    let azure = azure::azure(&text)?;
    let reports = azure::reports(text("report.destinations"), azure.as_ref())?;
    let settings = Settings {
        token,
        hostname: text("host.name"),
        management_interface: chosen("management.interface").map_err(combine("management.interface"))?,
        addressing,
        ssh: text("management.ssh").as_deref() == Some("on"),
        page: text("management.page").as_deref() != Some("off"),
        capture_interfaces: chosen("capture.interfaces").map_err(combine("capture.interfaces"))?,
        tunnel,
        destinations: text("firewall.destinations")
            .map(|v| list(&v).map(str::to_owned).collect())
            .unwrap_or_default(),
        reports,
        azure,
        proxy,
        time_servers: text("time.servers").map(|v| list(&v).map(str::to_owned).collect()).unwrap_or_default(),
        extra_ca_pem: text("portal.ca"),
    };
    Ok(Resolved { settings, origins })
}
