//! Azure service tags: which networks a service's endpoints have, by region.
//!
//! The weekly file ("Azure IP Ranges and Service Tags") is one JSON object: `changeNumber`, `cloud`, and `values` with a
//! `name` (`AzureIoTHub`, `AzureIoTHub.WestEurope`) and its `properties.addressPrefixes`, IPv4 and IPv6 mixed.
//! `networkFeatures` is a list, null or absent (files of 2019); nothing here depends on it, nor on any other member.
//!
//! Networks that a new file announces are used by the service a week later at the earliest, and those it no longer has may
//! still be in use: so new ones count at once, and old ones for a week more. Only the tags that matter to a sensor are
//! kept. There is no stable address to fetch the file from; people, or their configuration management, hand it over.

use std::collections::BTreeMap;

use eyot_contract::Timestamp;
use serde::{Deserialize, Serialize};

use super::prefix::Prefix;
use crate::host::{Access, Host, HostError};
use crate::paths;

/// The services a sensor can talk to, as the tags call them.
const SERVICES: [&str; 4] = ["AzureIoTHub", "EventHub", "ServiceBus", "Storage"];
/// How long a network that a newer file lacks is still let through, in seconds: a week.
pub const LEAVES_AFTER_S: i64 = 7 * 86_400;
/// A list this old is worth a word, in seconds: the file comes weekly, and some weeks are left out.
pub const STALE_S: i64 = 30 * 86_400;
/// Larger networks are a mistake, whoever made it: they would open the firewall to half the world. Bits, IPv4 and IPv6.
const FEWEST_BITS: (u8, u8) = (8, 16);
/// Largest file read, in bytes; the public cloud's has about four million.
pub const MAX_BYTES: usize = 64 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TagsError {
    /// Not JSON, or not of this form.
    #[error("not a service tags file; take the file ServiceTags_Public_….json as downloaded")]
    Form(#[source] serde_json::Error),
    /// A network that cannot be.
    #[error("{tag}: {problem}; download the file again")]
    Network {
        /// Where.
        tag: String,
        /// What is wrong.
        problem: String,
    },
    /// None of the tags that matter are in it.
    #[error("it has {tags} tags and none of AzureIoTHub, EventHub, ServiceBus and Storage; download the file again")]
    Foreign {
        /// How many others.
        tags: usize,
    },
    /// The list in use is newer.
    #[error(
        "it is older than the list in use (change number {given}, in use {used}); download this week's file"
    )]
    Older {
        /// The file's.
        given: u64,
        /// The list's.
        used: u64,
    },
}

/// The weekly file, as written. Unknown members are passed over: the form has grown before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    change_number: u64,
    cloud: String,
    values: Vec<WrittenTag>,
}

#[derive(Deserialize)]
struct WrittenTag {
    name: String,
    properties: WrittenProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenProperties {
    address_prefixes: Vec<String>,
}

/// The tags that count now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Which cloud: `Public`, `AzureGovernment`…
    pub cloud: String,
    /// The file's own number; it never falls.
    pub change_number: u64,
    /// When the file was taken over.
    pub taken: Timestamp,
    /// By tag: each network, and when it leaves if a newer file lacks it.
    pub tags: BTreeMap<String, BTreeMap<Prefix, Option<Timestamp>>>,
    /// Why the latest file was not taken over, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Tags {
    /// The list with a new file in it.
    ///
    /// # Errors
    /// A file that cannot be used; the list stays as it is.
    pub fn merged(&self, file: &[u8], now: Timestamp) -> Result<Self, TagsError> {
        let written = parse(file)?;
        if written.cloud == self.cloud && written.change_number < self.change_number {
            return Err(TagsError::Older { given: written.change_number, used: self.change_number });
        }
        let all = written.values.len();
        let mut tags: BTreeMap<String, BTreeMap<Prefix, Option<Timestamp>>> = BTreeMap::new();
        for tag in written.values.iter().filter(|t| concerns_us(&t.name)) {
            let networks = tags.entry(tag.name.clone()).or_default();
            for text in &tag.properties.address_prefixes {
                networks.insert(network(&tag.name, text)?, None);
            }
        }
        if tags.values().all(BTreeMap::is_empty) {
            return Err(TagsError::Foreign { tags: all });
        }
        let leaving = Timestamp::from_seconds(now.seconds() + LEAVES_AFTER_S);
        for (name, before) in &self.tags {
            let networks = tags.entry(name.clone()).or_default();
            for (prefix, leaves) in before {
                networks.entry(*prefix).or_insert(Some(leaves.unwrap_or(leaving)));
            }
        }
        let merged = Self {
            cloud: written.cloud,
            change_number: written.change_number,
            taken: now,
            tags,
            problem: None,
        };
        Ok(merged.without_those_that_left(now))
    }

    /// The networks of a tag now; `None` if there is no such tag. Names are compared without case, as people write them.
    pub fn networks(&self, tag: &str, now: Timestamp) -> Option<Vec<Prefix>> {
        let (_, networks) = self.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag))?;
        let still = networks.iter().filter(|(_, leaves)| leaves.is_none_or(|at| now < at));
        Some(still.map(|(prefix, _)| *prefix).collect())
    }

    fn without_those_that_left(mut self, now: Timestamp) -> Self {
        for networks in self.tags.values_mut() {
            networks.retain(|_, leaves| leaves.is_none_or(|at| now < at));
        }
        self.tags.retain(|_, networks| !networks.is_empty());
        self
    }

    /// The list in use; `None` if there never was one or it is damaged.
    pub fn load(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(paths::SERVICE_TAGS)?.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Keeps the list.
    pub fn save(&self, host: &dyn Host) -> Result<bool, HostError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        host.write(paths::SERVICE_TAGS, &text, Access::Everyone)
    }

    /// Takes a file over, or remembers why not. Says which networks came and how many leave in a week.
    ///
    /// # Errors
    /// What is wrong with the file, or with this machine's disk.
    pub fn take_over(host: &dyn Host, file: &[u8], now: Timestamp) -> Result<Taken, TakeOverError> {
        let before = Self::load(host)?.unwrap_or_default();
        match before.merged(file, now) {
            Ok(merged) => {
                merged.save(host)?;
                let count = |tags: &Self, leaving: bool| {
                    tags.tags.values().flat_map(BTreeMap::values).filter(|l| l.is_some() == leaving).count()
                };
                Ok(Taken {
                    tags: merged.tags.len(),
                    networks: count(&merged, false),
                    leaving: count(&merged, true),
                })
            }
            Err(error) => {
                if !before.tags.is_empty() {
                    let problem = Some(crate::settings::chain(&error));
                    Self { problem, ..before }.save(host)?;
                }
                Err(error.into())
            }
        }
    }
}

/// What came of taking a file over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Tags kept.
    pub tags: usize,
    /// Their networks.
    pub networks: usize,
    /// Networks that the file no longer has and that leave in a week.
    pub leaving: usize,
}

/// Why a file was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The file.
    #[error(transparent)]
    File(#[from] TagsError),
    /// The machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn parse(file: &[u8]) -> Result<Written, TagsError> {
    // editors on some systems put a byte order mark in front
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    serde_json::from_slice(text).map_err(TagsError::Form)
}

fn concerns_us(tag: &str) -> bool {
    SERVICES.iter().any(|s| tag.split('.').next().is_some_and(|service| service.eq_ignore_ascii_case(s)))
}

fn network(tag: &str, text: &str) -> Result<Prefix, TagsError> {
    let fail = |problem: String| TagsError::Network { tag: tag.to_owned(), problem };
    let prefix: Prefix = text.parse().map_err(|e: super::prefix::NotAPrefix| fail(e.to_string()))?;
    let fewest = if prefix.is_ipv6() { FEWEST_BITS.1 } else { FEWEST_BITS.0 };
    match prefix.bits() < fewest {
        true => Err(fail(format!("{prefix} is larger than any network of a service"))),
        false => Ok(prefix),
    }
}
