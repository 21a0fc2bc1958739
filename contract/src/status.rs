//! How the sensor is, in its own words: what it writes beside itself every few seconds and the appliance's agent reads.
//!
//! One JSON file on one machine, replaced whole. Counts are since the sensor's process started.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ConditionCode, Timestamp};

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorStatus {
    /// Version of this program.
    pub version: String,
    /// When this was written.
    pub at: Timestamp,
    /// When the process started.
    pub started: Timestamp,
    /// Frames read, all interfaces.
    pub frames: u64,
    /// Frames that the kernel or an interface dropped before they could be read, all interfaces.
    pub dropped: u64,
    /// Each interface, in the order of the configuration.
    pub interfaces: Vec<InterfaceStatus>,
    /// Devices known.
    pub devices: u64,
    /// Devices seen within the last quarter of an hour.
    pub devices_present: u64,
    /// What was refused for want of room: kind to count.
    pub refused: Refused,
    /// Findings kept.
    pub findings: u64,
    /// Entries of the loaded threat lists.
    pub indicators: u64,
    /// Records waiting for the portal.
    pub spool: SpoolStatus,
    /// The connection to the portal.
    pub upload: UploadStatus,
    /// Destinations besides the portal, each by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationStatus>,
    /// Host names of storage accounts that the owner's IoT Hub has told of, as it told them: for the firewall, which
    /// judges them itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub storage_hosts: BTreeSet<String>,
    /// The latest failure on this machine's side (database, status file), while it lasts.
    pub last_error: Option<String>,
}

/// A destination besides the portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationStatus {
    /// `azure_iot_hub`, `azure_event_hub` or `bundles`.
    pub name: String,
    /// Records waiting for it.
    pub spool: SpoolStatus,
    /// How it goes; `not_enrolled`: somebody has to do what the error says.
    pub upload: UploadStatus,
}

/// One step on the way to a destination besides the portal, tried by `eyot-sensor destinations --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationCheck {
    /// As in [`DestinationStatus`].
    pub destination: String,
    /// The host name that was asked, or the folder.
    pub endpoint: String,
    /// What is wrong; nothing where it works.
    pub condition: Option<ConditionCode>,
    /// One line, never with a secret.
    pub detail: String,
}

/// One monitored interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceStatus {
    /// Kernel name.
    pub name: String,
    /// Frames read.
    pub frames: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Frames that reached the socket, dropped ones included.
    pub kernel_received: u64,
    /// Frames dropped because the ring was full.
    pub kernel_dropped: u64,
    /// Frames dropped by the interface or its driver.
    pub interface_dropped: u64,
    /// Times it was lost and opened again.
    pub reopened: u64,
    /// Why no frames can come, if they cannot.
    pub problem: Option<String>,
}

/// What the inventory had no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// Devices.
    pub devices: u64,
    /// Facts, for any reason.
    pub facts: u64,
    /// Addresses.
    pub addresses: u64,
    /// Findings: too many of one kind within an hour, or in all.
    pub findings: u64,
}

/// Records waiting for the portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpoolStatus {
    /// In the spool.
    pub waiting: u64,
    /// In the batch being sent.
    pub in_flight: u64,
    /// Dropped since the spool was made.
    pub dropped: u64,
    /// When the oldest waiting one was queued.
    pub oldest: Option<Timestamp>,
}

/// How reporting goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UploadStatus {
    /// Where it stands.
    pub state: UploadState,
    /// The latest acknowledgement.
    pub last_success: Option<Timestamp>,
    /// Batches acknowledged.
    pub batches: u64,
    /// Records acknowledged.
    pub records: u64,
    /// The latest failure, while it lasts.
    pub last_error: Option<UploadError>,
}

/// Where reporting stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// No portal is configured.
    #[default]
    Off,
    /// Everything is reported, or on its way.
    Connected,
    /// The latest attempt failed; it is repeated.
    Retrying,
    /// The portal does not know this sensor any more; it must be activated again.
    NotEnrolled,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadError {
    /// When.
    pub at: Timestamp,
    /// One line, with the remedy.
    pub message: String,
    /// What health calls it.
    pub condition: ConditionCode,
}
