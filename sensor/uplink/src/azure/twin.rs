//! The device twin over MQTT 3.1.1 on WebSocket: who logs in how, what is asked under which topic, and what comes back.
//!
//! The hub keeps a document of two halves for each device: *desired* is written by its owner, *reported* by the device.
//! A question carries a number in its topic (`$rid`), and the answer the same number with a status as HTTP has them. The
//! password is a shared access signature; when it is over the hub ends the connection, so a new one is made before. API
//! version 2021-04-12. The connection itself belongs to the front door.

use std::time::Duration;

use eyot_contract::Timestamp;
use serde_json::{Map, Value};

use super::dps::Assignment;
use super::hub::API_VERSION;
use super::sas::{component, SharedKey, Signature};

/// What is heard: answers to questions, and what the owner changes.
pub const SUBSCRIPTIONS: [&str; 2] = ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"];
/// Most bytes of the reported half (IoT Hub).
pub const MAX_REPORTED_BYTES: usize = 32 << 10;
/// The part of a signature's life after which a new connection is made with a new one.
const RENEW_AFTER: f64 = 0.75;

/// What a connection begins with. `Debug` shows no signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Where the WebSocket opens.
    pub url: String,
    /// The client id; the hub wants the device's.
    pub client_id: String,
    /// User name.
    pub username: String,
    /// Its header is the password.
    pub signature: Signature,
    /// How long the connection may stand before it is made anew.
    pub renew_after: Duration,
}

/// How the device of this assignment logs in, with a signature that holds for `lifetime`.
pub fn login(assignment: &Assignment, key: &SharedKey, lifetime: Duration, now: Timestamp) -> Login {
    let (hub, device) = (&assignment.hub, &assignment.device);
    let expiry = Timestamp::from_seconds(now.seconds() + i64::try_from(lifetime.as_secs()).unwrap_or(0));
    Login {
        url: format!("wss://{hub}:443/$iothub/websocket?iothub-no-client-cert=true"),
        client_id: device.clone(),
        username: format!("{hub}/{device}/?api-version={API_VERSION}"),
        signature: key.sign(&format!("{hub}/devices/{}", component(device)), None, expiry),
        renew_after: lifetime.mul_f64(RENEW_AFTER),
    }
}

/// The topic that asks for the whole twin.
pub fn ask(rid: u64) -> String {
    format!("$iothub/twin/GET/?$rid={rid}")
}

/// The topic under which the reported half is changed.
pub fn report(rid: u64) -> String {
    format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}")
}

/// What came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The answer to a question.
    Answer {
        /// Its number.
        rid: u64,
        /// As HTTP's.
        status: u16,
        /// The twin, if it was asked for.
        twin: Option<Document>,
    },
    /// The owner changed something: ask for the whole.
    Changed,
}

/// The whole twin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Counts the owner's changes.
    pub version: i64,
    /// The desired half: names and values, without what the hub adds.
    pub desired: Map<String, Value>,
    /// What the reported half has names for.
    pub reported: Vec<String>,
}

/// Reads a message. `None`: nothing of the twin's.
pub fn hear(topic: &str, payload: &[u8]) -> Option<Heard> {
    let rest = topic.strip_prefix("$iothub/twin/")?;
    if rest.starts_with("PATCH/properties/desired/") {
        return Some(Heard::Changed);
    }
    let (status, query) = rest.strip_prefix("res/")?.split_once("/?")?;
    let rid = query.split('&').find_map(|p| p.strip_prefix("$rid="))?.parse().ok()?;
    Some(Heard::Answer { rid, status: status.parse().ok()?, twin: document(payload) })
}

fn document(payload: &[u8]) -> Option<Document> {
    let Value::Object(mut twin) = serde_json::from_slice(payload).ok()? else { return None };
    let Some(Value::Object(desired)) = twin.remove("desired") else { return None };
    let version = desired.get("$version").and_then(Value::as_i64).unwrap_or(0);
    let own = |name: &String| !name.starts_with('$');
    let reported = match twin.remove("reported") {
        Some(Value::Object(reported)) => reported.into_iter().map(|(name, _)| name).filter(own).collect(),
        _ => Vec::new(),
    };
    Some(Document { version, desired: desired.into_iter().filter(|(name, _)| own(name)).collect(), reported })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_logs_in_as_the_hub_wants_it() {
        let key = SharedKey::from_base64("+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=").unwrap();
        let assignment = Assignment { hub: "h.azure-devices.net".into(), device: "lab-7".into() };
        let login = login(&assignment, &key, Duration::from_secs(3_600), Timestamp::from_seconds(1_000_000));
        assert_eq!(login.url, "wss://h.azure-devices.net:443/$iothub/websocket?iothub-no-client-cert=true");
        assert_eq!(
            (login.client_id.as_str(), login.username.as_str()),
            ("lab-7", "h.azure-devices.net/lab-7/?api-version=2021-04-12")
        );
        let password = login.signature.header();
        assert!(password.starts_with("SharedAccessSignature sr=h.azure-devices.net%2Fdevices%2Flab-7&sig="));
        assert!(password.ends_with("&se=1003600"));
        assert_eq!(login.renew_after, Duration::from_secs(2_700));
        assert!(!format!("{login:?}").contains("sig="));
    }

    #[test]
    fn what_comes_in_is_an_answer_a_change_or_nothing() {
        let twin = json!({
            "desired": { "filter": "not port 443", "$version": 7, "$metadata": {} },
            "reported": { "version": "1", "$version": 3 },
        });
        let heard = hear("$iothub/twin/res/200/?$rid=4&$version=7", twin.to_string().as_bytes()).unwrap();
        let Heard::Answer { rid: 4, status: 200, twin: Some(twin) } = heard else {
            panic!("{heard:?}");
        };
        assert_eq!((twin.version, twin.reported), (7, vec!["version".to_owned()]));
        assert_eq!(Value::Object(twin.desired), json!({ "filter": "not port 443" }));
        assert_eq!(
            hear("$iothub/twin/res/429/?$rid=5", b""),
            Some(Heard::Answer { rid: 5, status: 429, twin: None })
        );
        assert_eq!(hear("$iothub/twin/PATCH/properties/desired/?$version=8", b"{}"), Some(Heard::Changed));
        for topic in ["", "$iothub/twin/res/", "$iothub/twin/res/x/?$rid=1", "$iothub/methods/POST/x/?$rid=1"]
        {
            assert_eq!(hear(topic, b"{}"), None, "{topic}");
        }
    }
}
