//! Health: one enumerated list of conditions, with the words that every place shows for them.
//!
//! The console banner, `eyot-appliance status`, the local page and the portal print the same phrase and the same
//! remedy because they all take them from here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{MacAddr, Timestamp};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well, or the next step is somebody's to take.
    Healthy,
    /// Works, but not as it should.
    Warning,
    /// Does not do its job.
    Critical,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $level:ident, $title:literal, $remedy:literal;)+) => {
        /// Everything that can be said about an appliance's health.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ConditionCode { $($(#[$doc])* #[serde(rename = $name)] $code),+ }

        impl ConditionCode {
            /// Every condition, worst first within the list's own order.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The name machines use.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// How bad it is.
            pub fn level(self) -> Level {
                match self { $(Self::$code => Level::$level),+ }
            }

            /// The fixed phrase.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title),+ }
            }

            /// What to do.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$code => $remedy),+ }
            }
        }
    };
}

conditions! {
    /// The sensor process is not running.
    SensorStopped = "sensor_stopped", Critical, "Sensor is not running",
        "restart it with `systemctl restart eyot-sensor`; `journalctl -u eyot-sensor` says why it stopped";
    /// Nothing was heard from it.
    Disconnected = "disconnected", Critical, "Disconnected",
        "check the management network, the proxy and the portal's address with `eyot-appliance validate`";
    /// The local configuration cannot be used.
    SettingsInvalid = "settings_invalid", Critical, "Settings cannot be used",
        "correct the setting named in the detail and restart eyot-appliance";
    /// There is no NIC left to watch.
    NoMonitoringInterface = "no_monitoring_interface", Critical, "No monitoring interface",
        "add a second network adapter, connected to the SPAN port group or mirror port, and restart the appliance";
    /// No frame arrives.
    NoTraffic = "no_traffic", Critical, "No traffic detected",
        "check that the mirror port is cabled and that the virtual switch lets the adapter receive mirrored traffic (ESXi: Promiscuous mode = Accept and VLAN 4095; Hyper-V: port mirroring destination)";
    /// A self-check failed.
    SanityFailed = "sanity_failed", Critical, "Sanity failed",
        "restart the appliance; if it stays, send the output of `eyot-appliance status --format json` to support";
    /// The clock is off.
    ClockDrift = "clock_drift", Critical, "Clock is wrong",
        "set the clock or give an NTP server that the appliance can reach; activation waits until the time is right";
    /// The activation token was refused or cannot be read.
    ActivationRefused = "activation_refused", Critical, "Activation refused",
        "issue a new activation token at the portal and give it to the appliance";
    /// The firewall rules could not be loaded.
    FirewallFailed = "firewall_failed", Critical, "Firewall is not in force",
        "see `journalctl -u eyot-appliance`; the appliance keeps its monitoring interface down until the rules load";
    /// Some endpoint is out of reach, reason unknown.
    EndpointUnreachable = "endpoint_unreachable", Warning, "Sensor is partially connected: portal not reachable",
        "allow TCP to the portal's address and port from the management interface";
    /// A name does not resolve.
    EndpointDns = "endpoint_dns", Warning, "Sensor is partially connected: DNS",
        "the portal's name cannot be resolved; check the DNS servers of the management interface";
    /// The certificate is not the one expected.
    EndpointTls = "endpoint_tls", Warning, "Sensor is partially connected: certificate not trusted",
        "the certificate presented is not the portal's; if a proxy inspects TLS, exempt the portal from inspection or add its CA";
    /// The proxy wants credentials, or other ones.
    ProxyAuthentication = "proxy_authentication", Warning, "Sensor is partially connected: proxy authentication",
        "the proxy asks for a user name and password, or refuses those given; set proxy.username and proxy.password";
    /// The proxy does not answer.
    ProxyUnreachable = "proxy_unreachable", Warning, "Sensor is partially connected: proxy not reachable",
        "check proxy.url and that the management interface can reach it";
    /// Credentials were given to a proxy that asks for none.
    ProxyNeedlessCredentials = "proxy_needless_credentials", Warning, "Sensor is partially connected: needless proxy credentials",
        "the proxy asks for no credentials; remove proxy.username and proxy.password";
    /// Frames are lost before the sensor reads them.
    CaptureLoss = "capture_loss", Warning, "Frames are being lost",
        "give the appliance more processors or mirror less traffic; the detail names the interface and the share lost";
    /// The NIC is not as the agent set it.
    InterfaceDrift = "interface_drift", Warning, "Monitoring interface was changed",
        "something changed the interface's settings; the agent has put them back";
    /// Reports are waiting on disk.
    UploadDelayed = "upload_delayed", Warning, "Unstable traffic to the portal",
        "reports wait on the appliance until the portal answers; check the connection and its bandwidth";
    /// Software too old for the portal.
    Unsupported = "unsupported", Warning, "Unsupported software version",
        "install the version that the portal offers";
    /// No token yet.
    PendingActivation = "pending_activation", Healthy, "Pending activation",
        "register the sensor at the portal and give the appliance its activation token (seed ISO, /etc/eyot/seed.toml, or `eyot-appliance activate --token-file -`)";
    /// Working on it.
    Activating = "activating", Healthy, "Activating",
        "wait a minute; `eyot-appliance status` shows the outcome";
    /// All good.
    Connected = "connected", Healthy, "Connected", "nothing to do";
}

impl fmt::Display for ConditionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}

/// One condition that holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Which.
    pub code: ConditionCode,
    /// The particulars: interface, address, figures. Never a secret.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

impl Condition {
    /// A condition that begins at `since`.
    pub fn new(code: ConditionCode, detail: impl Into<String>, since: Timestamp) -> Self {
        Self { code, detail: detail.into(), since }
    }
}

/// What a network interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceRole {
    /// Reaches the portal; people reach the appliance through it.
    Management,
    /// Receives mirrored traffic, sends nothing.
    Capture,
    /// Left alone.
    Unused,
}

/// State of one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceHealth {
    /// Kernel name.
    pub name: String,
    /// Address.
    pub mac: MacAddr,
    /// Role.
    pub role: InterfaceRole,
    /// Carrier present.
    pub link: bool,
    /// Frames received since boot (kernel counter).
    pub rx_frames: u64,
    /// Frames sent since boot (kernel counter); 0 for a capture interface, always.
    pub tx_frames: u64,
}

/// `POST` to [`path::HEALTH`](crate::path::HEALTH), every minute and on every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// When it was put together.
    pub at: Timestamp,
    /// Version of the software.
    pub version: String,
    /// Host name.
    pub hostname: String,
    /// Conditions that hold, worst first. The sender always has one; a reader that is older than the sender may know
    /// none of them.
    #[serde(deserialize_with = "crate::lenient::list")]
    pub conditions: Vec<Condition>,
    /// Every interface of the machine.
    pub interfaces: Vec<InterfaceHealth>,
    /// Frames the sensor has read since it started.
    pub frames_captured: u64,
    /// Frames the kernel dropped before the sensor could read them.
    pub frames_dropped: u64,
    /// Devices in the sensor's inventory.
    pub devices: u64,
}

impl HealthReport {
    /// The worst condition: the one a single line shows.
    pub fn worst(&self) -> Option<&Condition> {
        self.conditions.iter().max_by_key(|c| c.code.level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_a_phrase_and_a_remedy_of_its_own() {
        let mut titles = std::collections::BTreeSet::new();
        for code in ConditionCode::ALL {
            assert!(!code.remedy().is_empty());
            assert!(titles.insert(code.title()), "\"{}\" twice", code.title());
        }
    }
}
