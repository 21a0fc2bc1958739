//! The sensor's configuration, in two shapes: as written (TOML, unknown keys refused) and as meant (nothing left open).
//!
//! ```toml
//! version = 1
//! interfaces = ["ens192"]                  # kernel names of the monitoring interfaces
//! # filter = "not port 443"                # capture filter, libpcap's language
//! # ring_mib = 64                          # size of each kernel ring
//! # rings = 2                              # rings of each interface, a thread each; left out: by the processors there are
//! # processors = [2, 3]                    # processors the rings' threads are tied to, in turn; left out: none
//! # database = "/var/lib/eyot-sensor/inventory.sqlite"
//! # status = "/run/eyot-sensor/status.json"
//! # local_networks = ["192.168.0.0/16"]    # left out: private addresses are local
//!
//! # [findings]                             # docs/findings.md
//! # threat_lists = ["/etc/eyot/threats"]   # files and folders: STIX 2.1 bundles and plain lists
//! # dhcp_servers = ["192.168.1.1"]         # and routers, dns_servers, time_servers: all others are unexpected
//! # muted = ["new_device"]                 # kinds that nobody wants to hear of
//! # learning_hours = 24                    # what is seen at first counts as usual
//!
//! [portal]                                 # left out: devices are kept here and reported to nobody
//! url = "https://portal.example:443"
//! ca_file = "/etc/eyot/identity/ca.pem"
//! certificate_file = "/etc/eyot/identity/certificate.pem"
//! key_file = "/etc/eyot/identity/key.pem"
//! # extra_ca_file = "/etc/eyot/extra-ca.pem"
//! # upload_interval_seconds = 60
//! # settings_interval_seconds = 60        # how often the portal is asked for its settings, which win over this file's
//!
//! [portal.proxy]
//! url = "http://proxy.example:3128"
//! # username = "sensor"
//! # password_file = "/etc/eyot/proxy-password"
//! # certificate_file, key_file: the client certificate that an https:// proxy asks for
//! # exceptions = ["portal.example"]
//!
//! # [azure]                                # docs/azure.md; besides the portal or without one
//! # id_scope = "0ne00ABC123"               # these three: IoT Hub, by way of the provisioning service
//! # registration_id = "sensor-7"
//! # key_file = "/etc/eyot/azure-key"       # base64
//! # enrolment = "individual"               # or "group": the key is the enrolment group's
//! # event_hub_file = "/etc/eyot/azure-event-hub"   # holds a connection string
//! # provisioning_host = "global.azure-devices-provisioning.net"
//! # snapshot_hours = 24                    # the whole inventory as a file, so often; left out or 0: never
//! # twin = true                            # follow and fill the device twin; left out: no
//! # twin_signature_seconds = 3600          # how long a signature for the twin holds
//! # sensor = "lab"                         # name in messages; left out: registration_id
//! # proxy = { url = "http://proxy.example:3128" }  # as for the portal; left out: the portal's
//! # extra_ca_file = "/etc/eyot/extra-ca.pem"       # left out: the portal's
//!
//! # [bundles]                              # files to carry to the portal, signed with the key it has certified
//! # folder = "/var/lib/eyot-sensor/bundles"
//! # key_file, certificate_file             # left out: the portal's
//! ```

use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eyot_capture::live;
use eyot_contract::settings::Proxy;
use eyot_contract::FindingKind;
use eyot_findings::Policy;
use eyot_inventory::{LocalNetworks, Network};
use eyot_uplink::azure::sas;
use serde::de::DeserializeOwned;
use serde::Deserialize;

/// Where the agent writes it.
pub const DEFAULT_CONFIG: &str = "/etc/eyot/sensor.toml";
/// Where the inventory lies.
pub const DEFAULT_DATABASE: &str = "/var/lib/eyot-sensor/inventory.sqlite";
/// Where the sensor says how it is.
pub const DEFAULT_STATUS: &str = "/run/eyot-sensor/status.json";
/// Ring per interface, in MiB.
const DEFAULT_RING_MIB: u32 = (live::DEFAULT_RING_BYTES >> 20) as u32;
/// Most rings of an interface unless it is said otherwise; each takes a processor when there is much traffic.
const MAX_DEFAULT_RINGS: usize = 4;
/// Highest number of a processor.
const MAX_PROCESSOR: usize = 1_023;
/// Rings that are believed, in MiB: libpcap takes less than 2 GiB.
const RING_MIB: Range<u32> = 1..2_048;
/// Shortest time between two reports of the same device, in seconds.
const DEFAULT_UPLOAD_INTERVAL: u64 = 60;
/// Upload intervals that are believed, in seconds.
const UPLOAD_INTERVAL: Range<u64> = 1..86_401;
/// Pause between two questions for the portal's settings, in seconds.
const DEFAULT_SETTINGS_INTERVAL: u64 = 60;
/// Such pauses that are believed, in seconds.
const SETTINGS_INTERVAL: Range<u64> = 1..3_601;
/// The owner's own file, beside the configuration, which the agent writes anew.
const FINDINGS_FILE: &str = "findings.toml";
/// Where threat lists are looked for when nobody says where.
pub const DEFAULT_THREAT_LISTS: &str = "/etc/eyot/threats";
/// Hours of learning that are believed: up to a month.
const LEARNING_HOURS: Range<i64> = 0..745;
/// Hours between two files with the whole inventory: up to a month.
pub const SNAPSHOT_HOURS: Range<u64> = 0..745;
/// Seconds that a signature for the twin may hold: the shortest lets a test see it renewed.
const TWIN_SIGNATURE: Range<u64> = 6..86_401;
/// An hour, in microseconds.
const HOUR: i64 = 3_600 * 1_000_000;
/// Version of the written form.
const VERSION: i64 = 1;
/// Longest kernel name of an interface (IFNAMSIZ less its NUL).
const MAX_INTERFACE_NAME: usize = 15;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{key} {}: cannot be read", path.display())]
    Read {
        /// Which file.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{}:{line}: {reason}", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value that is of the right kind and still impossible.
    #[error("{}: {key}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong and what is expected.
        reason: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: i64,
    interfaces: Vec<String>,
    filter: Option<String>,
    ring_mib: Option<u32>,
    rings: Option<usize>,
    #[serde(default)]
    processors: Vec<usize>,
    database: Option<PathBuf>,
    status: Option<PathBuf>,
    #[serde(default)]
    local_networks: Vec<String>,
    #[serde(default)]
    findings: WrittenFindings,
    portal: Option<WrittenPortal>,
    azure: Option<WrittenAzure>,
    bundles: Option<WrittenBundles>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAzure {
    id_scope: Option<String>,
    registration_id: Option<String>,
    key_file: Option<PathBuf>,
    enrolment: Option<Enrolment>,
    event_hub_file: Option<PathBuf>,
    provisioning_host: Option<String>,
    snapshot_hours: Option<u64>,
    #[serde(default)]
    twin: bool,
    twin_signature_seconds: Option<u64>,
    sensor: Option<String>,
    extra_ca_file: Option<PathBuf>,
    proxy: Option<WrittenProxy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBundles {
    folder: PathBuf,
    key_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrolment {
    /// The registration's own.
    Individual,
    /// The enrolment group's; the registration's is derived.
    Group,
}

/// The owner's file: the same keys as in the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBeside {
    version: i64,
    #[serde(default)]
    local_networks: Vec<String>,
    #[serde(default)]
    findings: WrittenFindings,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFindings {
    threat_lists: Option<Vec<PathBuf>>,
    #[serde(default)]
    dhcp_servers: Vec<String>,
    #[serde(default)]
    routers: Vec<String>,
    #[serde(default)]
    dns_servers: Vec<String>,
    #[serde(default)]
    time_servers: Vec<String>,
    #[serde(default)]
    muted: Vec<String>,
    learning_hours: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPortal {
    url: String,
    ca_file: PathBuf,
    certificate_file: PathBuf,
    key_file: PathBuf,
    extra_ca_file: Option<PathBuf>,
    upload_interval_seconds: Option<u64>,
    settings_interval_seconds: Option<u64>,
    proxy: Option<WrittenProxy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProxy {
    url: String,
    username: Option<String>,
    password_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    exceptions: Vec<String>,
}

/// The configuration as meant. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Kernel names.
    pub interfaces: Vec<String>,
    /// Capture filter.
    pub filter: Option<String>,
    /// Each ring, in bytes.
    pub ring_bytes: usize,
    /// Rings of each interface.
    pub rings: usize,
    /// Processors the rings' threads are tied to, in turn.
    pub processors: Vec<usize>,
    /// The inventory's file.
    pub database: PathBuf,
    /// The status file.
    pub status: PathBuf,
    /// What is expected on the network, and what to compare with.
    pub watched: Watched,
    /// Whom to report to.
    pub portal: Option<Portal>,
    /// The owner's Azure.
    pub azure: Option<Azure>,
    /// Files to carry by hand.
    pub bundles: Option<Bundles>,
}

/// Files to carry by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundles {
    /// Where they are written.
    pub folder: PathBuf,
    /// The key that signs them, PEM.
    pub key_file: PathBuf,
    /// Its certificate by the portal, PEM.
    pub certificate_file: PathBuf,
}

/// The owner's Azure. Files are read when reporting starts and after every failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    /// IoT Hub by way of the provisioning service.
    pub hub: Option<AzureHub>,
    /// A file that holds an event hub's connection string.
    pub event_hub_file: Option<PathBuf>,
    /// What messages call this sensor.
    pub sensor: String,
    /// CAs to trust besides the system's, PEM.
    pub extra_ca_file: Option<PathBuf>,
    /// The way there.
    pub proxy: Option<Proxy>,
}

/// A registration at the provisioning service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureHub {
    /// ID scope.
    pub id_scope: String,
    /// Registration id.
    pub registration_id: String,
    /// A file that holds the key, base64.
    pub key_file: PathBuf,
    /// Whose key it is.
    pub enrolment: Enrolment,
    /// The service's host name.
    pub provisioning_host: String,
    /// How often the whole inventory goes there as a file, in hours; 0: never.
    pub snapshot_hours: u64,
    /// Whether the device twin is followed, and how long a signature for it holds.
    pub twin: Option<Duration>,
}

/// What is expected on the network, and what to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Lists that replace what would be learnt.
    pub policy: Policy,
    /// Files and folders of threat lists.
    pub threat_lists: Vec<PathBuf>,
}

/// Whom to report to, and how. The files are read at every connection attempt, since the agent may renew them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// `https://host:port`.
    pub url: String,
    /// The portal's CA, PEM.
    pub ca_file: PathBuf,
    /// Our certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// CAs to trust besides, PEM.
    pub extra_ca_file: Option<PathBuf>,
    /// Shortest time between two reports of the same device.
    pub upload_interval: Duration,
    /// Pause between two questions for settings.
    pub settings_interval: Duration,
    /// How much may be sent there, in kbit/s. Only the portal sets it.
    pub bandwidth_kbps: Option<u32>,
    /// The way there.
    pub proxy: Option<Proxy>,
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// With file, line or key, and what is expected.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut written: Written = parse(path, &read("configuration", path)?)?;
        let beside = path.with_file_name(FINDINGS_FILE);
        let mut watched_in = path;
        if beside.exists() {
            if !written.local_networks.is_empty() || written.findings != WrittenFindings::default() {
                return Err(ConfigError::Value {
                    path: path.to_owned(),
                    key: "findings",
                    reason: format!("{} says it too; keep them in one of the two files", beside.display()),
                });
            }
            let more: WrittenBeside = parse(&beside, &read("findings", &beside)?)?;
            check_version(&beside, more.version)?;
            (written.local_networks, written.findings) = (more.local_networks, more.findings);
            watched_in = &beside;
        }
        meant(path, watched_in, written)
    }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Written {
        path: path.to_owned(),
        line: line_of(text, error.span()),
        reason: error.message().to_owned(),
    })
}

fn check_version(path: &Path, version: i64) -> Result<(), ConfigError> {
    if version == VERSION {
        return Ok(());
    }
    let reason = format!("{VERSION} is expected, not {version}");
    Err(ConfigError::Value { path: path.to_owned(), key: "version", reason })
}

/// `watched_in`: the file that says what is expected on the network.
fn meant(path: &Path, watched_in: &Path, written: Written) -> Result<Config, ConfigError> {
    let wrong = |key, reason: String| ConfigError::Value { path: path.to_owned(), key, reason };
    check_version(path, written.version)?;
    if written.interfaces.is_empty() {
        return Err(wrong(
            "interfaces",
            "at least one kernel name is expected, for example \"ens192\"".into(),
        ));
    }
    for (at, name) in written.interfaces.iter().enumerate() {
        let plain = (1..=MAX_INTERFACE_NAME).contains(&name.len())
            && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
        if !plain || name == "." || name == ".." {
            return Err(wrong(
                "interfaces",
                format!("\"{name}\" is no kernel name of an interface; `eyot-sensor interfaces` lists them"),
            ));
        }
        if written.interfaces[..at].contains(name) {
            return Err(wrong("interfaces", format!("\"{name}\" is listed twice")));
        }
    }
    let filter = written.filter.filter(|f| !f.trim().is_empty());
    if let Some(filter) = &filter {
        live::check_filter(filter)
            .map_err(|reason| wrong("filter", format!("not a capture filter ({reason})")))?;
    }
    let ring_mib = written.ring_mib.unwrap_or(DEFAULT_RING_MIB);
    if !RING_MIB.contains(&ring_mib) {
        return Err(wrong(
            "ring_mib",
            format!("{} to {} MiB are possible", RING_MIB.start, RING_MIB.end - 1),
        ));
    }
    let rings = written.rings.unwrap_or_else(|| default_rings(written.interfaces.len()));
    if !(1..=live::MAX_RINGS).contains(&rings) {
        return Err(wrong("rings", format!("1 to {} are possible", live::MAX_RINGS)));
    }
    if let Some(processor) = written.processors.iter().find(|p| **p > MAX_PROCESSOR) {
        return Err(wrong("processors", format!("there is no processor {processor}; the first is 0")));
    }
    let portal = written.portal.map(|p| portal(path, p)).transpose()?;
    let azure = written.azure.map(|a| azure(path, a, portal.as_ref())).transpose()?;
    let bundles = written.bundles.map(|b| {
        let key_file = b.key_file.or_else(|| portal.as_ref().map(|p| p.key_file.clone()));
        let certificate_file = b.certificate_file.or_else(|| portal.as_ref().map(|p| p.certificate_file.clone()));
        match (key_file, certificate_file) {
            (Some(key_file), Some(certificate_file)) => Ok(Bundles { folder: b.folder, key_file, certificate_file }),
            _ => Err(wrong(
                "bundles",
                "they are signed with the key that the portal has certified: key_file and certificate_file, or those of [portal]; activate the appliance once".into(),
            )),
        }
    });
    let bundles = bundles.transpose()?;
    Ok(Config {
        interfaces: written.interfaces,
        filter,
        ring_bytes: (ring_mib as usize) << 20,
        rings,
        processors: written.processors,
        database: written.database.unwrap_or_else(|| DEFAULT_DATABASE.into()),
        status: written.status.unwrap_or_else(|| DEFAULT_STATUS.into()),
        watched: watched(watched_in, &written.local_networks, written.findings)?,
        portal,
        azure,
        bundles,
    })
}

fn azure(path: &Path, written: WrittenAzure, portal: Option<&Portal>) -> Result<Azure, ConfigError> {
    let wrong = |key, reason: &str| ConfigError::Value { path: path.to_owned(), key, reason: reason.into() };
    let hub = match (written.id_scope, written.registration_id.clone(), written.key_file) {
        (None, None, None) => None,
        (Some(id_scope), Some(registration_id), Some(key_file)) => Some(AzureHub {
            id_scope,
            registration_id,
            key_file,
            enrolment: written.enrolment.unwrap_or(Enrolment::Individual),
            provisioning_host: written
                .provisioning_host
                .unwrap_or_else(|| eyot_uplink::azure::dps::GLOBAL_HOST.to_owned()),
            snapshot_hours: match written.snapshot_hours.unwrap_or(0) {
                hours if SNAPSHOT_HOURS.contains(&hours) => hours,
                _ => return Err(wrong("azure.snapshot_hours", "0 to 744 hours are possible")),
            },
            twin: match written.twin_signature_seconds.unwrap_or(sas::LIFETIME.as_secs()) {
                _ if !written.twin => None,
                seconds if TWIN_SIGNATURE.contains(&seconds) => Some(Duration::from_secs(seconds)),
                _ => return Err(wrong("azure.twin_signature_seconds", "6 to 86400 seconds are possible")),
            },
        }),
        _ => {
            let reason = "id_scope, registration_id and key_file go together: give all or none";
            return Err(wrong("azure", reason));
        }
    };
    if hub.is_none() && (written.twin || written.snapshot_hours.is_some()) {
        return Err(wrong(
            "azure",
            "twin and snapshot_hours are the IoT Hub's; give id_scope, registration_id and key_file",
        ));
    }
    if hub.is_none() && written.event_hub_file.is_none() {
        return Err(wrong("azure", "neither a registration (id_scope…) nor event_hub_file is given"));
    }
    let sensor = written.sensor.or(written.registration_id).ok_or_else(|| {
        wrong("azure.sensor", "a name for this sensor is expected where no registration_id is")
    })?;
    Ok(Azure {
        hub,
        event_hub_file: written.event_hub_file,
        sensor,
        extra_ca_file: written.extra_ca_file.or_else(|| portal.and_then(|p| p.extra_ca_file.clone())),
        proxy: match written.proxy {
            Some(given) => Some(proxy(path, given)?),
            None => portal.and_then(|p| p.proxy.clone()),
        },
    })
}

/// All processors but two, one for the kernel and one for the discovery, shared by the interfaces.
fn default_rings(interfaces: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors.saturating_sub(2) / interfaces.max(1)).clamp(1, MAX_DEFAULT_RINGS)
}

fn watched(path: &Path, local: &[String], written: WrittenFindings) -> Result<Watched, ConfigError> {
    let wrong = |key, reason: String| ConfigError::Value { path: path.to_owned(), key, reason };
    let addresses = |key, list: &[String]| {
        let address = |text: &String| {
            text.parse::<IpAddr>().map_err(|_| wrong(key, format!("\"{text}\" is not an IP address")))
        };
        list.iter().map(address).collect::<Result<Vec<_>, _>>()
    };
    let local = local
        .iter()
        .map(|text| text.parse::<Network>().map_err(|reason| wrong("local_networks", reason)))
        .collect::<Result<Vec<_>, _>>()?;
    let muted = written
        .muted
        .iter()
        .map(|text| {
            text.parse::<FindingKind>().map_err(|reason| {
                wrong("findings.muted", format!("{reason}; `eyot-sensor findings --kinds` lists them"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let hours = written.learning_hours.unwrap_or(Policy::LEARNING / HOUR);
    if !LEARNING_HOURS.contains(&hours) {
        return Err(wrong(
            "findings.learning_hours",
            format!("{} to {} hours are possible", LEARNING_HOURS.start, LEARNING_HOURS.end - 1),
        ));
    }
    Ok(Watched {
        policy: Policy {
            local: LocalNetworks::new(local),
            dhcp_servers: addresses("findings.dhcp_servers", &written.dhcp_servers)?,
            routers: addresses("findings.routers", &written.routers)?,
            dns_servers: addresses("findings.dns_servers", &written.dns_servers)?,
            time_servers: addresses("findings.time_servers", &written.time_servers)?,
            muted,
            learning: hours * HOUR,
        },
        threat_lists: written.threat_lists.unwrap_or_else(default_threat_lists),
    })
}

/// The usual folder. [`Lists`](crate::watch::Lists) does without it; what somebody named has to be there.
fn default_threat_lists() -> Vec<PathBuf> {
    vec![PathBuf::from(DEFAULT_THREAT_LISTS)]
}

fn portal(path: &Path, written: WrittenPortal) -> Result<Portal, ConfigError> {
    let wrong = |key, reason: String| ConfigError::Value { path: path.to_owned(), key, reason };
    if !written.url.starts_with("https://") {
        return Err(wrong("portal.url", format!("\"{}\" does not begin with https://", written.url)));
    }
    let seconds = written.upload_interval_seconds.unwrap_or(DEFAULT_UPLOAD_INTERVAL);
    if !UPLOAD_INTERVAL.contains(&seconds) {
        let (least, most) = (UPLOAD_INTERVAL.start, UPLOAD_INTERVAL.end - 1);
        return Err(wrong(
            "portal.upload_interval_seconds",
            format!("{least} to {most} seconds are possible"),
        ));
    }
    let settings_seconds = written.settings_interval_seconds.unwrap_or(DEFAULT_SETTINGS_INTERVAL);
    if !SETTINGS_INTERVAL.contains(&settings_seconds) {
        let most = SETTINGS_INTERVAL.end - 1;
        return Err(wrong("portal.settings_interval_seconds", format!("1 to {most} seconds are possible")));
    }
    let proxy = written.proxy.map(|p| proxy(path, p)).transpose()?;
    Ok(Portal {
        url: written.url,
        ca_file: written.ca_file,
        certificate_file: written.certificate_file,
        key_file: written.key_file,
        extra_ca_file: written.extra_ca_file,
        upload_interval: Duration::from_secs(seconds),
        settings_interval: Duration::from_secs(settings_seconds),
        bandwidth_kbps: None,
        proxy,
    })
}

fn proxy(path: &Path, proxy: WrittenProxy) -> Result<Proxy, ConfigError> {
    let wrong = |key, reason: String| ConfigError::Value { path: path.to_owned(), key, reason };
    let credentials = match (proxy.username, proxy.password_file) {
        (None, None) => None,
        (Some(user), Some(file)) => {
            let password = read("portal.proxy.password_file", &file)?;
            Some((user, password.trim_end_matches(['\n', '\r']).to_owned()))
        }
        _ => {
            return Err(wrong(
                "portal.proxy",
                "username and password_file go together: give both or none".into(),
            ))
        }
    };
    let identity = match (proxy.certificate_file, proxy.key_file) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some((read("portal.proxy.certificate_file", &certificate)?, read("portal.proxy.key_file", &key)?))
        }
        _ => {
            return Err(wrong(
                "portal.proxy",
                "certificate_file and key_file go together: give both or none".into(),
            ))
        }
    };
    Ok(Proxy { url: proxy.url, credentials, identity, exceptions: proxy.exceptions })
}

/// Reads a file that the configuration names by `key`.
pub fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { key, path: path.to_owned(), source })
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let end = span.map_or(0, |s| s.start).min(text.len());
    text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
