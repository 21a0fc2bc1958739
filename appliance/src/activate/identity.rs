//! The appliance's identity: a key pair made here, the certificate the portal gave for it, the portal's CA, and what
//! they belong to. One directory that appears whole or not at all.

use std::time::Duration;

use eyot_client::{Client, ClientError, Trust};
use eyot_contract::settings::Settings;
use eyot_contract::{ActivationToken, EnrolmentResponse, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ActivationError;
use crate::host::{Access, Host, HostError};
use crate::paths;

/// Private key, PEM (PKCS#8, ECDSA P-256).
pub const KEY: &str = "key.pem";
/// Client certificate, PEM.
pub const CERTIFICATE: &str = "certificate.pem";
/// The portal's CA, PEM.
pub const CA: &str = "ca.pem";
const ENROLMENT: &str = "enrolment.json";
/// Which token a key in the making belongs to: SHA-256 of its secret.
const TOKEN_DIGEST: &str = "token-digest";

/// What an identity belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The sensor's id at the portal.
    pub sensor: Uuid,
    /// The name it was registered under.
    pub sensor_name: String,
    /// The portal's address.
    pub portal: String,
    /// Digest that names this machine; another one means that the disk was cloned or moved.
    pub machine: String,
    /// When.
    pub activated: Timestamp,
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
        Ok(host.remove(&format!("{}/{TOKEN_DIGEST}", paths::IDENTITY_DIR))?)
    }
}

impl Candidate {
    /// The key of an earlier try with the same token, or a new one, stored before anybody is asked anything.
    pub(super) fn prepare(host: &dyn Host, token: &ActivationToken) -> Result<Self, ActivationError> {
        host.make_dir(paths::STATE_DIR, Access::Everyone)?;
        host.make_dir(paths::NEXT_IDENTITY_DIR, Access::Sensor)?;
        // a key belongs to one token: the portal binds the two, and another token must not inherit the binding
        let below = |name: &str| format!("{}/{name}", paths::NEXT_IDENTITY_DIR);
        let (key_path, token_path) = (below(KEY), below(TOKEN_DIGEST));
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, &token.secret));
        let same_token = host.read(&token_path)?.as_deref() == Some(digest.as_bytes());
        let kept = host.read(&key_path)?.and_then(|k| String::from_utf8(k).ok());
        let usable = kept.filter(|k| same_token && KeyPair::from_pem(k).is_ok());
        let key_pem = match usable {
            Some(key_pem) => key_pem,
            None => {
                let key = KeyPair::generate().map_err(|e| ActivationError::Key(e.to_string()))?;
                host.remove(&token_path)?;
                host.write(&key_path, key.serialize_pem().as_bytes(), Access::Sensor)?;
                host.write(&token_path, digest.as_bytes(), Access::Root)?;
                key.serialize_pem()
            }
        };
        Ok(Self { key_pem })
    }

    /// PKCS#10 request. The portal uses its public key only and decides the names itself.
    pub(super) fn request_pem(&self, token: &ActivationToken) -> Result<String, ActivationError> {
        let wrong = |e: rcgen::Error| ActivationError::Key(e.to_string());
        let key = KeyPair::from_pem(&self.key_pem).map_err(wrong)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, token.sensor.to_string());
        params.serialize_request(&key).and_then(|r| r.pem()).map_err(wrong)
    }

    pub(super) fn complete(
        self,
        answer: EnrolmentResponse,
        token: &ActivationToken,
        machine: String,
        now: Timestamp,
    ) -> Identity {
        Identity {
            enrolment: Enrolment {
                sensor: token.sensor,
                sensor_name: answer.sensor_name,
                portal: token.portal.clone(),
                machine,
                activated: now,
            },
            key_pem: self.key_pem,
            certificate_pem: answer.certificate_pem,
            ca_pem: answer.ca_pem,
        }
    }
}

/// A digest of what makes this machine this machine: the DMI UUID that the hypervisor gives each VM, and machine-id.
pub fn machine_identity(host: &dyn Host) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for path in ["/sys/class/dmi/id/product_uuid", "/etc/machine-id"] {
        // either may be missing (containers, boards without DMI); the other one still tells machines apart
        let content = host.read(path).ok().flatten().unwrap_or_default();
        digest.update(content.trim_ascii());
        digest.update(b"\n");
    }
    hex::encode(digest.finish())
}
