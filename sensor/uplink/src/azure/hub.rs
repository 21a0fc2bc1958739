//! IoT Hub: device-to-cloud messages over HTTPS, many in one request.
//!
//! `POST /devices/{id}/messages/events`, a JSON array in `application/vnd.microsoft.iothub.json`; answered 204. Bodies are
//! base64; content type and encoding are stated so that the hub's routes can look inside. API version 2021-04-12.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::json;

use super::dps::Assignment;
use super::pack::{Message, Sink};
use super::sas::{component, SharedKey, Signer};

pub(super) const API_VERSION: &str = "2021-04-12";
/// Most bytes of one request's body. The service's bound is 256 KiB with its own overhead; the SDKs stop here.
pub const MAX_BATCH_BYTES: usize = 261_119;

/// The hub, and this sensor's identity there.
#[derive(Debug)]
pub struct Hub {
    pub(super) host: String,
    pub(super) device: String,
    pub(super) signer: Signer,
}

impl Hub {
    /// The hub that was assigned, with the device's own key.
    pub fn new(assignment: &Assignment, key: SharedKey) -> Self {
        let resource = format!("{}/devices/{}", assignment.hub, assignment.device);
        Self {
            host: assignment.hub.clone(),
            device: assignment.device.clone(),
            signer: Signer::new(key, resource, None),
        }
    }
}

impl Sink for Hub {
    const MAX_BATCH_BYTES: usize = MAX_BATCH_BYTES;
    const CONTENT_TYPE: &'static str = "application/vnd.microsoft.iothub.json";

    fn envelope(message: &Message) -> serde_json::Value {
        json!({
            "body": STANDARD.encode(&message.body),
            "base64Encoded": true,
            "properties": {
                "iothub-messageid": message.id,
                "iothub-contenttype": "application/json",
                "iothub-contentencoding": "utf-8",
                "iothub-app-kind": message.kind,
            },
        })
    }

    fn place(&mut self) -> (&str, String, &mut Signer) {
        let target =
            format!("/devices/{}/messages/events?api-version={API_VERSION}", component(&self.device));
        (&self.host, target, &mut self.signer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eyot_contract::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn hub() -> Hub {
        let key = SharedKey::from_base64("+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=").unwrap();
        Hub::new(&Assignment { hub: "h.azure-devices.net".into(), device: "eyot lab".into() }, key)
    }

    #[test]
    fn a_batch_is_as_the_hub_reads_it() {
        let messages = [Message { id: "e-1-0".into(), kind: "device", body: r#"{"a":"ä"}"#.into() }];
        let (request, taken) = hub().send(&messages, NOW).unwrap();
        assert_eq!(taken, 1);
        assert_eq!(request.target, "/devices/eyot%20lab/messages/events?api-version=2021-04-12");
        assert_eq!(request.header("content-type"), Some("application/vnd.microsoft.iothub.json"));
        let items: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(items[0]["properties"]["iothub-messageid"], "e-1-0");
        assert_eq!(items[0]["properties"]["iothub-app-kind"], "device");
        let body = STANDARD.decode(items[0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, r#"{"a":"ä"}"#.as_bytes());
    }

    #[test]
    fn a_batch_stays_below_the_bound() {
        let messages: Vec<_> = (0..100)
            .map(|n| Message {
                id: format!("e-1-{n}"),
                kind: "device",
                body: format!("\"{}\"", "x".repeat(9_000)),
            })
            .collect();
        let (request, taken) = hub().send(&messages, NOW).unwrap();
        assert!(request.body.len() <= MAX_BATCH_BYTES && (15..25).contains(&taken), "{taken}");
        let large = [Message { id: "l".into(), kind: "device", body: "x".repeat(200_000) }];
        assert!(hub().send(&large, NOW).unwrap_err().bytes > MAX_BATCH_BYTES);
    }
}
