//! The device report: what a sensor tells the portal about the devices it sees.
//!
//! Batches are numbered per sensor and kept on the sensor's disk until acknowledged. The portal stores before it
//! acknowledges and ignores a number it has stored already, so each record counts once however often it is sent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{DeviceRecord, Finding, Timestamp};

/// Most records in one batch; a larger one is refused with status 413.
pub const MAX_BATCH_DEVICES: usize = 500;
/// Most findings in one batch.
pub const MAX_BATCH_FINDINGS: usize = 200;

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
    /// Findings that are new or changed, each whole, keyed by its id. Kinds that the reader has no name for are left
    /// out by it.
    #[serde(deserialize_with = "crate::lenient::list", default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The portal has this batch on its own disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAcknowledged {
    /// The batch's epoch.
    pub epoch: Uuid,
    /// The batch's number; everything up to it may be forgotten by the sender.
    pub sequence: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn findings_may_be_missing_and_unknown_kinds_cost_only_themselves() {
        let text = r#"{"epoch":"67e55044-10b1-426f-9247-bb680e5fe0c8","sequence":1,"sent":"2026-01-01T00:00:00Z","devices":[]}"#;
        let batch: DeviceBatch = serde_json::from_str(text).unwrap();
        assert!(batch.findings.is_empty());
        assert_eq!(serde_json::to_value(&batch).unwrap().get("findings"), None);

        let mut newer: serde_json::Value = serde_json::from_str(text).unwrap();
        let finding = |kind: &str| {
            serde_json::json!({
                "id": "x", "kind": kind, "severity": "high", "mac": null, "summary": "s", "count": 1,
                "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z", "evidence": [],
            })
        };
        newer["findings"] = vec![finding("clear_telnet"), finding("of_next_year")].into();
        let batch: DeviceBatch = serde_json::from_value(newer).unwrap();
        assert_eq!(batch.findings.len(), 1);
    }
}
