//! Destinations besides the portal: whether Azure would take what the sensor sends.
//!
//! The sensor itself is asked (`eyot-sensor destinations`), in its configuration and with its keys, so that what is said
//! here is what happens there. Nothing secret crosses: the answer holds names, conditions and plain words.

use std::time::{Duration, Instant};

use eyot_contract::settings::Settings;
use eyot_contract::{ConditionCode, DestinationCheck};

use super::validate::Check;
use crate::apply::{firewall, sensor};
use crate::host::{Host, HostError};
use crate::paths;
use crate::settings::chain;

/// How long the sensor may take, in seconds, as `timeout` reads it.
const PATIENCE_S: &str = "45";
/// Time between two looks while all is well, and while it is not.
const EVERY: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(60));

/// Asks the sensor; `None` while it has no configuration.
fn ask(host: &dyn Host) -> Result<Option<Vec<DestinationCheck>>, HostError> {
    if host.read(paths::SENSOR_CONFIG)?.is_none() {
        return Ok(None);
    }
    let command =
        [PATIENCE_S, "eyot-sensor", "destinations", "--config", paths::SENSOR_CONFIG, "--format", "json"];
    let said = host.run("timeout", &command)?;
    serde_json::from_str(&said).map(Some).map_err(|error| {
        HostError::new("reading", "what eyot-sensor says of its destinations", std::io::Error::other(error))
    })
}

/// Looks every few minutes.
#[derive(Default)]
pub struct Watch {
    looked: Option<(Instant, Settings)>,
    found: Vec<(ConditionCode, String)>,
}

impl Watch {
    /// What is wrong with the destinations of these settings; keeps the names that Azure's services tell of, for the
    /// firewall.
    ///
    /// # Errors
    /// The disk.
    pub fn look(
        &mut self,
        host: &dyn Host,
        settings: &Settings,
    ) -> Result<Vec<(ConditionCode, String)>, HostError> {
        if sensor::azure(settings).is_none() {
            (self.looked, self.found) = (None, Vec::new());
            return Ok(Vec::new());
        }
        if let Some(told) = super::sensor_status(host) {
            // the next round opens the way, and the sensor tries its files again by itself
            firewall::destinations::remember_storage(host, settings, &told.storage_hosts)?;
        }
        let every = if self.found.is_empty() { EVERY.0 } else { EVERY.1 };
        if self.looked.as_ref().is_some_and(|(at, with)| at.elapsed() < every && with == settings) {
            return Ok(self.found.clone());
        }
        self.found = match ask(host) {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(checks)) => {
                // the firewall has to let a new name through before it can be asked
                if firewall::destinations::remember_hub(host, settings, &checks)? {
                    self.looked = None;
                    return Ok(Vec::new());
                }
                checks.iter().filter_map(|c| Some((c.condition?, line(c)))).collect()
            }
            Err(error) => vec![(ConditionCode::SanityFailed, chain(&error))],
        };
        self.looked = Some((Instant::now(), settings.clone()));
        Ok(self.found.clone())
    }
}

/// The same question for `validate`: a check for each endpoint.
pub fn checks(host: &dyn Host, settings: &Settings) -> Vec<Check> {
    if sensor::azure(settings).is_none() {
        return Vec::new();
    }
    match ask(host) {
        Ok(None) => vec![Check::not_tried("azure", "the sensor has no configuration yet")],
        Ok(Some(checks)) => checks.iter().map(check).collect(),
        Err(error) => vec![Check::of("azure", ConditionCode::SanityFailed, chain(&error))],
    }
}

fn check(told: &DestinationCheck) -> Check {
    let name = match told.destination.as_str() {
        "azure_iot_hub" => "iot hub",
        "azure_event_hub" => "event hub",
        _ => "bundles",
    };
    match told.condition {
        None => Check::passed(name, line(told)),
        Some(code) => Check::of(name, code, line(told)),
    }
}

fn line(told: &DestinationCheck) -> String {
    format!("{}: {}", told.endpoint, told.detail)
}
