//! The sensor's configuration and its service. The sensor's unit starts only once the file exists.

use eyot_contract::settings::Settings;
use serde::Serialize;

use super::Roles;
use crate::activate::{Identity, CA, CERTIFICATE, KEY};
use crate::host::{Access, Host, HostError};
use crate::paths;

const UNIT: &str = "eyot-sensor.service";
/// Version of the written form that `eyot-sensor` reads.
const CONFIG_VERSION: i64 = 1;

/// `sensor.toml` as `eyot-sensor` reads it. Secrets stand in files of their own.
#[derive(Serialize)]
struct SensorConfig<'a> {
    version: i64,
    interfaces: &'a [String],
    portal: Portal<'a>,
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

/// What the settings mean for the sensor; `None` while there is nothing to listen on.
pub fn plan(settings: &Settings, roles: &Roles, identity: &Identity) -> Option<Plan> {
    let interfaces = roles.read();
    if interfaces.is_empty() {
        return None;
    }
    let file = |name: &str| format!("{}/{name}", paths::IDENTITY_DIR);
    let proxy = settings.proxy.as_ref();
    let credentials = proxy.and_then(|p| p.credentials.as_ref());
    let proxy_identity = proxy.and_then(|p| p.identity.as_ref());
    let extra_ca = settings.extra_ca_pem.as_ref();
    let config = SensorConfig {
        version: CONFIG_VERSION,
        interfaces: &interfaces,
        portal: Portal {
            url: &identity.enrolment.portal,
            ca_file: file(CA),
            certificate_file: file(CERTIFICATE),
            key_file: file(KEY),
            extra_ca_file: extra_ca.map(|_| paths::SENSOR_EXTRA_CA),
            proxy: proxy.map(|p| ProxyConfig {
                url: &p.url,
                username: credentials.map(|c| c.0.as_str()),
                password_file: credentials.map(|_| paths::SENSOR_PROXY_PASSWORD),
                certificate_file: proxy_identity.map(|_| paths::SENSOR_PROXY_CERTIFICATE),
                key_file: proxy_identity.map(|_| paths::SENSOR_PROXY_KEY),
                exceptions: &p.exceptions,
            }),
        },
    };
    // texts, lists and tables only: there is nothing TOML could not write
    let body = toml::to_string(&config).unwrap_or_default();
    let text = format!(
        "# Written by eyot-appliance from the appliance's settings; changes here are overwritten.\n\
         # certificate {}\n{body}",
        // another certificate in the same file is a reason to start again, also after a power cut in between
        identity.certificate_mark()
    );
    Some(Plan(vec![
        (paths::SENSOR_PROXY_PASSWORD, credentials.map(|c| format!("{}\n", c.1)), Access::Sensor),
        (paths::SENSOR_PROXY_CERTIFICATE, proxy_identity.map(|i| i.0.clone()), Access::Sensor),
        (paths::SENSOR_PROXY_KEY, proxy_identity.map(|i| i.1.clone()), Access::Sensor),
        (paths::SENSOR_EXTRA_CA, extra_ca.cloned(), Access::Everyone),
        (paths::SENSOR_CONFIG, Some(text), Access::Sensor),
    ]))
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
    let verb = match (changed, is_running(host)) {
        (true, _) => "restart",
        (false, false) => "start",
        (false, true) => return Ok(false),
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

/// Whether the service manager says that the sensor runs.
pub fn is_running(host: &dyn Host) -> bool {
    host.run("systemctl", &["is-active", UNIT]).is_ok_and(|said| said.trim() == "active")
}
