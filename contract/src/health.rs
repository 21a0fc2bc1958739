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
    ($($(#[$doc:meta])* $code:ident = $name:literal, $level:ident, $title:literal, $cause:literal, $remedy:literal;)+) => {
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

            /// What brings it about.
            pub fn cause(self) -> &'static str {
                match self { $(Self::$code => $cause),+ }
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
        "the appliance is activated and eyot-sensor.service is not active",
        "restart it with `systemctl restart eyot-sensor`; `journalctl -u eyot-sensor` says why it stopped";
    /// Nothing was heard from it.
    Disconnected = "disconnected", Critical, "Disconnected",
        "the portal has heard nothing from the appliance for five minutes",
        "check the management network, the proxy and the portal's address with `eyot-appliance validate`";
    /// The local configuration cannot be used.
    SettingsInvalid = "settings_invalid", Critical, "Settings cannot be used",
        "a settings file cannot be read, a value is not what its key allows, or two settings contradict each other",
        "correct the setting named in the detail and restart eyot-appliance";
    /// There is no NIC left to watch.
    NoMonitoringInterface = "no_monitoring_interface", Critical, "No monitoring interface",
        "the machine has no adapter besides the management one, or none that capture.interfaces names",
        "add a second network adapter, connected to the SPAN port group or mirror port, and restart the appliance";
    /// No frame arrives.
    NoTraffic = "no_traffic", Critical, "No traffic detected",
        "no monitored interface has received a frame for two minutes, or none has a link",
        "check that the mirror port is cabled and that the virtual switch lets the adapter receive mirrored traffic (ESXi: Promiscuous mode = Accept and VLAN 4095; Hyper-V: port mirroring destination)";
    /// A self-check failed.
    SanityFailed = "sanity_failed", Critical, "Sanity failed",
        "a step on the machine itself failed (disk, kernel, service manager), or the agent has stopped reporting",
        "restart the appliance; if it stays, send the file that `eyot-appliance support-bundle` writes to support";
    /// The disk that holds what the sensor has learnt is nearly full.
    DiskFull = "disk_full", Critical, "Disk is nearly full",
        "less than a twentieth of the disk, or less than 1 GiB, is free",
        "remove what does not belong on the appliance, or give it a larger disk and restart it";
    /// What is learnt goes to the system disk, because the data volume cannot be used or two disks could be meant.
    DataVolume = "data_volume", Warning, "Data volume is not in use",
        "the disk with the data volume is missing or cannot be used, or more than one disk could be meant",
        "do with the disks what the detail says, then restart the appliance; meanwhile data is kept on the system disk";
    /// The management adapter has no link.
    ManagementDown = "management_down", Critical, "Management network is not connected",
        "the management interface has no link",
        "connect the adapter: cable, port group or virtual switch";
    /// The management adapter has no address.
    NoManagementAddress = "no_management_address", Critical, "No management address",
        "the management interface has a link and no address: DHCP gave none, or the static one is missing",
        "check the DHCP server of the management network, or set management.mode = \"static\" and management.address";
    /// Somebody else uses the management address.
    DuplicateAddress = "duplicate_address", Critical, "Management address is used twice",
        "another machine on the management network answers for the appliance's address",
        "give the appliance an address of its own (management.address), or remove it from the other machine; the detail names that machine's hardware address";
    /// The default gateway is silent or missing.
    GatewayUnreachable = "gateway_unreachable", Critical, "Gateway does not answer",
        "the default gateway does not answer on the management network, or there is none",
        "correct management.gateway (or the DHCP server's router option), and check that the interface is in the right network";
    /// The clock is off.
    ClockDrift = "clock_drift", Critical, "Clock is wrong",
        "this machine's clock and the portal's are more than five minutes apart",
        "set the clock or give an NTP server that the appliance can reach; activation waits until the time is right";
    /// The activation token was refused or cannot be read.
    ActivationRefused = "activation_refused", Critical, "Activation refused",
        "the activation token is damaged, unknown, expired, used or replaced, or the portal no longer takes the appliance's certificate",
        "issue a new activation token at the portal and give it to the appliance";
    /// The portal does not have this sensor any more.
    SensorDeleted = "sensor_deleted", Critical, "Deleted at the portal",
        "somebody deleted this sensor at the portal; it goes on recording and reports nothing",
        "register the sensor again at the portal and give the appliance the new activation token; or remove the appliance";
    /// The firewall rules could not be loaded.
    FirewallFailed = "firewall_failed", Critical, "Firewall is not in force",
        "nft refused the rules, or something else replaced them",
        "see `journalctl -u eyot-appliance`; the appliance keeps its monitoring interface down until the rules load";
    /// Some endpoint is out of reach, reason unknown.
    EndpointUnreachable = "endpoint_unreachable", Warning, "Sensor is partially connected: portal not reachable",
        "no TCP connection to the portal, or no answer on it: a firewall drops or rejects it, or the portal is down",
        "allow TCP to the portal's address and port from the management interface, and check that the portal runs";
    /// What answers is not in order.
    EndpointError = "endpoint_error", Warning, "Sensor is partially connected: portal does not work properly",
        "the portal's address answers with an error, or with something a portal does not say",
        "check the portal itself (`journalctl -u eyot-portal` there), and that the address is the portal's";
    /// A name does not resolve.
    EndpointDns = "endpoint_dns", Warning, "Sensor is partially connected: DNS",
        "the DNS server does not answer, does not know the portal's name, or gives an address that cannot be a portal's",
        "the portal's name cannot be resolved; check the DNS servers of the management interface";
    /// The certificate is not the one expected.
    EndpointTls = "endpoint_tls", Warning, "Sensor is partially connected: certificate not trusted",
        "the certificate presented is another portal's or machine's, has run out, or is for another name",
        "check the portal's address and certificate; after a new installation of the portal, issue a new activation token";
    /// Somebody opens TLS on the way.
    TlsInspected = "tls_inspected", Warning, "Sensor is partially connected: TLS is inspected",
        "a proxy or firewall on the way ends TLS itself and presents a certificate of its own for the portal's name; the portal then cannot see the appliance's certificate",
        "exempt the portal's name from TLS inspection in the device whose CA the detail names";
    /// A login page stands in the way.
    CaptivePortal = "captive_portal", Warning, "Sensor is partially connected: captive portal",
        "something on the way answers in the portal's place with a page or a redirection, as guest networks do",
        "let the appliance's hardware address through the guest network's login, or connect the management interface to another network";
    /// Packets beyond some size do not arrive.
    PathMtu = "path_mtu", Warning, "Sensor is partially connected: large packets are lost",
        "small packets reach the portal and full-size ones do not: a tunnel on the way is narrower and nobody says so (ICMP is filtered)",
        "let ICMP \"fragmentation needed\" (IPv6: \"packet too big\") through, or clamp the TCP segment size at the router in front of the tunnel";
    /// The proxy wants credentials, or other ones.
    ProxyAuthentication = "proxy_authentication", Warning, "Sensor is partially connected: proxy authentication",
        "the proxy asks for a user name and password and none, or wrong ones, are set; or for a client certificate",
        "the proxy asks for a user name and password, or refuses those given; set proxy.username and proxy.password";
    /// The proxy wants a kind of authentication that is not spoken here.
    ProxyScheme = "proxy_scheme", Warning, "Sensor is partially connected: proxy authentication not supported",
        "the proxy offers NTLM, Kerberos (Negotiate) or Digest authentication only",
        "let the proxy accept Basic authentication, or none, from the appliance's address";
    /// The proxy does not let us through.
    ProxyRefused = "proxy_refused", Warning, "Sensor is partially connected: proxy refuses the portal",
        "the proxy's rules do not let the appliance through to the portal",
        "allow CONNECT to the portal's name and port from the appliance's address in the proxy";
    /// The proxy's own certificate is not trusted.
    ProxyTls = "proxy_tls", Warning, "Sensor is partially connected: proxy certificate not trusted",
        "the https:// proxy's certificate is not signed by a CA in portal.ca, or is for another name, or the proxy does not speak TLS",
        "give the proxy's CA as portal.ca, and the proxy's address by the name in its certificate";
    /// The proxy does not answer.
    ProxyUnreachable = "proxy_unreachable", Warning, "Sensor is partially connected: proxy not reachable",
        "no connection to the proxy, or its name does not resolve",
        "check proxy.url and that the management interface can reach it";
    /// Credentials were given to a proxy that asks for none.
    ProxyNeedlessCredentials = "proxy_needless_credentials", Warning, "Sensor is partially connected: needless proxy credentials",
        "the proxy lets the appliance through without the user name and password that are set",
        "the proxy asks for no credentials; remove proxy.username and proxy.password";
    /// A destination besides the portal is out of reach.
    DestinationUnreachable = "destination_unreachable", Warning, "Sensor is partially connected: destination not reachable",
        "no TCP connection to a destination besides the portal (Azure), or no answer on it",
        "allow TCP 443 to the name in the detail from the management interface, or from the proxy";
    /// A destination besides the portal answers and does not take what is sent.
    DestinationRefused = "destination_refused", Warning, "Sensor is partially connected: destination refuses the sensor",
        "a destination besides the portal (Azure) does not accept the key, knows no such device or event hub, or its quota is used up",
        "correct what the detail names (azure.key, azure.registration_id, azure.event_hub_key), or the clock";
    /// A time server that is set says nothing.
    TimeServerSilent = "time_server_silent", Warning, "Time server does not answer",
        "none of time.servers answers to NTP (UDP 123)",
        "allow UDP 123 to the time server, or set time.servers to one that answers";
    /// A time server that is set is wrong.
    TimeServerWrong = "time_server_wrong", Warning, "Time server is wrong",
        "a server of time.servers and the portal are more than five minutes apart, or it says itself that it is not synchronised",
        "correct that server, or set time.servers to another";
    /// Frames are lost before the sensor reads them.
    CaptureLoss = "capture_loss", Warning, "Frames are being lost",
        "the sensor reads more slowly than frames arrive",
        "give the appliance more processors or mirror less traffic; the detail names the interface and the share lost";
    /// The NIC is not as the agent set it.
    InterfaceDrift = "interface_drift", Warning, "Monitoring interface was changed",
        "another program changed flags, offloads or rings of a monitored interface",
        "something changed the interface's settings; the agent has put them back";
    /// The mirror port is not a mirror: frames for everybody and nothing else.
    MirrorFlooded = "mirror_flooded", Warning, "Only broadcast traffic is mirrored",
        "the monitored interface receives broadcasts, multicasts and ARP and hardly any frame between two other machines",
        "let the adapter receive what is meant for others (ESXi: Promiscuous mode = Accept and VLAN 4095 on the port group; Hyper-V: port mirroring destination and MonitorMode 2 on the source; a switch: the port as SPAN destination); the detail says what fits here";
    /// Half of every conversation is missing.
    MirrorOneWay = "mirror_one_way", Warning, "Only one direction is mirrored",
        "of the TCP conversations on the monitored interface, frames of one side only are seen",
        "mirror both directions (receive and transmit) of the source ports; with a network tap, connect both of its outputs";
    /// The mirror takes the tags off.
    MirrorTags = "mirror_tags", Warning, "VLAN tags are missing in the mirror",
        "the monitored interface receives frames of several networks and none carries a VLAN tag",
        "let tags through (ESXi: VLAN 4095 on the port group; Hyper-V: trunk mode on the adapter with Set-VMNetworkAdapterVlan; a switch: encapsulation replicate or dot1q on the SPAN destination)";
    /// Which adapter does what is not as the settings want it, or somebody uses an adapter that listens.
    AdapterRoles = "adapter_roles", Warning, "Adapter roles need a look",
        "a network adapter is chosen for monitoring and carries an address, or the adapters seem to be swapped",
        "name the adapters with management.interface and capture.interfaces (mac: is the surest way); `eyot-appliance interfaces` shows which is which and why";
    /// The allow-list leans on a list that is missing, damaged or old.
    ServiceTags = "service_tags", Warning, "Service tags are not current",
        "firewall.destinations names Azure service tags, and their list is missing, unreadable or weeks old",
        "download the weekly ServiceTags file and give it to the appliance: `eyot-appliance firewall tags FILE`";
    /// Reports are waiting on disk.
    UploadDelayed = "upload_delayed", Warning, "Unstable traffic to the portal",
        "records have waited for the portal for more than five minutes",
        "reports wait on the appliance until the portal answers; check the connection and its bandwidth";
    /// Software too old for the portal.
    Unsupported = "unsupported", Warning, "Unsupported software version",
        "the portal does not understand this version's requests, or the appliance the portal's answers",
        "install the version that the portal offers";
    /// No token yet.
    PendingActivation = "pending_activation", Healthy, "Pending activation",
        "no activation token was given yet",
        "register the sensor at the portal and give the appliance its activation token (seed ISO, /etc/eyot/seed.toml, or `eyot-appliance activate --token-file -`)";
    /// Working on it.
    Activating = "activating", Healthy, "Activating",
        "the token was taken and the portal has not acknowledged the first report yet",
        "wait a minute; `eyot-appliance status` shows the outcome";
    /// All good.
    Connected = "connected", Healthy, "Connected",
        "the portal acknowledged the latest report",
        "nothing to do";
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
            assert!(!code.remedy().is_empty() && !code.cause().is_empty());
            assert!(titles.insert(code.title()), "\"{}\" twice", code.title());
        }
    }
}
