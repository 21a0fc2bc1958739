//! Shared access signatures, as DPS, IoT Hub and Event Hubs take them, and the key of one device out of a group's.
//!
//! `SharedAccessSignature sr=<uri>&sig=<signature>&se=<expiry>[&skn=<policy>]`, where the signature is
//! base64(HMAC-SHA256(key, percent-encoded uri + "\n" + expiry)) and the expiry is in whole seconds since 1970
//! (Microsoft, "Control access to IoT Hub using shared access signatures").

use std::fmt;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::Timestamp;
use percent_encoding::{utf8_percent_encode, AsciiSet, NON_ALPHANUMERIC};
use ring::hmac;

use crate::wire::{Method, Request};

/// How long a signature is good for. The services allow much more; a short life bounds what a leaked one is worth.
pub const LIFETIME: Duration = Duration::from_secs(3_600);
/// A signature is made anew when less than this is left of it: as long as a slow request, a wrong clock and its repetition.
pub const RENEW_BEFORE: Duration = Duration::from_secs(600);

/// Longest key that is believed, in bytes. DPS takes keys of 16 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// All but the unreserved characters of RFC 3986 §2.3.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a key cannot be used. Nothing of the key is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not base64.
    #[error("the key is not base64 text; copy the primary or secondary key as the Azure portal shows it")]
    Encoding,
    /// Too short or too long.
    #[error("the key has {0} bytes, and {least} to {most} are possible", least = KEY_BYTES.start(), most = KEY_BYTES.end())]
    Length(usize),
}

/// A shared access key. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SharedKey(hmac::Key);

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}

impl SharedKey {
    /// A key whose text is base64 of what signs (DPS, IoT Hub).
    ///
    /// # Errors
    /// When it is not base64, or of an impossible length.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError::Encoding)?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(KeyError::Length(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A key whose text itself signs, undecoded (Event Hubs and Service Bus).
    pub fn from_text(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.trim().as_bytes()))
    }

    /// The key of one registration out of this enrolment group's key: HMAC of the registration id in lower case.
    pub fn derive(&self, registration_id: &str) -> Self {
        Self(hmac::Key::new(
            hmac::HMAC_SHA256,
            hmac::sign(&self.0, registration_id.to_lowercase().as_bytes()).as_ref(),
        ))
    }

    /// Signs access to `resource` until `expiry`.
    pub fn sign(&self, resource: &str, policy: Option<&str>, expiry: Timestamp) -> Signature {
        let resource = component(resource);
        let seconds = expiry.seconds();
        let digest = hmac::sign(&self.0, format!("{resource}\n{seconds}").as_bytes());
        let signature = component(&STANDARD.encode(digest.as_ref()));
        let mut text = format!("SharedAccessSignature sr={resource}&sig={signature}&se={seconds}");
        if let Some(policy) = policy {
            text.push_str("&skn=");
            text.push_str(&component(policy));
        }
        Signature { text, expiry }
    }
}

/// A signature and until when it holds. `Debug` shows the latter only.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    text: String,
    expiry: Timestamp,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(until {})", self.expiry)
    }
}

impl Signature {
    /// The value of `Authorization`.
    pub fn header(&self) -> &str {
        &self.text
    }

    /// Whether it should be made anew.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.expiry.seconds() - now.seconds() <= RENEW_BEFORE.as_secs() as i64
    }
}

/// Keeps a signature for one resource fresh.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SharedKey,
    resource: String,
    policy: Option<String>,
    current: Option<Signature>,
}

impl Signer {
    /// A signer for one resource.
    pub fn new(key: SharedKey, resource: impl Into<String>, policy: Option<&str>) -> Self {
        Self { key, resource: resource.into(), policy: policy.map(str::to_owned), current: None }
    }

    /// A signature that still holds for a while.
    pub fn signature(&mut self, now: Timestamp) -> &Signature {
        if self.current.as_ref().is_some_and(|s| s.is_stale(now)) {
            self.current = None;
        }
        self.current.get_or_insert_with(|| {
            let expiry = Timestamp::from_seconds(now.seconds() + LIFETIME.as_secs() as i64);
            self.key.sign(&self.resource, self.policy.as_deref(), expiry)
        })
    }

    /// The service did not take it: the next is made anew.
    pub fn forget(&mut self) {
        self.current = None;
    }

    /// A signed request.
    pub(super) fn request(
        &mut self,
        (method, host, target): (Method, &str, String),
        content_type: &str,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Request {
        let headers = vec![
            ("Authorization", self.signature(now).header().to_owned()),
            ("Content-Type", content_type.to_owned()),
        ];
        Request { method, host: host.to_owned(), target, headers, body }
    }
}

/// A component of a URI: everything but the unreserved characters percent-encoded.
pub fn component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // Key, expiry and signatures that Microsoft publishes with its command line's own tests (azure-iot-cli-extension).
    const KEY: &str = "+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=";
    const EXPIRY: Timestamp = Timestamp(1_471_940_363_000_000);

    #[test]
    fn signatures_are_those_that_microsoft_publishes() {
        let key = SharedKey::from_base64(KEY).unwrap();
        assert_eq!(
            key.sign("iot-hub-for-test.azure-devices.net/devices/iot-device-for-test", None, EXPIRY).header(),
            "SharedAccessSignature sr=iot-hub-for-test.azure-devices.net%2Fdevices%2Fiot-device-for-test\
             &sig=SIumZ1ACqqPJZ2okHDlW9MSYKykEpqsQY3z6FMOICd4%3D&se=1471940363"
        );
        assert_eq!(
            key.sign("iot-hub-for-test.azure-devices.net", Some("iothubowner"), EXPIRY).header(),
            "SharedAccessSignature sr=iot-hub-for-test.azure-devices.net\
             &sig=770sPjjYxRYpNz8%2FhEN7XR5XU5KDGYGTinSP8YyeTXw%3D&se=1471940363&skn=iothubowner"
        );
    }

    #[test]
    fn a_device_key_is_the_one_of_the_documentation() {
        // "How to use symmetric key attestation with enrollment groups": this key and registration id, this result
        let group = SharedKey::from_base64(
            "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==",
        )
        .unwrap();
        let documented = SharedKey::from_base64("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=").unwrap();
        let expected = documented.sign("x", None, EXPIRY);
        assert_eq!(group.derive("sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6").sign("x", None, EXPIRY), expected);
        assert_eq!(group.derive("SN-007-888-ABC-mac-a1-b2-c3-d4-e5-f6").sign("x", None, EXPIRY), expected);
    }

    #[test]
    fn a_wrong_key_is_refused_without_being_shown() {
        let error = SharedKey::from_base64("not base64!").unwrap_err();
        assert_eq!(error, KeyError::Encoding);
        assert!(!error.to_string().contains("not base64!"));
        assert_eq!(SharedKey::from_base64("AAAA").unwrap_err(), KeyError::Length(3));
        assert!(!format!("{:?}", SharedKey::from_base64(KEY).unwrap()).contains("XLy"));
    }

    #[test]
    fn a_signature_is_renewed_before_it_expires_and_when_it_is_refused() {
        let now = Timestamp::from_seconds(1_000_000);
        let mut signer = Signer::new(SharedKey::from_base64(KEY).unwrap(), "hub/devices/d", None);
        let first = signer.signature(now).clone();
        assert!(first.header().ends_with("&se=1003600"));
        assert_eq!(signer.signature(Timestamp::from_seconds(1_002_999)), &first);
        let second = signer.signature(Timestamp::from_seconds(1_003_000)).clone();
        assert!(second.header().ends_with("&se=1006600"));
        signer.forget();
        assert!(signer.signature(Timestamp::from_seconds(1_003_100)).header().ends_with("&se=1006700"));
        assert!(!format!("{signer:?}").contains("sig="));
    }
}
