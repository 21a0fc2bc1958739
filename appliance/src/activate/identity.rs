//! The appliance's identity: a key pair made here, the certificate the portal gave for it, the portal's CA, and what
//! they belong to. One directory that appears whole or not at all.

use std::time::Duration;

use eyot_client::{certificate_life, Client, ClientError, Trust};
use eyot_contract::settings::Settings;
use eyot_contract::{path, ActivationToken, EnrolmentResponse, RenewalRequest, RenewalResponse, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ActivationError, Marks};
use crate::host::{Access, Host, HostError};
use crate::paths;

/// Private key, PEM (PKCS#8, ECDSA P-256).
pub const KEY: &str = "key.pem";
/// Client certificate, PEM.
pub const CERTIFICATE: &str = "certificate.pem";
/// The portal's CA, PEM.
pub const CA: &str = "ca.pem";
const ENROLMENT: &str = "enrolment.json";
/// What a key in the making belongs to: a token (its SHA-256) or the certificate it is to replace.
const PURPOSE: &str = "token-digest";
/// Digests of used tokens remembered: more than anybody gives one appliance.
const MAX_USED: usize = 32;

/// What an identity belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The sensor's id at the portal.
    pub sensor: Uuid,
    /// The name it was registered under.
    pub sensor_name: String,
    /// The portal's address.
    pub portal: String,
    /// The machine it was made on; other marks mean that the disk was cloned.
    #[serde(default)]
    pub machine: Marks,
    /// When.
    pub activated: Timestamp,
    /// SHA-256 of the tokens that did their work here, oldest first. A platform may hand one over again at each
    /// start; only one that is not among these is news.
    #[serde(default)]
    pub used_tokens: Vec<String>,
}

/// A stored identity.
#[derive(Clone)]
pub struct Identity {
    /// What it belongs to.
    pub enrolment: Enrolment,
    key_pem: String,
    certificate_pem: String,
    ca_pem: String,
}

/// An identity before the portal's answer: only a key, already on disk.
pub(super) struct Candidate {
    key_pem: String,
}

impl Identity {
    /// The identity on this machine, if there is a whole one.
    pub fn load(host: &dyn Host) -> Result<Option<Self>, HostError> {
        let read = |name: &str| -> Result<Option<String>, HostError> {
            let content = host.read(&format!("{}/{name}", paths::IDENTITY_DIR))?;
            Ok(content.and_then(|c| String::from_utf8(c).ok()))
        };
        let (Some(key_pem), Some(certificate_pem), Some(ca_pem), Some(enrolment)) =
            (read(KEY)?, read(CERTIFICATE)?, read(CA)?, read(ENROLMENT)?)
        else {
            return Ok(None);
        };
        let Ok(enrolment) = serde_json::from_str(&enrolment) else { return Ok(None) };
        Ok(Some(Self { enrolment, key_pem, certificate_pem, ca_pem }))
    }

    /// A client that the portal knows by this identity.
    pub fn client(&self, settings: &Settings, timeout: Duration) -> Result<Client, ClientError> {
        Client::builder(&self.enrolment.portal)
            .trust(Trust::CaPem(self.ca_pem.clone()))
            .extra_ca(settings.extra_ca_pem.clone())
            .identity(self.certificate_pem.clone(), self.key_pem.clone())
            .proxy(settings.proxy.clone())
            .timeout(timeout)
            .build()
    }

    /// The portal's CA, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Whether this token has already done its work here.
    pub fn has_used(&self, token: &ActivationToken) -> bool {
        self.enrolment.used_tokens.contains(&digest_of(token.encode().as_bytes()))
    }

    /// A few letters that are others for every certificate.
    pub fn certificate_mark(&self) -> String {
        digest_of(self.certificate_pem.as_bytes())[..16].to_owned()
    }

    /// Whether two thirds of the certificate's life are over. One whose dates cannot be read is left alone.
    pub fn is_due_for_renewal(&self, now: Timestamp) -> bool {
        let Ok((from, to)) = certificate_life(&self.certificate_pem) else { return false };
        now.seconds() >= from + (to - from) / 3 * 2
    }

    /// Asks the portal for a certificate with a new key, while the present one still works, and puts both in place.
    ///
    /// # Errors
    /// Any; then the present ones stay. Asking again uses the same new key, so an answer that got lost costs nothing.
    pub async fn renew(&self, host: &dyn Host, client: &Client) -> Result<Self, ActivationError> {
        let purpose = format!("renewal {}", digest_of(self.certificate_pem.as_bytes()));
        let candidate = Candidate::prepare(host, &purpose)?;
        let request = RenewalRequest { csr_pem: candidate.request_pem(self.enrolment.sensor)? };
        let answer: RenewalResponse = client.post_json(path::RENEW, &request).await?;
        let renewed =
            Self { key_pem: candidate.key_pem, certificate_pem: answer.certificate_pem, ..self.clone() };
        // builds only if the certificate belongs to the key
        Client::builder(&renewed.enrolment.portal)
            .trust(Trust::CaPem(renewed.ca_pem.clone()))
            .identity(renewed.certificate_pem.clone(), renewed.key_pem.clone())
            .build()?;
        renewed.store(host)?;
        Ok(renewed)
    }

    /// Keeps the machine's present marks, so that small changes do not add up to another machine.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&mut self, host: &dyn Host, marks: Marks) -> Result<(), HostError> {
        // left behind by whoever died right after the identity was put in place
        host.remove(&format!("{}/{PURPOSE}", paths::IDENTITY_DIR))?;
        if self.enrolment.machine == marks || marks.adapters.is_empty() {
            return Ok(());
        }
        self.enrolment.machine = marks;
        let text = serde_json::to_string_pretty(&self.enrolment).unwrap_or_default();
        let path = format!("{}/{ENROLMENT}", paths::IDENTITY_DIR);
        host.write(&path, text.as_bytes(), Access::Sensor).map(drop)
    }

    pub(super) fn store(&self, host: &dyn Host) -> Result<(), ActivationError> {
        let enrolment =
            serde_json::to_string_pretty(&self.enrolment).map_err(|e| ActivationError::Key(e.to_string()))?;
        for (name, content) in [
            (CERTIFICATE, &self.certificate_pem),
            (CA, &self.ca_pem),
            (ENROLMENT, &enrolment),
            (KEY, &self.key_pem),
        ] {
            let path = format!("{}/{name}", paths::NEXT_IDENTITY_DIR);
            host.write(&path, content.as_bytes(), Access::Sensor)?;
        }
        host.replace_dir(paths::NEXT_IDENTITY_DIR, paths::IDENTITY_DIR)?;
        // not earlier: until the swap, this is what ties the key to the token the portal has bound it to
        Ok(host.remove(&format!("{}/{PURPOSE}", paths::IDENTITY_DIR))?)
    }
}

impl Candidate {
    /// For a token: see [`Candidate::prepare`].
    pub(super) fn for_token(host: &dyn Host, token: &ActivationToken) -> Result<Self, ActivationError> {
        Self::prepare(host, &digest_of(token.encode().as_bytes()))
    }

    /// The key of an earlier try with the same purpose, or a new one, stored before anybody is asked anything.
    fn prepare(host: &dyn Host, purpose: &str) -> Result<Self, ActivationError> {
        host.make_dir(paths::STATE_DIR, Access::Everyone)?;
        host.make_dir(paths::NEXT_IDENTITY_DIR, Access::Sensor)?;
        // a key belongs to one token: the portal binds the two, and another token must not inherit the binding
        let below = |name: &str| format!("{}/{name}", paths::NEXT_IDENTITY_DIR);
        let (key_path, purpose_path) = (below(KEY), below(PURPOSE));
        let same_purpose = host.read(&purpose_path)?.as_deref() == Some(purpose.as_bytes());
        let kept = host.read(&key_path)?.and_then(|k| String::from_utf8(k).ok());
        let usable = kept.filter(|k| same_purpose && KeyPair::from_pem(k).is_ok());
        let key_pem = match usable {
            Some(key_pem) => key_pem,
            None => {
                let key = KeyPair::generate().map_err(|e| ActivationError::Key(e.to_string()))?;
                host.remove(&purpose_path)?;
                host.write(&key_path, key.serialize_pem().as_bytes(), Access::Sensor)?;
                host.write(&purpose_path, purpose.as_bytes(), Access::Root)?;
                key.serialize_pem()
            }
        };
        Ok(Self { key_pem })
    }

    /// PKCS#10 request. The portal uses its public key only and decides the names itself.
    pub(super) fn request_pem(&self, sensor: Uuid) -> Result<String, ActivationError> {
        let wrong = |e: rcgen::Error| ActivationError::Key(e.to_string());
        let key = KeyPair::from_pem(&self.key_pem).map_err(wrong)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, sensor.to_string());
        params.serialize_request(&key).and_then(|r| r.pem()).map_err(wrong)
    }

    pub(super) fn complete(
        self,
        answer: EnrolmentResponse,
        token: &ActivationToken,
        machine: Marks,
        mut used_tokens: Vec<String>,
        now: Timestamp,
    ) -> Identity {
        used_tokens.push(digest_of(token.encode().as_bytes()));
        let surplus = used_tokens.len().saturating_sub(MAX_USED);
        used_tokens.drain(..surplus);
        Identity {
            enrolment: Enrolment {
                sensor: token.sensor,
                sensor_name: answer.sensor_name,
                portal: token.portal.clone(),
                machine,
                activated: now,
                used_tokens,
            },
            key_pem: self.key_pem,
            certificate_pem: answer.certificate_pem,
            ca_pem: answer.ca_pem,
        }
    }
}

fn digest_of(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}
