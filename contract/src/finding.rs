//! Findings: what a sensor holds to be wrong on the network, and the one list of kinds that sensor, portal and
//! documentation share.
//!
//! A kind's title, severity, category, MITRE ATT&CK technique and remedy stand in [`FINDING_KINDS`] and nowhere else. A
//! finding itself says which device, when and how often, and keeps the latest pieces of evidence. Evidence never holds
//! a secret: that a password passed in clear is told, the password is not.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{MacAddr, Timestamp};

/// Most pieces of evidence kept of one finding; the oldest gives way.
pub const MAX_FINDING_EVIDENCE: usize = 8;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be put right when there is time.
    Low,
    /// To be put right.
    Medium,
    /// To be looked at now.
    High,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Low, Self::Medium, Self::High];

    /// Name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What is expected of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCategory {
    /// Something happened; find out who did it.
    Alert,
    /// Something is set up badly; change it.
    Recommendation,
}

impl FindingCategory {
    /// Name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Recommendation => "recommendation",
        }
    }
}

/// What a kind of finding means, in the words that every surface shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingDefinition {
    /// The kind.
    pub kind: FindingKind,
    /// Its stable name.
    pub name: &'static str,
    /// Alert or recommendation.
    pub category: FindingCategory,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK (Enterprise) technique, `T1557.002`.
    pub technique: &'static str,
    /// That technique's name.
    pub technique_name: &'static str,
    /// A heading.
    pub title: &'static str,
    /// When it is raised.
    pub condition: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $category:ident, $severity:ident, $technique:literal, $technique_name:literal,
        $title:literal, $condition:literal, $remedy:literal;)+) => {
        /// Kinds of findings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingKind { $(#[doc = $title] #[serde(rename = $name)] $variant),+ }

        /// Every kind, in the order in which they are documented.
        pub static FINDING_KINDS: &[FindingDefinition] = &[$(FindingDefinition {
            kind: FindingKind::$variant,
            name: $name,
            category: FindingCategory::$category,
            severity: Severity::$severity,
            technique: $technique,
            technique_name: $technique_name,
            title: $title,
            condition: $condition,
            remedy: $remedy,
        }),+];
    };
}

kinds! {
    MaliciousAddress = "malicious_address", Alert, High, "T1071", "Application Layer Protocol",
        "Traffic with an address on a threat list",
        "A device sends to, or is answered by, an IP address on a loaded threat list.",
        "Isolate the device, find out which program opened the connection, and block the address at the firewall. If the address is wanted, take it off the list.";
    MaliciousDomain = "malicious_domain", Alert, High, "T1071.004", "Application Layer Protocol: DNS",
        "Look-up of, or connection to, a name on a threat list",
        "A device asks DNS for, or opens TLS, QUIC or HTTP with, a host name on a loaded threat list or below one.",
        "Isolate the device, find out which program asked for the name, and block the name at the resolver. If the name is wanted, take it off the list.";
    ArpSpoofing = "arp_spoofing", Alert, High, "T1557.002", "Adversary-in-the-Middle: ARP Cache Poisoning",
        "Two devices fight over an IPv4 address",
        "Two hardware addresses claim the same IPv4 address by ARP in turn, four times within ten minutes.",
        "Find the switch port of the second hardware address. If it is not an intended fail-over pair or a double assignment, unplug it; turn on dynamic ARP inspection.";
    RogueDhcpServer = "rogue_dhcp_server", Alert, High, "T1557.003", "Adversary-in-the-Middle: DHCP Spoofing",
        "Unexpected DHCP server",
        "A device hands out addresses that is not in the list of DHCP servers or, without a list, that was not one during the first day, or names another router than the server known before.",
        "Find the device and turn its DHCP server off; turn on DHCP snooping at the switches. If it is meant to be one, add it to the list.";
    RogueRouter = "rogue_router", Alert, High, "T1557", "Adversary-in-the-Middle",
        "Unexpected IPv6 router",
        "A device announces itself as an IPv6 router that is not in the list of routers or, without a list, did not do so during the first day.",
        "Find the device and stop its router advertisements (connection sharing is a frequent cause); turn on RA guard. If it is meant to be one, add it to the list.";
    AddressScan = "address_scan", Alert, Medium, "T1018", "Remote System Discovery",
        "A device searches the network for others",
        "A device that is no router asks by ARP for, or opens TCP connections on one port to, 64 local addresses within a minute, most of which do not answer.",
        "If the device is not an inventory or monitoring server, find out which program does it; worms and intruders begin this way.";
    PortScan = "port_scan", Alert, Medium, "T1046", "Network Service Discovery",
        "A device tries the ports of another",
        "A device opens TCP connections to 64 ports of one address within a minute, most of which do not answer.",
        "If the device is not a vulnerability scanner, find out which program does it.";
    NewDevice = "new_device", Alert, Info, "T1200", "Hardware Additions",
        "New device",
        "A device is seen for the first time, after the first day. Devices with a random hardware address are left out.",
        "Find out who brought it, and authorise it, or remove it.";
    TypeChanged = "type_changed", Alert, Medium, "T1036", "Masquerading",
        "A device became something else",
        "A device that was one class of thing for an hour or longer now says with the same certainty that it is of another.",
        "Check whether the hardware was replaced. If not, another machine may be using its address to pass access control.";
    InternetContact = "internet_contact", Recommendation, Low, "T1071", "Application Layer Protocol",
        "Camera or printer talks to the Internet",
        "A camera, recorder, printer or scanner exchanges traffic with a public address.",
        "Put such devices into a network without a way to the Internet, or let through only the maker's update servers.";
    UnexpectedDnsServer = "unexpected_dns_server", Recommendation, Low, "T1071.004", "Application Layer Protocol: DNS",
        "Names are asked of an unexpected server",
        "A device asks a DNS server that is not in the list or, without a list, a public one that nobody asked during the first day and no DHCP server hands out.",
        "Correct the device's DNS setting and let only the resolvers ask outside. If the server is meant to be used, add it to the list.";
    UnexpectedTimeServer = "unexpected_time_server", Recommendation, Low, "T1071", "Application Layer Protocol",
        "The time is asked of an unexpected server",
        "A device asks an NTP server that is not in the list. Without a list nothing is unexpected.",
        "Correct the device's NTP setting. If the server is meant to be used, add it to the list.";
    ClearTelnet = "clear_telnet", Recommendation, High, "T1040", "Network Sniffing",
        "Telnet is used",
        "A device answers as a Telnet server: whoever can listen reads the password.",
        "Turn Telnet off and SSH on; change the passwords that were used.";
    ClearFtp = "clear_ftp", Recommendation, Medium, "T1040", "Network Sniffing",
        "FTP log-in in clear",
        "A client logs in to an FTP server of a local device by name and without encryption.",
        "Use SFTP or FTP over TLS; change the passwords that were used.";
    ClearHttpLogin = "clear_http_login", Recommendation, Medium, "T1040", "Network Sniffing",
        "HTTP log-in in clear",
        "A password is sent to a local device by HTTP Basic authentication without TLS.",
        "Turn on HTTPS at the device and change the passwords that were used.";
    ClearSnmp = "clear_snmp", Recommendation, Medium, "T1602.001", "Data from Configuration Repository: SNMP (MIB Dump)",
        "SNMP version 1 or 2c is used",
        "A device answers SNMP of version 1 or 2c, whose community passes in clear.",
        "Move to SNMPv3 with authentication and privacy, or limit the agent to the managing station's address.";
    OldTls = "old_tls", Recommendation, Low, "T1557", "Adversary-in-the-Middle",
        "A device serves an old version of TLS",
        "A local device settles on SSL 3.0, TLS 1.0 or TLS 1.1.",
        "Update the device's firmware or allow TLS 1.2 and newer only.";
    DefaultCredentials = "default_credentials", Recommendation, High, "T1078.001", "Valid Accounts: Default Accounts",
        "Factory credentials",
        "A device's log-in prompt gives its factory password away, a pair that makers ship is sent to it, or it answers the SNMP community public or private.",
        "Give the device credentials of its own.";
    ExpiredCertificate = "expired_certificate", Recommendation, Low, "T1557", "Adversary-in-the-Middle",
        "A device serves an expired certificate",
        "The certificate of a local device ended before the connection began.",
        "Renew the certificate; people who are used to a warning click away the one that matters.";
}

impl FindingKind {
    /// What it means.
    pub fn definition(self) -> &'static FindingDefinition {
        // the table and the enumeration are made from one list, in one order
        &FINDING_KINDS[self as usize]
    }

    /// Name in JSON, tables and identifiers.
    pub fn name(self) -> &'static str {
        self.definition().name
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FindingKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        FINDING_KINDS
            .iter()
            .find(|d| d.name == text)
            .map(|d| d.kind)
            .ok_or_else(|| format!("\"{text}\" is not a kind of finding"))
    }
}

/// One finding, whole: the same one again carries the same `id`, a higher count and a later time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable within one sensor: kind, device and what else tells it from others.
    pub id: String,
    /// The kind.
    pub kind: FindingKind,
    /// How bad this one is; usually what the kind says.
    pub severity: Severity,
    /// The device it is about.
    pub mac: Option<MacAddr>,
    /// One sentence: who did what.
    pub summary: String,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    /// How often it was noticed.
    pub count: u64,
    /// The latest pieces of evidence, oldest first, at most [`MAX_FINDING_EVIDENCE`].
    #[serde(deserialize_with = "crate::lenient::list", default)]
    pub evidence: Vec<FindingEvidence>,
}

/// What was seen, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingEvidence {
    /// When.
    pub at: Timestamp,
    /// Sender.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// Addressee.
    #[serde(default)]
    pub destination: Option<IpAddr>,
    /// Port at the addressee, or at the device that serves.
    #[serde(default)]
    pub port: Option<u16>,
    /// In which VLAN.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// Protocol, by its registry name, or `tcp`, `udp`, `ip`.
    pub protocol: String,
    /// What was read there, without secrets.
    pub seen: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_has_a_name_a_technique_and_words() {
        let mut names = std::collections::BTreeSet::new();
        for (at, d) in FINDING_KINDS.iter().enumerate() {
            assert_eq!(d.kind as usize, at);
            assert_eq!(d.kind.definition(), d);
            assert!(names.insert(d.name) && d.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert_eq!(serde_json::to_string(&d.kind).unwrap(), format!("\"{}\"", d.name));
            assert_eq!(d.name.parse::<FindingKind>().unwrap(), d.kind);
            let number = d.technique.strip_prefix('T').unwrap();
            assert!(number.replacen('.', "", 1).chars().all(|c| c.is_ascii_digit()), "{}", d.technique);
            for text in [d.title, d.condition, d.remedy, d.technique_name] {
                assert!(!text.is_empty() && !text.contains('\n') && !text.contains('|'), "{}", d.name);
            }
        }
        assert!("nonsense".parse::<FindingKind>().is_err());
    }
}
