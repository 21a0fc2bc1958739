//! The message: one record as it leaves for somebody else's systems (Azure, a carried bundle).
//!
//! Between our own programs whole batches travel; a message stands alone, says which version of this form it is in, and
//! carries an id that is the same however often it is sent. The form is described by `contract/message.schema.json`, which
//! a test makes from this file's types and the house's lists. Within a version, fields are only added.

use serde::{Deserialize, Serialize};

use crate::{DeviceRecord, Finding, SensorStatus, Timestamp};

/// The version of the form. A change that readers could trip over makes it `eyot.message/2`.
pub const MESSAGE_SCHEMA: &str = "eyot.message/1";

/// One record on its way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// [`MESSAGE_SCHEMA`].
    pub schema: String,
    /// The same each time the same message is sent: `<epoch>-<batch>-<place>`.
    pub id: String,
    /// Who says it: the sensor's name at the destination.
    pub sensor: String,
    /// When the record was taken for sending.
    pub time: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
}

/// What a message says; `kind` in JSON, the content under its own name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// A device as it is known now, whole.
    Device {
        /// The record.
        device: Box<DeviceRecord>,
    },
    /// A finding as it stands now, whole.
    Finding {
        /// The finding.
        finding: Box<Finding>,
    },
    /// How the sensor is.
    Health {
        /// Its status.
        health: Box<SensorStatus>,
    },
}

impl Content {
    /// The value of `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Device { .. } => "device",
            Self::Finding { .. } => "finding",
            Self::Health { .. } => "health",
        }
    }
}
