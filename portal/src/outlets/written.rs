//! Destinations as the configuration file has them.
//!
//! ```toml
//! [[outlets]]
//! name = "siem"
//! events = "alerts"
//! syslog = { server = "tls://siem.example:6514", format = "cef" }
//! ```

use serde::Deserialize;

use super::{email, kafka, nats, syslog, webhook, Speaker};
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

/// A destination, as written. Exactly one of the last five says how it is spoken to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Written {
    name: String,
    events: Option<What>,
    webhook: Option<webhook::Webhook>,
    syslog: Option<syslog::Syslog>,
    email: Option<email::Email>,
    nats: Option<nats::Nats>,
    kafka: Option<kafka::Kafka>,
}

/// How a destination is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// HTTP.
    Webhook(webhook::Webhook),
    /// Syslog.
    Syslog(syslog::Syslog),
    /// E-mail.
    Email(email::Email),
    /// NATS JetStream.
    Nats(nats::Nats),
    /// Kafka's protocol.
    Kafka(kafka::Kafka),
}

impl Way {
    pub(super) fn speaker(self) -> Speaker {
        match self {
            Self::Webhook(to) => Speaker::Webhook(webhook::Speaker::new(to)),
            Self::Syslog(to) => Speaker::Syslog(syslog::Speaker::new(to)),
            Self::Email(to) => Speaker::Email(Box::new(email::Speaker::new(to))),
            Self::Nats(to) => Speaker::Nats(Box::new(nats::Speaker::new(to))),
            Self::Kafka(to) => Speaker::Kafka(Box::new(kafka::Speaker::new(to))),
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
        let mut ways = Vec::new();
        if let Some(to) = self.webhook {
            to.check().map_err(fault)?;
            ways.push((Way::Webhook(to), What::Alerts));
        }
        let mut what = self.events;
        if let Some(to) = self.syslog {
            to.check().map_err(fault)?;
            if what == Some(What::All) {
                return Err(fault("syslog takes alerts only, for there is no line for a device".to_owned()));
            }
            what = None;
            ways.push((Way::Syslog(to), What::Alerts));
        }
        if let Some(to) = self.email {
            to.check().map_err(fault)?;
            if what == Some(What::All) {
                return Err(fault("e-mail tells alerts only".to_owned()));
            }
            ways.push((Way::Email(to), What::Alerts));
        }
        if let Some(to) = self.nats {
            to.check().map_err(fault)?;
            ways.push((Way::Nats(to), What::All));
        }
        if let Some(to) = self.kafka {
            to.check().map_err(fault)?;
            ways.push((Way::Kafka(to), What::All));
        }
        match (ways.pop(), ways.is_empty()) {
            (Some((way, usual)), true) => Ok(Destination { name, what: what.unwrap_or(usual), way }),
            _ => Err(fault("exactly one of webhook, syslog, email, nats and kafka is expected".to_owned())),
        }
    }
}
