//! What the portal sets for this sensor, laid over the configuration: the portal's word goes before the file's, and the
//! device twin's before the portal's.
//!
//! The settings are kept beside the database, so that they hold after a restart without a connection. One that cannot be
//! in force is refused with the reason and changes nothing; the others hold all the same. The portal is told which
//! version is in force and what of it is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eyot_capture::live;
use eyot_client::{Client, ClientError};
use eyot_contract::{path, RemoteSetting, SettingsAnswer, SettingsRequest, MAX_REASON};
use eyot_inventory::{LocalNetworks, Network};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::beside;
use crate::config::Config;

/// Beside the database.
const FILE: &str = "portal-settings.json";
/// The portal's names that the device twin has other names for.
const IN_THE_TWIN: [(&str, &str); 2] = [("filter", "filter"), ("subnets", "local_networks")];

/// The settings, as they were last given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    version: Option<String>,
    settings: Map<String, Value>,
}

/// A configuration with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What is in force.
    pub config: Config,
    version: Option<String>,
    refused: BTreeMap<String, String>,
}

impl Remote {
    /// What was kept beside this database. Nothing where nothing can be read: the next question brings it.
    pub fn read(database: &Path) -> Self {
        beside::read(database, FILE)
    }

    /// Lays them over a configuration. One that reports to no portal stays as it is.
    pub fn over(&self, config: Config) -> Settled {
        let mut settled = Settled { config, version: self.version.clone(), refused: BTreeMap::new() };
        if settled.config.portal.is_none() {
            return settled;
        }
        for (name, value) in &self.settings {
            if let Err(reason) = put(&mut settled.config, name, value) {
                settled.refuse(name, &reason);
            }
        }
        settled
    }

    /// What the VLANs are called.
    pub fn vlan_names(&self) -> BTreeMap<u16, String> {
        match self.settings.get("vlan_names").map(|value| RemoteSetting::read("vlan_names", value)) {
            Some(Ok(RemoteSetting::VlanNames(names))) => names,
            _ => BTreeMap::new(),
        }
    }

    /// Whether this one is set.
    pub fn sets(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }
}

/// Puts one setting in its place.
fn put(config: &mut Config, name: &str, value: &Value) -> Result<(), String> {
    match RemoteSetting::read(name, value)? {
        RemoteSetting::Bandwidth(kbps) => {
            if let Some(portal) = &mut config.portal {
                portal.bandwidth_kbps = Some(kbps);
            }
        }
        RemoteSetting::Filter(filter) => {
            if !filter.is_empty() {
                live::check_filter(&filter).map_err(|reason| format!("not a capture filter ({reason})"))?;
            }
            config.filter = Some(filter).filter(|filter| !filter.is_empty());
        }
        RemoteSetting::Subnets(list) => {
            let networks = list.iter().map(|text| text.parse()).collect::<Result<Vec<Network>, String>>()?;
            config.watched.policy.local = LocalNetworks::new(networks);
        }
        // names are looked up where they are shown
        RemoteSetting::VlanNames(_) => {}
    }
    Ok(())
}

impl Settled {
    /// Refuses one of them after all.
    pub fn refuse(&mut self, name: &str, reason: &str) {
        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
        tracing::warn!(setting = name, reason, "a setting of the portal is refused");
        self.refused.insert(name.to_owned(), reason);
    }

    /// Whether this one is refused.
    pub fn refuses(&self, name: &str) -> bool {
        self.refused.contains_key(name)
    }

    /// Refuses what the device twin sets as well: `fulfilled` are the twin's names that are in force.
    pub fn yield_to_twin(&mut self, remote: &Remote, fulfilled: &[&str]) {
        for (name, in_the_twin) in IN_THE_TWIN {
            if remote.sets(name) && fulfilled.contains(&in_the_twin) {
                self.refuse(name, &format!("the device twin sets {in_the_twin}, and its word goes first"));
            }
        }
    }

    /// What the portal is asked with.
    fn request(&self) -> SettingsRequest {
        SettingsRequest { in_force: self.version.clone(), refused: self.refused.clone() }
    }
}

/// Asks the portal from time to time.
pub struct Settings {
    database: PathBuf,
    request: SettingsRequest,
    every: Duration,
    asked: Option<Instant>,
}

/// Why the settings could not be asked for or kept.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The portal did not give them.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// They cannot be kept.
    #[error("{0}")]
    Keep(String),
}

impl Settings {
    /// For a sensor with these in force.
    pub fn new(settled: &Settled, every: Duration) -> Self {
        Self { database: settled.config.database.clone(), request: settled.request(), every, asked: None }
    }

    /// How long until the portal is to be asked again.
    pub fn due_in(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| self.every.saturating_sub(asked.elapsed()))
    }

    /// Notes that the portal was asked, or could not be.
    pub fn note(&mut self) {
        self.asked = Some(Instant::now());
    }

    /// Asks; whether there are other settings now, which were kept. A portal without settings has none to give.
    ///
    /// # Errors
    /// The portal cannot be asked, or they cannot be kept; what was kept before stays.
    pub async fn ask(&mut self, client: &Client) -> Result<bool, SettingsError> {
        let answer: SettingsAnswer = match client.post_json(path::SETTINGS, &self.request).await {
            Err(ClientError::Status { status: 404, .. }) => return Ok(false),
            answer => answer?,
        };
        let in_force = self.request.in_force.as_ref() == Some(&answer.version);
        let Some(settings) = answer.settings.filter(|_| !in_force) else { return Ok(false) };
        let remote = Remote { version: Some(answer.version), settings };
        beside::keep(&self.database, FILE, &remote).map_err(|e| SettingsError::Keep(format!("{e:#}")))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use serde_json::json;

    use super::*;

    fn config(more: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sensor.toml");
        let text = format!("version = 1\ninterfaces = [\"eth1\"]\nfilter = \"udp\"\n{more}");
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap()
    }

    fn reporting() -> Config {
        config(
            "[portal]\nurl = \"https://p\"\nca_file = \"/c\"\ncertificate_file = \"/d\"\nkey_file = \"/e\"\n",
        )
    }

    fn remote(value: Value) -> Remote {
        let Value::Object(settings) = value else { panic!("an object") };
        Remote { version: Some("7".to_owned()), settings }
    }

    #[test]
    fn the_portals_word_goes_before_the_files() {
        let remote = remote(json!({
            "bandwidth_kbps": 500, "filter": "not port 443", "subnets": ["10.0.0.0/8"], "vlan_names": { "10": "voice" },
        }));
        let settled = remote.over(reporting());
        assert_eq!(settled.config.filter.as_deref(), Some("not port 443"));
        assert_eq!(settled.config.portal.as_ref().unwrap().bandwidth_kbps, Some(500));
        assert!(settled.config.watched.policy.local.are_configured());
        assert_eq!(remote.vlan_names()[&10], "voice");
        assert_eq!(
            settled.request(),
            SettingsRequest { in_force: Some("7".to_owned()), refused: BTreeMap::new() }
        );
        assert_eq!(Remote::default().over(reporting()).config, reporting(), "what nobody sets stays");
        assert_eq!(remote.over(config("")).config, config(""), "without a portal the file alone speaks");
    }

    #[test]
    fn what_cannot_be_is_refused_and_the_rest_holds() {
        let settled = remote(
            json!({ "filter": "port (", "bandwidth_kbps": 1, "colour": "red", "subnets": ["10.0.0.0/8"] }),
        )
        .over(reporting());
        let refused = settled.request().refused;
        assert!(refused["filter"].starts_with("not a capture filter ("), "{refused:?}");
        assert!(refused["bandwidth_kbps"].contains("350 to"), "{refused:?}");
        assert!(refused["colour"].contains("not a setting of this version"), "{refused:?}");
        assert_eq!(refused.len(), 3);
        assert_eq!(settled.config.filter.as_deref(), Some("udp"), "the file's filter stays");
        assert!(settled.config.watched.policy.local.are_configured());
    }

    #[test]
    fn the_twin_goes_first_and_the_portal_hears_of_it() {
        let remote = remote(json!({ "filter": "tcp", "subnets": ["10.0.0.0/8"] }));
        let mut settled = remote.over(reporting());
        settled.yield_to_twin(&remote, &["filter", "muted"]);
        assert!(settled.refuses("filter") && !settled.refuses("subnets"));
    }
}
