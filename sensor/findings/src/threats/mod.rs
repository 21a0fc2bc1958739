//! Threat lists: addresses, networks and names that nobody should talk to.
//!
//! Files are STIX 2.1 bundles or plain lists, told apart by their first character. What cannot be used is counted, not
//! guessed at: a list with a typing error must not stop the rest from being looked for.

mod plain;
mod stix;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use eyot_contract::{FindingKind, Timestamp};
use eyot_dissect::Field;
use eyot_inventory::{Network, Reading};

use crate::engine::{Findings, Seen};

/// Most entries of all lists together.
pub const MAX_INDICATORS: usize = 500_000;
/// Largest list that is read, in bytes: 64 MiB.
const MAX_FILE: u64 = 64 << 20;
/// Networks wider than this would be somebody's typing error: /8 of IPv4, /16 of IPv6.
const WIDEST: (u8, u8) = (8, 16);
/// Parents of a name that are looked up.
const MAX_LABELS: usize = 12;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThreatError {
    /// It cannot be read.
    #[error("threat list {}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is too large.
    #[error("threat list {}: has {size} bytes, at most {MAX_FILE} are read", path.display())]
    Large {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// It begins like JSON and is no bundle.
    #[error("threat list {}: is neither a STIX 2.1 bundle nor a plain list", path.display())]
    Stix {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

/// What of a list was not used, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Neither address, network nor name; patterns that need more than one observation.
    pub unusable: u64,
    /// Revoked, or past its time.
    pub outdated: u64,
    /// Beyond [`MAX_INDICATORS`].
    pub no_room: u64,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Indicator {
    Network(Network),
    Name(String),
}

impl FromStr for Indicator {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(network) = text.parse::<Network>() {
            let widest = if network.first().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
            return if network.prefix() < widest { Err(()) } else { Ok(Self::Network(network)) };
        }
        let name = text.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // a single label would be a whole top-level domain, and digits alone an address gone wrong
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_name = name.len() <= 253
            && name.contains('.')
            && name.split('.').all(label)
            && last.bytes().any(|b| b.is_ascii_alphabetic());
        if is_name {
            Ok(Self::Name(name))
        } else {
            Err(())
        }
    }
}

/// All lists together.
#[derive(Default)]
pub struct Threats {
    lists: Vec<String>,
    addresses: HashMap<IpAddr, u16, foldhash::fast::RandomState>,
    networks: HashMap<Network, u16, foldhash::fast::RandomState>,
    /// Prefix lengths that occur among the networks.
    prefixes: Vec<(bool, u8)>,
    names: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
}

impl Threats {
    /// No lists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; what of it was not used. `now` decides which entries are past their time.
    ///
    /// # Errors
    /// When it cannot be read, or is JSON but no bundle.
    pub fn add_file(&mut self, path: &Path, now: Timestamp) -> Result<Skipped, ThreatError> {
        let failed = |source| ThreatError::Read { path: path.to_owned(), source };
        let size = fs::metadata(path).map_err(failed)?.len();
        if size > MAX_FILE {
            return Err(ThreatError::Large { path: path.to_owned(), size });
        }
        let bytes = fs::read(path).map_err(failed)?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        self.add(&name, &bytes, now).map_err(|source| ThreatError::Stix { path: path.to_owned(), source })
    }

    /// Adds a list of that name.
    ///
    /// # Errors
    /// When it is JSON but no bundle.
    pub fn add(&mut self, name: &str, bytes: &[u8], now: Timestamp) -> Result<Skipped, serde_json::Error> {
        let list = u16::try_from(self.lists.len()).unwrap_or(u16::MAX);
        self.lists.push(name.to_owned());
        let mut skipped = Skipped::default();
        let mut put = |indicator: Option<Indicator>| match indicator {
            Some(indicator) => skipped.no_room += u64::from(!self.put(indicator, list)),
            None => skipped.unusable += 1,
        };
        let mut outdated = 0;
        if bytes.trim_ascii_start().starts_with(b"{") {
            outdated = stix::read(bytes, now, &mut put)?;
        } else {
            plain::read(&String::from_utf8_lossy(bytes), &mut put);
        }
        skipped.outdated = outdated;
        Ok(skipped)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.networks.len() + self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list that holds the address, or a network around it.
    pub fn address(&self, ip: IpAddr) -> Option<&str> {
        let list = self.addresses.get(&ip).or_else(|| {
            self.prefixes
                .iter()
                .filter(|(v4, _)| *v4 == ip.is_ipv4())
                .find_map(|(_, prefix)| self.networks.get(&Network::new(ip, *prefix)?))
        })?;
        self.lists.get(usize::from(*list)).map(String::as_str)
    }

    /// The entry and the list that hold the name, or a domain above it.
    pub fn name<'n>(&self, name: &'n str) -> Option<(&'n str, &str)> {
        if self.names.is_empty() {
            return None;
        }
        let mut rest = name;
        for _ in 0..MAX_LABELS {
            if let Some(list) = self.names.get(rest) {
                return Some((rest, self.lists.get(usize::from(*list))?));
            }
            rest = rest.split_once('.')?.1;
        }
        None
    }

    fn put(&mut self, indicator: Indicator, list: u16) -> bool {
        if self.len() >= MAX_INDICATORS {
            return false;
        }
        match indicator {
            Indicator::Network(network) => {
                let v4 = network.first().is_ipv4();
                if network.prefix() == if v4 { 32 } else { 128 } {
                    self.addresses.entry(network.first()).or_insert(list);
                } else {
                    if !self.prefixes.contains(&(v4, network.prefix())) {
                        self.prefixes.push((v4, network.prefix()));
                    }
                    self.networks.entry(network).or_insert(list);
                }
            }
            Indicator::Name(name) => {
                self.names.entry(name.into()).or_insert(list);
            }
        }
        true
    }
}

impl Findings {
    pub(crate) fn threat_address(&mut self, seen: Seen<'_>, from: IpAddr, to: IpAddr) {
        if self.threats.addresses.is_empty() && self.threats.networks.is_empty() {
            return;
        }
        let summary = seen.summary;
        let (bad, list, local, mac) = if let Some(list) = self.threats.address(to) {
            (to, list, from, summary.source)
        } else if let Some(list) = self.threats.address(from) {
            (from, list, to, summary.destination)
        } else {
            return;
        };
        let direction = if bad == to { "sends to" } else { "is sent something by" };
        let text = format!("{local} {direction} {bad}, which is on the list {list}");
        let protocol = if summary.opening.is_some() { "tcp" } else { summary.protocol.unwrap_or("ip") };
        let evidence = seen.evidence(protocol, format!("list {list}"));
        let device = seen.device(mac, Some(local));
        let key = if device.is_some() { bad.to_string() } else { format!("{local}/{bad}") };
        self.raise(FindingKind::MaliciousAddress, device, key, text, evidence);
    }

    pub(crate) fn threat_name(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        if self.threats.names.is_empty() {
            return;
        }
        let mut name = reading.value.trim_end_matches('.').to_ascii_lowercase();
        if reading.field == Field::HttpHost {
            if let Some((host, port)) = name.rsplit_once(':') {
                if port.bytes().all(|b| b.is_ascii_digit()) {
                    name.truncate(host.len());
                }
            }
        }
        let Some((entry, list)) = self.threats.name(&name) else { return };
        let (key, list) = (entry.to_owned(), list.to_owned());
        if !self.is_news(FindingKind::MaliciousDomain, (reading.mac, &name), seen.at) {
            return;
        }
        let ip = seen.summary.source_ip;
        let device = seen.device(Some(reading.mac), ip);
        let who = seen.called(device, ip);
        let does = if reading.field == Field::DnsQuery { "asks for" } else { "connects to" };
        let summary = format!("{who} {does} {name}, which is on the list {list}");
        let key = if device.is_some() { key } else { format!("{who}/{key}") };
        let evidence = seen.evidence(reading.field.protocol(), format!("{name} (list {list})"));
        self.raise(FindingKind::MaliciousDomain, device, key, summary, evidence);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_lists_in_the_forms_that_go_around() {
        let text = "# addresses\n198.51.100.7\n203.0.113.0/24 ; a network\n0.0.0.0 bad.example\n127.0.0.1\tworse.example\n\
                    *.wild.example\nevil[.]example\n2001:db8::bad\n1.2.3.4,botnet,high\nUPPER.Example.\n\nhttp://shared.example/page\nlocalhost\n10.0.0.0/4\n999.1.1.1\n";
        let mut threats = Threats::new();
        let skipped = threats.add("feed.txt", text.as_bytes(), Timestamp(0)).unwrap();
        assert_eq!(skipped, Skipped { unusable: 4, ..Skipped::default() });
        for bad in ["198.51.100.7", "203.0.113.255", "2001:db8::bad", "1.2.3.4"] {
            assert_eq!(threats.address(bad.parse().unwrap()), Some("feed.txt"), "{bad}");
        }
        for good in ["198.51.100.8", "203.0.114.1", "0.0.0.0", "127.0.0.1", "10.0.0.1"] {
            assert_eq!(threats.address(good.parse().unwrap()), None, "{good}");
        }
        for (name, entry) in [
            ("bad.example", Some("bad.example")),
            ("a.b.worse.example", Some("worse.example")),
            ("x.wild.example", Some("wild.example")),
            ("evil.example", Some("evil.example")),
            ("upper.example", Some("upper.example")),
            ("notbad.example", None),
            ("example", None),
            ("shared.example", None),
        ] {
            assert_eq!(threats.name(name).map(|(entry, _)| entry), entry, "{name}");
        }
        assert_eq!(threats.len(), 9);
    }

    #[test]
    fn stix_patterns_that_one_observation_decides() {
        let indicator = |pattern: &str, more: &str| {
            format!(
                r#"{{"type":"indicator","spec_version":"2.1","pattern_type":"stix","pattern":"{pattern}"{more}}}"#
            )
        };
        let objects = [
            indicator("[ipv4-addr:value = '198.51.100.1']", ""),
            indicator("[domain-name:value = 'bad.example' OR domain-name:value='worse.example']", ""),
            indicator("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", ""),
            indicator("[ipv6-addr:value IN ('2001:db8::1', '2001:db8::2')]", ""),
            indicator("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.2']", ""),
            indicator("[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']", ""),
            indicator("[ipv4-addr:value = '198.51.100.3'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.4']", ""),
            indicator("[ipv4-addr:value != '198.51.100.5']", ""),
            indicator("[url:value = 'http://shared.example/x']", ""),
            indicator("[ipv4-addr:value = '198.51.100.6']", r#","revoked":true"#),
            indicator("[ipv4-addr:value = '198.51.100.7']", r#","valid_until":"2020-01-01T00:00:00Z""#),
            indicator("[ipv4-addr:value = '198.51.100.8']", r#","valid_until":"2999-01-01T00:00:00Z""#),
            r#"{"type":"identity","name":"x"}"#.to_owned(),
        ];
        let bundle = format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{}]}}"#, objects.join(","));
        let mut threats = Threats::new();
        let skipped =
            threats.add("feed.json", bundle.as_bytes(), Timestamp::from_seconds(1_700_000_000)).unwrap();
        assert_eq!(skipped, Skipped { unusable: 5, outdated: 2, no_room: 0 });
        for (ip, bad) in [
            ("198.51.100.1", true),
            ("203.0.113.77", true),
            ("2001:db8::2", true),
            ("198.51.100.8", true),
            ("198.51.100.2", false),
            ("198.51.100.3", false),
            ("198.51.100.5", false),
            ("198.51.100.6", false),
            ("198.51.100.7", false),
        ] {
            assert_eq!(threats.address(ip.parse().unwrap()).is_some(), bad, "{ip}");
        }
        assert!(threats.name("www.worse.example").is_some());
        assert!(threats.add("x", b"{\"type\":\"indicator\"}", Timestamp(0)).is_err());
        assert!(threats.add("x", b"{ not json", Timestamp(0)).is_err());
    }

    #[test]
    fn files_are_read_and_named_in_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.txt");
        let mut threats = Threats::new();
        let error = threats.add_file(&path, Timestamp(0)).unwrap_err().to_string();
        assert!(error.ends_with("list.txt: cannot be read"), "{error}");
        fs::write(&path, "198.51.100.7\n").unwrap();
        threats.add_file(&path, Timestamp(0)).unwrap();
        assert_eq!(threats.address("198.51.100.7".parse().unwrap()), Some("list.txt"));
    }
}
