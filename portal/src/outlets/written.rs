//! Destinations as the configuration file has them.
//!
//! ```toml
//! [[outlets]]
//! name = "siem"
//! events = "alerts"
//! syslog = { server = "tls://siem.example:6514", format = "cef" }
//! ```

use serde::Deserialize;

use super::{syslog, webhook, Speaker};
use crate::store::ToldEvent as Event;

/// Longest name, in characters.
const MAX_NAME: usize = 60;

/// Which events a destination is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Alerts that happen for the first time and that no rule hides.
    Alerts,
    /// Everything: devices and findings, each time they change.
    All,
}

impl What {
    pub(super) fn wants(self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Alerts => {
                let told = event.told();
                event.kind == "finding.new" && told["category"] == "alert" && told["suppressed"] == false
            }
        }
    }
}

/// A destination, as written. Exactly one of the last two says how it is spoken to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Written {
    name: String,
    events: Option<What>,
    webhook: Option<webhook::Webhook>,
    syslog: Option<syslog::Syslog>,
}

/// How a destination is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP.
    Webhook(webhook::Webhook),
    /// Syslog.
    Syslog(syslog::Syslog),
}

impl Way {
    pub(super) fn speaker(self) -> Speaker {
        match self {
            Self::Webhook(to) => Speaker::Webhook(webhook::Speaker::new(to)),
            Self::Syslog(to) => Speaker::Syslog(syslog::Speaker::new(to)),
        }
    }
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name; the cursor goes with it.
    pub name: String,
    /// What it is told.
    pub what: What,
    /// How.
    pub way: Way,
}

impl Written {
    /// Decides what is left open.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn mean(self) -> Result<Destination, String> {
        let name = self.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!("a destination's name has 1 to {MAX_NAME} characters"));
        }
        let fault = |why: String| format!("{name}: {why}");
        let way = match (self.webhook, self.syslog) {
            (Some(to), None) => {
                to.check().map_err(fault)?;
                Way::Webhook(to)
            }
            (None, Some(to)) => {
                to.check().map_err(fault)?;
                if self.events == Some(What::All) {
                    let text = "syslog takes alerts only, for there is no line for a device";
                    return Err(fault(text.to_owned()));
                }
                Way::Syslog(to)
            }
            _ => return Err(fault("exactly one of webhook and syslog is expected".to_owned())),
        };
        Ok(Destination { name, what: self.events.unwrap_or(What::Alerts), way })
    }
}
