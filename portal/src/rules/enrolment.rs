//! Enrolment: a token's secret and a public key go in, a client certificate comes out, once.
//!
//! The same key may ask again (the answer was lost, or the machine lost power before it wrote it down) and gets the same
//! certificate. Another key may not: the token is used. What the portal tells about a token's fate it tells only to who
//! holds its secret.

use eyot_contract::{
    EnrolmentRequest, EnrolmentResponse, Refusal, RefusalCode, RenewalRequest, RenewalResponse, Timestamp,
};

use crate::api::Sensor;
use crate::ca::{Authority, ProvenKey};
use crate::secret;
use crate::store::{Activation, Store};

/// Longest host name and version kept, in characters.
const MAX_TEXT_CHARS: usize = 255;

/// Answers an enrolment request.
///
/// # Errors
/// The refusal to send back.
pub async fn enrol(
    store: &Store,
    authority: &Authority,
    request: &EnrolmentRequest,
    now: Timestamp,
) -> Result<EnrolmentResponse, Refusal> {
    use base64::Engine;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(&request.secret)
        .map_err(|_| refuse(RefusalCode::TokenUnknown))?;
    let hash = secret::hash(&secret);
    let activations = store.activations(request.sensor).await.map_err(internal)?;
    let activation = activations
        .into_iter()
        .find(|a| secret::same(&a.secret_hash, &hash))
        .ok_or_else(|| refuse(RefusalCode::TokenUnknown))?;
    let key = ProvenKey::from_request_pem(&request.csr_pem)
        .map_err(|e| Refusal { code: RefusalCode::BadRequest, message: e.to_string() })?;
    let key_hash = key.hash();
    let answer = |certificate_pem| EnrolmentResponse {
        sensor_name: activation.sensor_name.clone(),
        certificate_pem,
        ca_pem: authority.pem().to_owned(),
    };
    match standing(&activation, &key_hash, now) {
        Standing::Fresh => {}
        Standing::Asked => return again(store, request, &key_hash, now).await.map(answer),
        Standing::Void(code) => return Err(refuse(code)),
    }
    let certificate = authority.sign_client(&key, request.sensor, now).map_err(internal)?;
    let machine = (cut(&request.hostname), cut(&request.version));
    let done = store
        .enrol(request.sensor, &activation.secret_hash, &certificate, (&machine.0, &machine.1), now)
        .await
        .map_err(internal)?;
    if done {
        return Ok(answer(certificate.pem));
    }
    // somebody was quicker: the same machine asking twice, another with a copy of the token, or a person who deleted
    // the sensor or replaced the token. The record says which.
    let activations = store.activations(request.sensor).await.map_err(internal)?;
    let now_stands = activations.iter().find(|a| secret::same(&a.secret_hash, &hash));
    match now_stands.map(|a| standing(a, &key_hash, now)) {
        Some(Standing::Asked) => again(store, request, &key_hash, now).await.map(answer),
        Some(Standing::Void(code)) => Err(refuse(code)),
        _ => Err(refuse(RefusalCode::TokenUnknown)),
    }
}

/// Answers a sensor that wants a certificate for a new key while its present one is still good. The present one is what
/// it is known by; no token is needed, and one whose certificate was revoked gets nothing.
///
/// # Errors
/// The refusal to send back.
pub async fn renew(
    store: &Store,
    authority: &Authority,
    sensor: &Sensor,
    request: &RenewalRequest,
    now: Timestamp,
) -> Result<RenewalResponse, Refusal> {
    let key = ProvenKey::from_request_pem(&request.csr_pem)
        .map_err(|e| Refusal { code: RefusalCode::BadRequest, message: e.to_string() })?;
    // the answer may have got lost
    let given = store.standing_certificate(sensor.id, &key.hash(), now).await.map_err(internal)?;
    if let Some(certificate_pem) = given {
        return Ok(RenewalResponse { certificate_pem });
    }
    let certificate = authority.sign_client(&key, sensor.id, now).map_err(internal)?;
    match store.renew(sensor.id, &sensor.serial, &certificate, now).await.map_err(internal)? {
        true => Ok(RenewalResponse { certificate_pem: certificate.pem }),
        false => Err(refuse(RefusalCode::NotEnrolled)),
    }
}

/// What an activation is good for.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It may be used.
    Fresh,
    /// This very key has used it.
    Asked,
    /// It may not be used.
    Void(RefusalCode),
}

fn standing(activation: &Activation, key_hash: &str, now: Timestamp) -> Standing {
    if activation.deleted_at.is_some() {
        return Standing::Void(RefusalCode::SensorDeleted);
    }
    if activation.replaced_at.is_some() {
        return Standing::Void(RefusalCode::TokenReplaced);
    }
    match activation.used_key.as_deref() {
        Some(used) if used == key_hash => Standing::Asked,
        Some(_) => Standing::Void(RefusalCode::TokenUsed),
        None if activation.expires_at <= now.0 => Standing::Void(RefusalCode::TokenExpired),
        None => Standing::Fresh,
    }
}

async fn again(
    store: &Store,
    request: &EnrolmentRequest,
    key_hash: &str,
    now: Timestamp,
) -> Result<String, Refusal> {
    let standing = store.standing_certificate(request.sensor, key_hash, now).await.map_err(internal)?;
    // its certificate has run out since: the token cannot give another
    standing.ok_or_else(|| refuse(RefusalCode::TokenUsed))
}

fn refuse(code: RefusalCode) -> Refusal {
    Refusal { code, message: code.remedy().to_owned() }
}

fn internal(error: impl std::error::Error + 'static) -> Refusal {
    tracing::error!(error = &error as &dyn std::error::Error, "enrolment failed");
    refuse(RefusalCode::Internal)
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_befell_a_token_decides_in_this_order() {
        let now = Timestamp(100);
        let fresh = Activation {
            secret_hash: String::new(),
            expires_at: 101,
            replaced_at: None,
            used_at: None,
            used_key: None,
            sensor_name: String::new(),
            deleted_at: None,
        };
        let used = Activation { used_at: Some(1), used_key: Some("k".to_owned()), ..fresh.clone() };
        let is = |a: &Activation, key: &str| standing(a, key, now);
        assert_eq!(is(&fresh, "k"), Standing::Fresh);
        assert_eq!(is(&used, "k"), Standing::Asked);
        assert_eq!(is(&used, "other"), Standing::Void(RefusalCode::TokenUsed));
        let late = Activation { expires_at: 100, ..fresh };
        assert_eq!(is(&late, "k"), Standing::Void(RefusalCode::TokenExpired));
        // its time limits the first use, not the repetition
        let used_late = Activation { expires_at: 100, ..used.clone() };
        assert_eq!(is(&used_late, "k"), Standing::Asked);
        let replaced = Activation { replaced_at: Some(2), ..used.clone() };
        assert_eq!(is(&replaced, "k"), Standing::Void(RefusalCode::TokenReplaced));
        let deleted = Activation { deleted_at: Some(3), ..replaced };
        assert_eq!(is(&deleted, "k"), Standing::Void(RefusalCode::SensorDeleted));
    }
}
