//! The Device Provisioning Service: which hub is this sensor's, by its registration and a symmetric key.
//!
//! `PUT /{scope}/registrations/{id}/register`, answered 202 with an operation to ask about until it says `assigned` (or
//! why not). API version 2021-06-01.

use std::time::Duration;

use eyot_contract::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::sas::{component, SharedKey, Signer};
use crate::wire::{Method, Refused, Request, Response};

/// The service's address for the public cloud.
pub const GLOBAL_HOST: &str = "global.azure-devices-provisioning.net";
const API_VERSION: &str = "2021-06-01";
/// The policy that registrations are signed with.
const POLICY: &str = "registration";
/// Pause between two questions when the service names none; the SDKs use the same.
const POLL: Duration = Duration::from_secs(2);
/// Longest registration id (DPS).
const MAX_ID: usize = 128;
/// Longest id scope that is believed; they are eleven characters today.
const MAX_SCOPE: usize = 64;

/// Why there is no hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpsError {
    /// The id scope cannot be one.
    #[error("azure.id_scope \"{0}\" is none; copy the ID scope from the provisioning service's overview, for example 0ne00ABC123")]
    Scope(String),
    /// The registration id cannot be one.
    #[error("azure.registration_id \"{0}\" is none: up to {MAX_ID} letters, digits and - . _ :, ending in a letter, a digit or -")]
    RegistrationId(String),
    /// The service answered with an error.
    #[error("the provisioning service refused with status {status}{}", words.as_ref().map(|w| format!(" ({w})")).unwrap_or_default())]
    Refused {
        /// Status code.
        status: u16,
        /// What to do about it.
        refused: Refused,
        /// The service's own words.
        words: Option<String>,
    },
    /// The registration ended without a hub.
    #[error("the provisioning service ended with \"{status}\"{}; look at the enrolment in the Azure portal", words.as_ref().map(|w| format!(" ({w})")).unwrap_or_default())]
    NotAssigned {
        /// `failed`, `disabled`, `unassigned`.
        status: String,
        /// The service's own words.
        words: Option<String>,
    },
    /// The answer is not what the API describes.
    #[error("the provisioning service's answer cannot be read; a proxy may answer in its place")]
    Unreadable,
}

/// Where to report, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The hub's host name.
    pub hub: String,
    /// This sensor's device id there.
    pub device: String,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ask again after so long.
    Again(Duration),
    /// Done.
    Assigned(Assignment),
}

/// One registration under way.
#[derive(Debug)]
pub struct Registration {
    host: String,
    scope: String,
    id: String,
    signer: Signer,
    operation: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    operation_id: Option<String>,
    status: String,
    registration_state: Option<State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    assigned_hub: Option<String>,
    device_id: Option<String>,
    error_message: Option<String>,
}

impl Registration {
    /// A registration at `host`, signed with the device's own key (see [`SharedKey::derive`] for a group's).
    ///
    /// # Errors
    /// When scope or id cannot be ones.
    pub fn new(host: &str, scope: &str, id: &str, key: SharedKey) -> Result<Self, DpsError> {
        if scope.is_empty() || scope.len() > MAX_SCOPE || !scope.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(DpsError::Scope(scope.to_owned()));
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        let ends = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if id.len() > MAX_ID || !id.bytes().all(good) || !id.bytes().last().is_some_and(ends) {
            return Err(DpsError::RegistrationId(id.to_owned()));
        }
        let signer = Signer::new(key, format!("{scope}/registrations/{id}"), Some(POLICY));
        Ok(Self {
            host: host.to_owned(),
            scope: scope.to_owned(),
            id: id.to_owned(),
            signer,
            operation: None,
        })
    }

    /// The next thing to ask.
    pub fn request(&mut self, now: Timestamp) -> Request {
        let place = format!("/{}/registrations/{}", self.scope, component(&self.id));
        let (method, target, body) = match &self.operation {
            None => (
                Method::Put,
                format!("{place}/register?api-version={API_VERSION}"),
                json!({ "registrationId": self.id }).to_string().into_bytes(),
            ),
            Some(operation) => (
                Method::Get,
                format!("{place}/operations/{}?api-version={API_VERSION}", component(operation)),
                Vec::new(),
            ),
        };
        self.signer.request((method, &self.host, target), "application/json; charset=utf-8", body, now)
    }

    /// Reads the answer to [`request`](Self::request).
    ///
    /// # Errors
    /// When the service refuses, ends without a hub, or is not understood.
    pub fn answer(&mut self, response: &Response) -> Result<Progress, DpsError> {
        if let Err(refused) = response.judged() {
            match refused {
                Refused::Unauthorised => self.signer.forget(),
                // the operation is not known any more: begin again
                Refused::Unknown => self.operation = None,
                _ => {}
            }
            return Err(DpsError::Refused { status: response.status, refused, words: response.words() });
        }
        let answer: Answer = serde_json::from_slice(&response.body).map_err(|_| DpsError::Unreadable)?;
        let state = answer.registration_state;
        match answer.status.as_str() {
            "assigning" | "unassigned" if answer.operation_id.is_some() && response.status == 202 => {
                self.operation = answer.operation_id;
                Ok(Progress::Again(response.retry_after.unwrap_or(POLL)))
            }
            "assigning" => Ok(Progress::Again(response.retry_after.unwrap_or(POLL))),
            "assigned" => {
                self.operation = None;
                let (hub, device) =
                    state.and_then(|s| Some((s.assigned_hub?, s.device_id?))).ok_or(DpsError::Unreadable)?;
                if !is_host(&hub) {
                    return Err(DpsError::Unreadable);
                }
                Ok(Progress::Assigned(Assignment { hub, device }))
            }
            status => {
                self.operation = None;
                let words = state.and_then(|s| s.error_message).map(|w| w.chars().take(200).collect());
                Err(DpsError::NotAssigned { status: status.chars().take(32).collect(), words })
            }
        }
    }
}

/// Whether a text can be a host name, with or without a port: what goes into a URL must not steer it elsewhere.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 260
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=";
    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn registration() -> Registration {
        Registration::new(GLOBAL_HOST, "0ne00ABC123", "eyot-lab", SharedKey::from_base64(KEY).unwrap())
            .unwrap()
    }

    fn answer(status: u16, body: &str) -> Response {
        Response { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn from_asking_to_a_hub() {
        let mut registration = registration();
        let first = registration.request(NOW);
        assert_eq!(first.method, Method::Put);
        assert_eq!(first.target, "/0ne00ABC123/registrations/eyot-lab/register?api-version=2021-06-01");
        assert_eq!(first.body, br#"{"registrationId":"eyot-lab"}"#);
        let authorization = first.header("authorization").unwrap();
        assert!(authorization.contains("sr=0ne00ABC123%2Fregistrations%2Feyot-lab&sig="), "{authorization}");
        assert!(authorization.ends_with("&skn=registration"));

        let mut waiting = answer(202, r#"{"operationId":"4.d0a/1","status":"assigning"}"#);
        waiting.retry_after = Some(Duration::from_secs(3));
        assert_eq!(registration.answer(&waiting), Ok(Progress::Again(Duration::from_secs(3))));
        let second = registration.request(NOW);
        assert_eq!(second.method, Method::Get);
        assert_eq!(
            second.target,
            "/0ne00ABC123/registrations/eyot-lab/operations/4.d0a%2F1?api-version=2021-06-01"
        );
        let done = answer(
            200,
            r#"{"operationId":"4.d0a/1","status":"assigned",
                "registrationState":{"assignedHub":"h.azure-devices.net","deviceId":"eyot-lab","status":"assigned"}}"#,
        );
        assert_eq!(
            registration.answer(&done),
            Ok(Progress::Assigned(Assignment {
                hub: "h.azure-devices.net".into(),
                device: "eyot-lab".into()
            }))
        );
    }

    #[test]
    fn the_ways_it_ends_without_one() {
        let mut registration = registration();
        let disabled = answer(
            200,
            r#"{"status":"disabled","registrationState":{"errorMessage":"The enrollment is disabled."}}"#,
        );
        let text = registration.answer(&disabled).unwrap_err().to_string();
        assert!(text.contains("\"disabled\" (The enrollment is disabled.)"), "{text}");
        let refused = registration.answer(&answer(401, r#"{"message":"Unauthorized"}"#)).unwrap_err();
        assert!(matches!(refused, DpsError::Refused { status: 401, refused: Refused::Unauthorised, .. }));
        assert_eq!(registration.answer(&answer(200, "<html>")), Err(DpsError::Unreadable));
        let elsewhere = answer(
            200,
            r#"{"status":"assigned","registrationState":{"assignedHub":"a/b?c","deviceId":"d"}}"#,
        );
        assert_eq!(registration.answer(&elsewhere), Err(DpsError::Unreadable));
    }

    #[test]
    fn scope_and_id_are_checked_at_the_door() {
        let new = |scope: &str, id: &str| {
            Registration::new(GLOBAL_HOST, scope, id, SharedKey::from_base64(KEY).unwrap()).map(drop)
        };
        assert_eq!(new("0ne/../x", "a"), Err(DpsError::Scope("0ne/../x".into())));
        for id in ["", "a b", "a.", &"a".repeat(129)] {
            assert_eq!(new("0ne0", id), Err(DpsError::RegistrationId(id.to_owned())));
        }
        assert_eq!(new("0ne0", "a:b_c.d-"), Ok(()));
    }
}
