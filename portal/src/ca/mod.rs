//! The portal's own certificate authority: who the portal is to a sensor, and who a sensor is to the portal.
//!
//! One ECDSA P-256 key in `ca.pem` (key and certificate in one file, so that no crash can part them). Sensors pin the
//! certificate by the SHA-256 of its DER; it therefore never changes for as long as sensors carry the pin. The server's
//! certificate is in [`leaf`]. Revocation lists are not made: the portal is the only one to check sensor
//! certificates, and looks each up in its store.

mod leaf;

use std::path::{Path, PathBuf};

use eyot_contract::{CaPin, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};
use ring::digest::{digest, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::files::{self, FileError};
use crate::secret::{self, NoRandomness};

pub use leaf::ServerCertificate;

/// Life of the CA certificate in days: longer than any appliance that pins it.
const CA_DAYS: i64 = 20 * 365;
/// Life of a sensor's certificate in days.
pub const CLIENT_DAYS: i64 = 365;
/// Certificates begin a day in the past, so that a clock some hours slow still accepts them.
const BACKDATE_DAYS: i64 = 1;

const DAY: i64 = 86_400;

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The CA's file is not what this module writes.
    #[error("{} does not hold a CA key and certificate ({reason}); restore it from a back-up: sensors trust this CA only", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No certificate could be put together.
    #[error("cannot make a certificate for {subject}")]
    Make {
        /// Whose.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Why a certificate request is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is no PKCS#10 request, or its signature is not by its key.
    #[error("the certificate request cannot be read, or is not signed with its own key")]
    Unreadable(#[source] rcgen::Error),
    /// A kind of key this portal does not sign.
    #[error("the certificate request has a kind of key that is not accepted; P-256, P-384 and Ed25519 are")]
    Key,
}

/// The CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A public key whose holder has proved to hold the private half.
pub struct ProvenKey {
    request: CertificateSigningRequestParams,
}

/// A certificate made for a sensor.
pub struct ClientCertificate {
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// The certificate.
    pub pem: String,
    /// Hash of the public key in it.
    pub key_hash: String,
    /// End of its life.
    pub not_after: Timestamp,
}

impl Authority {
    /// The CA kept in this folder; made on the first call. The caller holds the folder's lock.
    ///
    /// # Errors
    /// The file cannot be read or written, or is damaged. A damaged file is never replaced.
    pub fn load_or_create(folder: &Path, now: Timestamp) -> Result<Self, CaError> {
        if let Some(found) = Self::load(folder)? {
            return Ok(found);
        }
        let made = Self::create(now)?;
        let text = format!("{}{}", made.pem, made.issuer.key().serialize_pem());
        files::write_private(&path(folder), text.as_bytes())?;
        Ok(made)
    }

    /// The CA kept in this folder, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn load(folder: &Path) -> Result<Option<Self>, CaError> {
        let path = path(folder);
        let Some(text) = files::read_if_there(&path)? else { return Ok(None) };
        let damaged = |reason: String| CaError::Damaged { path: path.clone(), reason };
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| damaged(e.to_string()))?;
        let key = KeyPair::try_from(&key).map_err(|e| damaged(e.to_string()))?;
        let certificate =
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|e| damaged(e.to_string()))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|e| damaged(e.to_string()))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(damaged("the key is not the certificate's".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|e| damaged(e.to_string()))?;
        // the certificate comes first in the file; its text is kept as it is
        let pem =
            text.split_inclusive("-----END CERTIFICATE-----").next().unwrap_or_default().to_owned() + "\n";
        Ok(Some(Self { issuer, certificate, pem }))
    }

    fn create(now: Timestamp) -> Result<Self, CaError> {
        let mark = hex::encode(secret::random::<4>()?);
        let subject = format!("Eyot portal CA {mark}");
        let make = |source| CaError::Make { subject: subject.clone(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        (params.not_before, params.not_after) = life(now, CA_DAYS);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let certificate = params.self_signed(&key).map_err(make)?;
        let pem = certificate.pem();
        let der = certificate.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate: der, pem })
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What tokens name this CA by.
    pub fn pin(&self) -> CaPin {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, &self.certificate).as_ref());
        CaPin(pin)
    }

    /// Makes a client certificate. Of the request only the key is used: name, life and purpose are the portal's to say.
    ///
    /// # Errors
    /// No certificate could be put together.
    pub fn sign_client(
        &self,
        key: &ProvenKey,
        sensor: Uuid,
        now: Timestamp,
    ) -> Result<ClientCertificate, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, sensor.to_string());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let serial = serial()?;
        params.serial_number = Some(serial.clone());
        (params.not_before, params.not_after) = life(now, CLIENT_DAYS);
        let not_after = Timestamp::from_seconds(params.not_after.unix_timestamp());
        let made = params
            .signed_by(&key.request.public_key, &self.issuer)
            .map_err(|source| CaError::Make { subject: format!("sensor {sensor}"), source })?;
        Ok(ClientCertificate {
            serial: hex::encode(serial.to_bytes()),
            pem: made.pem(),
            key_hash: key.hash(),
            not_after,
        })
    }
}

impl ProvenKey {
    /// Reads a PKCS#10 request and checks that it is signed with its own key.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_request_pem(pem: &str) -> Result<Self, RequestError> {
        let request = CertificateSigningRequestParams::from_pem(pem).map_err(RequestError::Unreadable)?;
        let kind = request.public_key.algorithm();
        let accepted = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
        match accepted.contains(&kind) {
            true => Ok(Self { request }),
            false => Err(RequestError::Key),
        }
    }

    /// Hash of the key (its SubjectPublicKeyInfo).
    pub fn hash(&self) -> String {
        secret::hash(&self.request.public_key.subject_public_key_info())
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// 16 random bytes, the first of them 0x01–0x7f: positive and without a leading zero, whatever writes it (RFC 5280
/// §4.1.2.2).
fn serial() -> Result<SerialNumber, NoRandomness> {
    let mut bytes = secret::random::<16>()?;
    bytes[0] = (bytes[0] & 0x7f).max(1);
    Ok(SerialNumber::from_slice(&bytes))
}

fn life(now: Timestamp, days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let at =
        |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (at(now.seconds() - BACKDATE_DAYS * DAY), at(now.seconds() + days * DAY))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(super) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    #[test]
    fn the_ca_is_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Authority::load(folder.path()).unwrap().is_none());
        let made = Authority::load_or_create(folder.path(), NOW).unwrap();
        let read = Authority::load_or_create(folder.path(), NOW).unwrap();
        assert_eq!(made.pin(), read.pin());
        assert_eq!(made.pem().trim(), read.pem().trim());
        assert_ne!(made.pin(), Authority::create(NOW).unwrap().pin());
    }

    #[test]
    fn a_damaged_ca_is_reported_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        Authority::load_or_create(folder.path(), NOW).unwrap();
        let text = std::fs::read_to_string(path(folder.path())).unwrap();
        let other = Authority::create(NOW).unwrap();
        for broken in ["", &text[..text.len() / 2], &format!("{}{}", other.pem, text)] {
            std::fs::write(path(folder.path()), broken).unwrap();
            let error = Authority::load_or_create(folder.path(), NOW).err().unwrap().to_string();
            assert!(error.contains("restore it from a back-up"), "{error}");
            assert_eq!(std::fs::read_to_string(path(folder.path())).unwrap(), broken);
        }
    }

    #[test]
    fn the_portal_decides_what_a_client_certificate_says() {
        let authority = Authority::create(NOW).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(["portal.example".to_owned()]).unwrap();
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let request = wanted.serialize_request(&key).unwrap().pem().unwrap();
        let proven = ProvenKey::from_request_pem(&request).unwrap();
        let sensor = Uuid::from_u128(7);
        let made = authority.sign_client(&proven, sensor, NOW).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(made.pem.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        assert_eq!(certificate.subject().to_string(), format!("CN={sensor}"));
        assert!(certificate.subject_alternative_name().unwrap().is_none());
        assert!(!certificate.is_ca());
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert_eq!(certificate.raw_serial_as_string().replace(':', ""), made.serial);
        assert_eq!(certificate.validity().not_after.timestamp(), made.not_after.seconds());
        assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        let mut der = request.der().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
        assert!(matches!(ProvenKey::from_request_pem(&pem), Err(RequestError::Unreadable(_))));
        assert!(matches!(ProvenKey::from_request_pem("hello"), Err(RequestError::Unreadable(_))));
    }
}
