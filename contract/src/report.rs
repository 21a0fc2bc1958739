//! The device report: what a sensor tells the portal about the devices it sees.
//!
//! Batches are numbered per sensor and kept on the sensor's disk until acknowledged. The portal stores before it
//! acknowledges and ignores a number it has stored already, so each record counts once however often it is sent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{DeviceRecord, Timestamp};

/// Most records in one batch; a larger one is refused with status 413.
pub const MAX_BATCH_DEVICES: usize = 500;

/// `POST` to [`path::DEVICES`](crate::path::DEVICES).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceBatch {
    /// Made anew whenever the sensor's spool is: numbers restart with it.
    pub epoch: Uuid,
    /// 1, 2, 3… within the epoch.
    pub sequence: u64,
    /// When the batch was put together.
    pub sent: Timestamp,
    /// The records, each whole (not a difference), keyed by its MAC address.
    pub devices: Vec<DeviceRecord>,
}

/// The portal has this batch on its own disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAcknowledged {
    /// The batch's epoch.
    pub epoch: Uuid,
    /// The batch's number; everything up to it may be forgotten by the sender.
    pub sequence: u64,
}
