//! Event Hubs, directly: events over HTTPS, many in one request.
//!
//! `POST /{hub}/messages`, a JSON array in `application/vnd.microsoft.servicebus.json`; answered 201. The key's text itself
//! signs. With a partition key, a device's changes stay in order.

use serde_json::json;

use super::dps::is_host;
use super::pack::{Message, Sink};
use super::sas::{component, SharedKey, Signer};

/// Most bytes of one request's body: what every tier takes, less some room for the service's own overhead.
pub const MAX_BATCH_BYTES: usize = 250_000;
/// How long the service may take, in seconds; part of its API.
const TIMEOUT_S: u32 = 60;
const API_VERSION: &str = "2014-01";

/// Why a connection string cannot be used. Nothing of it is in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// A part is not there.
    #[error("azure.event_hub has no {0}; copy a connection string of the event hub with the right to send: Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…")]
    Missing(&'static str),
    /// The address is none.
    #[error("azure.event_hub: the Endpoint is not sb://namespace/")]
    Endpoint,
}

/// One event hub, and the rule that may send to it.
#[derive(Debug)]
pub struct EventHub {
    host: String,
    name: String,
    signer: Signer,
}

impl EventHub {
    /// From a connection string as the Azure portal shows it for an event hub.
    ///
    /// # Errors
    /// Naming the part that is missing.
    pub fn from_connection_string(text: &str) -> Result<Self, ConnectionStringError> {
        use ConnectionStringError::{Endpoint, Missing};
        // values may hold '=' (base64), so only the first one of a part divides
        let part = |key: &'static str| {
            text.trim()
                .split(';')
                .filter_map(|p| p.split_once('='))
                .find(|(k, v)| k.trim().eq_ignore_ascii_case(key) && !v.trim().is_empty())
                .map(|(_, v)| v.trim())
                .ok_or(Missing(key))
        };
        let endpoint = part("Endpoint")?;
        let host = endpoint.strip_prefix("sb://").map(|h| h.trim_end_matches('/')).filter(|h| is_host(h));
        let host = host.ok_or(Endpoint)?;
        let (rule, key) = (part("SharedAccessKeyName")?, part("SharedAccessKey")?);
        let name = part("EntityPath")?;
        // the resource is signed in lower case, with its scheme, as the service compares it
        let resource = format!("https://{host}/{name}").to_lowercase();
        Ok(Self {
            host: host.to_owned(),
            name: name.to_owned(),
            signer: Signer::new(SharedKey::from_text(key), resource, Some(rule)),
        })
    }

    /// The namespace's host name.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Sink for EventHub {
    const MAX_BATCH_BYTES: usize = MAX_BATCH_BYTES;
    const CONTENT_TYPE: &'static str = "application/vnd.microsoft.servicebus.json";

    fn envelope(message: &Message) -> serde_json::Value {
        json!({
            "Body": message.body,
            "UserProperties": { "id": message.id, "kind": message.kind },
        })
    }

    fn place(&mut self) -> (&str, String, &mut Signer) {
        let target =
            format!("/{}/messages?timeout={TIMEOUT_S}&api-version={API_VERSION}", component(&self.name));
        (&self.host, target, &mut self.signer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eyot_contract::Timestamp;

    use super::*;

    const STRING: &str = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=send;\
                          SharedAccessKey=AbC+/d==;EntityPath=Devices";

    #[test]
    fn a_connection_string_becomes_a_place_and_a_signature() {
        let mut hub = EventHub::from_connection_string(STRING).unwrap();
        let messages = [Message { id: "e-1-0".into(), kind: "finding", body: "{}".into() }];
        let (request, taken) = hub.send(&messages, Timestamp(0)).unwrap();
        assert_eq!((request.host.as_str(), taken), ("ns.servicebus.windows.net", 1));
        assert_eq!(request.target, "/Devices/messages?timeout=60&api-version=2014-01");
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains("sr=https%3A%2F%2Fns.servicebus.windows.net%2Fdevices&"));
        assert!(authorization.ends_with("&skn=send"));
        let items: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(items, json!([{ "Body": "{}", "UserProperties": { "id": "e-1-0", "kind": "finding" } }]));
        assert!(!format!("{hub:?}").contains("AbC"));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_shown() {
        for (text, expected) in [
            ("", ConnectionStringError::Missing("Endpoint")),
            ("Endpoint=http://x/;SharedAccessKey=s", ConnectionStringError::Endpoint),
            ("Endpoint=sb://a/../b/", ConnectionStringError::Endpoint),
            (
                "Endpoint=sb://n/;SharedAccessKeyName=r;SharedAccessKey=s3cret",
                ConnectionStringError::Missing("EntityPath"),
            ),
        ] {
            let error = EventHub::from_connection_string(text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
