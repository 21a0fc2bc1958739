//! The server's certificate: for the names browsers and sensors use, signed by the CA, renewed in good time.
//!
//! It is kept in `server.pem` so that a restart does not change it. Whatever makes the kept one unfit (other names,
//! another CA, too little life left, a damaged file) leads to a new one; unlike the CA, nobody remembers it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use eyot_contract::Timestamp;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::{life, serial, Authority, CaError, DAY};
use crate::files;

/// Life in days: what browsers accept of a certificate whose CA was installed by hand.
const SERVER_DAYS: i64 = 397;
/// A certificate with less life than this left is replaced.
const RENEW_BEFORE_DAYS: i64 = 30;

/// A certificate and its key, ready to serve.
pub struct ServerCertificate {
    /// Leaf first, then the CA, so that a client that pins the CA sees it.
    pub certified: Arc<CertifiedKey>,
    /// Whether it was made just now.
    pub renewed: bool,
}

impl ServerCertificate {
    /// The certificate kept in this folder if it fits, else a new one. Names are host names or IP addresses.
    ///
    /// # Errors
    /// The file cannot be read or written, or a name cannot stand in a certificate.
    pub fn load_or_renew(
        folder: &Path,
        authority: &Authority,
        names: &[String],
        now: Timestamp,
    ) -> Result<Self, CaError> {
        let path = folder.join("server.pem");
        if let Some(text) = files::read_if_there(&path)? {
            if let Some(certified) = fitting(&text, authority, names, now) {
                return Ok(Self { certified, renewed: false });
            }
        }
        let text = create(authority, names, now)?;
        files::write_private(&path, text.as_bytes())?;
        let certified = fitting(&text, authority, names, now).ok_or_else(|| CaError::Damaged {
            path,
            reason: "a certificate made just now does not fit its own purpose".to_owned(),
        })?;
        Ok(Self { certified, renewed: true })
    }
}

impl ServerCertificate {
    /// What `curl --pinnedpubkey` wants to be told of the kept certificate: `sha256//` and the base64 of its key's digest.
    /// `None` if there is none yet.
    pub fn key_pin(folder: &Path) -> Option<String> {
        use base64::Engine;
        let text = files::read_if_there(&folder.join("server.pem")).ok()??;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
        let digest = ring::digest::digest(&ring::digest::SHA256, parsed.public_key().raw);
        Some(format!("sha256//{}", base64::engine::general_purpose::STANDARD.encode(digest)))
    }
}

fn create(authority: &Authority, names: &[String], now: Timestamp) -> Result<String, CaError> {
    let subject = names.first().cloned().unwrap_or_default();
    let make = |source| CaError::Make { subject: subject.clone(), source };
    let mut params = CertificateParams::new(names.to_vec()).map_err(make)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    // 64 characters is what a common name may have (RFC 5280, ub-common-name); the names proper are in the SAN
    let common: String = subject.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, common);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial()?);
    (params.not_before, params.not_after) = life(now, SERVER_DAYS);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
    let made = params.signed_by(&key, &authority.issuer).map_err(make)?;
    Ok(format!("{}{}", made.pem(), key.serialize_pem()))
}

fn fitting(text: &str, authority: &Authority, names: &[String], now: Timestamp) -> Option<Arc<CertifiedKey>> {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
    {
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
        let (_, ca) = x509_parser::parse_x509_certificate(authority.certificate()).ok()?;
        parsed.verify_signature(Some(ca.public_key())).ok()?;
        let life = parsed.validity();
        let enough = life.not_after.timestamp() - now.seconds() >= RENEW_BEFORE_DAYS * DAY;
        if !enough || life.not_before.timestamp() > now.seconds() || names_of(&parsed)? != names {
            return None;
        }
    }
    let signer = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    let certified = CertifiedKey::new(vec![certificate, authority.certificate().clone()], signer);
    certified.keys_match().ok()?;
    Some(Arc::new(certified))
}

fn names_of(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let names = certificate.subject_alternative_name().ok()??.value.general_names.iter();
    names
        .map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
                16 => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::NOW;
    use super::*;

    fn later(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY * 1_000_000)
    }

    #[test]
    fn it_is_kept_until_it_no_longer_fits() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(NOW).unwrap();
        let names = ["portal.example".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        let get = |authority: &Authority, names: &[String], now| {
            ServerCertificate::load_or_renew(folder.path(), authority, names, now).unwrap().renewed
        };
        assert!(get(&authority, &names, NOW));
        assert!(!get(&authority, &names, NOW));
        assert!(!get(&authority, &names, later(SERVER_DAYS - RENEW_BEFORE_DAYS)));
        assert!(get(&authority, &names, later(SERVER_DAYS - RENEW_BEFORE_DAYS + 1)), "little life left");
        assert!(get(&authority, &names[..2], later(400)), "other names");
        let other = Authority::create(NOW).unwrap();
        assert!(get(&other, &names[..2], later(400)), "another CA");
        std::fs::write(folder.path().join("server.pem"), "rubbish").unwrap();
        assert!(get(&other, &names[..2], later(400)), "a damaged file");
    }

    #[test]
    fn the_ca_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(NOW).unwrap();
        let made =
            ServerCertificate::load_or_renew(folder.path(), &authority, &["a".to_owned()], NOW).unwrap();
        assert_eq!(made.certified.cert[1], *authority.certificate());
    }
}
