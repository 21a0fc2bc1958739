//! The sensor's configuration and its service. The sensor's unit starts only once the file exists.

use eyot_contract::settings::{Azure, AzureHub, Report, Settings};
use serde::Serialize;

use super::Roles;
use crate::activate::{Identity, CA, CERTIFICATE, KEY};
use crate::host::{Access, Host, HostError};
use crate::paths;

const UNIT: &str = "eyot-sensor.service";
/// Where the certificate's mark stands otherwise.
const NO_CERTIFICATE: &str = "none";
/// Version of the written form that `eyot-sensor` reads.
const CONFIG_VERSION: i64 = 1;

/// `sensor.toml` as `eyot-sensor` reads it. Secrets stand in files of their own.
#[derive(Serialize)]
struct SensorConfig<'a> {
    version: i64,
    interfaces: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<Portal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azure: Option<AzureConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundles: Option<BundlesConfig>,
}

#[derive(Serialize)]
struct AzureConfig<'a> {
    #[serde(flatten)]
    hub: Option<HubConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_hub_file: Option<&'a str>,
    sensor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_ca_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyConfig<'a>>,
}

#[derive(Serialize)]
struct HubConfig<'a> {
    id_scope: &'a str,
    registration_id: &'a str,
    key_file: &'a str,
    enrolment: &'static str,
    provisioning_host: &'a str,
    snapshot_hours: u64,
    twin: bool,
}

#[derive(Serialize)]
struct BundlesConfig {
    folder: &'static str,
    key_file: String,
    certificate_file: String,
}

#[derive(Serialize)]
struct Portal<'a> {
    url: &'a str,
    ca_file: String,
    certificate_file: String,
    key_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_ca_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyConfig<'a>>,
}

#[derive(Serialize)]
struct ProxyConfig<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<&'a str>,
    exceptions: &'a [String],
}

/// The files: path, content (`None` where there should be none), access. The configuration comes last.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan(Vec<(&'static str, Option<String>, Access)>);

/// Whether the sensor has somebody to report to without any portal: then no activation is waited for.
pub fn does_without_portal(settings: &Settings) -> bool {
    azure(settings).is_some()
}

/// The owner's Azure, if the sensor reports there.
pub fn azure(settings: &Settings) -> Option<&Azure> {
    settings.azure.as_ref().filter(|_| settings.reports.contains(&Report::Azure))
}

/// What the settings mean for the sensor, `sensor` being its name where it has no other; `None` while there is nothing to
/// listen on, or nobody to report to.
pub fn plan(settings: &Settings, roles: &Roles, identity: Option<&Identity>, sensor: &str) -> Option<Plan> {
    let interfaces = roles.read();
    let azure = azure(settings);
    if interfaces.is_empty() || (identity.is_none() && azure.is_none()) {
        return None;
    }
    let file = |name: &str| format!("{}/{name}", paths::IDENTITY_DIR);
    let proxy = settings.proxy.as_ref();
    let credentials = proxy.and_then(|p| p.credentials.as_ref());
    let proxy_identity = proxy.and_then(|p| p.identity.as_ref());
    let extra_ca = settings.extra_ca_pem.as_ref();
    let way = || {
        proxy.map(|p| ProxyConfig {
            url: &p.url,
            username: credentials.map(|c| c.0.as_str()),
            password_file: credentials.map(|_| paths::SENSOR_PROXY_PASSWORD),
            certificate_file: proxy_identity.map(|_| paths::SENSOR_PROXY_CERTIFICATE),
            key_file: proxy_identity.map(|_| paths::SENSOR_PROXY_KEY),
            exceptions: &p.exceptions,
        })
    };
    let portal = identity.filter(|_| settings.reports.contains(&Report::Portal)).map(|identity| Portal {
        url: &identity.enrolment.portal,
        ca_file: file(CA),
        certificate_file: file(CERTIFICATE),
        key_file: file(KEY),
        extra_ca_file: extra_ca.map(|_| paths::SENSOR_EXTRA_CA),
        proxy: way(),
    });
    let hub = azure.and_then(|a| a.hub.as_ref());
    let event_hub = azure.and_then(|a| a.event_hub.as_ref());
    // with a certificate of the portal's alone: nobody could tell otherwise who wrote a bundle
    let bundles = identity.filter(|_| settings.reports.contains(&Report::File)).map(|_| BundlesConfig {
        folder: paths::SENSOR_BUNDLES,
        key_file: file(KEY),
        certificate_file: file(CERTIFICATE),
    });
    let config = SensorConfig {
        version: CONFIG_VERSION,
        interfaces: &interfaces,
        portal,
        azure: azure.map(|_| AzureConfig {
            hub: hub.map(hub_config),
            event_hub_file: event_hub.map(|_| paths::SENSOR_EVENT_HUB),
            sensor: hub.map_or(sensor, |h| h.registration_id.as_str()),
            extra_ca_file: extra_ca.map(|_| paths::SENSOR_EXTRA_CA),
            proxy: way(),
        }),
        bundles,
    };
    // texts, lists and tables only: there is nothing TOML could not write
    let body = toml::to_string(&config).unwrap_or_default();
    let text = format!(
        "# Written by eyot-appliance from the appliance's settings; changes here are overwritten.\n\
         # certificate {}\n{body}",
        // another certificate in the same file is a reason to start again, also after a power cut in between
        identity.map_or(NO_CERTIFICATE.to_owned(), Identity::certificate_mark)
    );
    Some(Plan(vec![
        (paths::SENSOR_PROXY_PASSWORD, credentials.map(|c| format!("{}\n", c.1)), Access::Sensor),
        (paths::SENSOR_PROXY_CERTIFICATE, proxy_identity.map(|i| i.0.clone()), Access::Sensor),
        (paths::SENSOR_PROXY_KEY, proxy_identity.map(|i| i.1.clone()), Access::Sensor),
        (paths::SENSOR_EXTRA_CA, extra_ca.cloned(), Access::Everyone),
        (paths::SENSOR_AZURE_KEY, hub.map(|h| format!("{}\n", h.key)), Access::Sensor),
        (paths::SENSOR_EVENT_HUB, event_hub.map(|e| format!("{}\n", e.connection)), Access::Sensor),
        (paths::SENSOR_CONFIG, Some(text), Access::Sensor),
    ]))
}

fn hub_config(hub: &AzureHub) -> HubConfig<'_> {
    HubConfig {
        id_scope: &hub.id_scope,
        registration_id: &hub.registration_id,
        key_file: paths::SENSOR_AZURE_KEY,
        enrolment: if hub.group { "group" } else { "individual" },
        provisioning_host: &hub.provisioning_host,
        snapshot_hours: hub.snapshot_hours,
        twin: hub.twin,
    }
}

/// Writes what differs; says whether anything did.
pub fn write(host: &dyn Host, plan: &Plan) -> Result<bool, HostError> {
    let mut changed = false;
    for (path, content, access) in &plan.0 {
        changed |= match content {
            Some(content) => host.write(path, content.as_bytes(), *access)?,
            None => host.read(path)?.is_some() && host.remove(path).map(|()| true)?,
        };
    }
    Ok(changed)
}

/// Starts the sensor, or restarts it with changed files. Says whether it was told anything. Nobody waits for it to come
/// up: whether it did shows at the next look.
pub fn start(host: &dyn Host, changed: bool) -> Result<bool, HostError> {
    let verb = match changed {
        true => "restart",
        false if is_running(host) => return Ok(false),
        false => "start",
    };
    host.run("systemctl", &["--no-block", verb, UNIT]).map(|_| true)
}

/// Stops the sensor and takes its configuration away, without which its unit does not start. Says whether there was any.
pub fn stop(host: &dyn Host) -> Result<bool, HostError> {
    if host.read(paths::SENSOR_CONFIG)?.is_none() {
        return Ok(false);
    }
    host.run("systemctl", &["stop", UNIT])?;
    host.remove(paths::SENSOR_CONFIG)?;
    Ok(true)
}

/// Whether the configuration there is was written for an appliance that no portal knows.
pub fn is_without_portal(host: &dyn Host) -> Result<bool, HostError> {
    let text = host.read(paths::SENSOR_CONFIG)?;
    let mark = format!("# certificate {NO_CERTIFICATE}");
    Ok(text.is_some_and(|t| String::from_utf8_lossy(&t).lines().any(|line| line == mark)))
}

/// Whether the service manager says that the sensor runs.
pub fn is_running(host: &dyn Host) -> bool {
    host.run("systemctl", &["is-active", UNIT]).is_ok_and(|said| said.trim() == "active")
}
