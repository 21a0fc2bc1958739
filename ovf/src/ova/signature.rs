//! The certificate member: an RSA PKCS#1 v1.5 signature over the manifest's bytes, and the X.509 certificate in PEM
//! (DSP0243 5.1). This kind of signature has no randomness, so a signed OVA is as reproducible as an unsigned one.
//! Whether the certificate's issuer is trusted is the importer's business.

use std::fmt;

use ring::rsa::KeyPair;
use ring::signature::{UnparsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use serde::Serialize;
use thiserror::Error;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// Why something cannot be signed, or a signature does not hold.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// The key file. What it holds is never repeated.
    #[error("the signing key is not an unencrypted RSA private key in PEM of 2048 to 8192 bits ({0})")]
    Key(&'static str),
    /// The certificate file.
    #[error("the certificate is not X.509 in PEM ({0})")]
    Certificate(String),
    /// Key and certificate are of two pairs.
    #[error("the certificate belongs to another key than the one given")]
    Pair,
    /// The crypto library failed.
    #[error("signing failed")]
    Signing,
    /// The certificate member's first line.
    #[error("the certificate member's first line is not SHA256(manifest)= signature")]
    Line,
    /// The signature is of other bytes or another key.
    #[error("the signature does not match the manifest")]
    Mismatch,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publisher {
    /// the certificate's subject
    pub subject: String,
    /// the certificate's issuer
    pub issuer: String,
    /// whether it signed itself
    pub self_signed: bool,
    /// seconds since 1970 from which it holds
    pub not_before: i64,
    /// seconds since 1970 until which it holds
    pub not_after: i64,
}

/// A key with its certificate.
pub struct Signer {
    key: KeyPair,
    certificate: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// From the text of a PEM key (PKCS#8 or PKCS#1) and of a PEM certificate, its chain perhaps following.
    pub fn new(key_pem: &[u8], certificate_pem: &[u8]) -> Result<Self, SignatureError> {
        let key = Pem::iter_from_buffer(key_pem)
            .next()
            .and_then(Result::ok)
            .ok_or(SignatureError::Key("no PEM block"))?;
        let pair = match key.label.as_str() {
            "PRIVATE KEY" => KeyPair::from_pkcs8(&key.contents),
            "RSA PRIVATE KEY" => KeyPair::from_der(&key.contents),
            _ => return Err(SignatureError::Key("another kind of PEM block")),
        };
        let key = pair.map_err(|_| SignatureError::Key("not accepted by the crypto library"))?;
        let certificate = String::from_utf8(certificate_pem.to_vec())
            .map_err(|_| SignatureError::Certificate("not text".to_owned()))?;
        let certificate = format!("{}\n", certificate.trim());
        let (public, _) = certificate_of(certificate.as_bytes())?;
        if public != key.public().as_ref() {
            return Err(SignatureError::Pair);
        }
        Ok(Signer { key, certificate })
    }

    /// Length in bytes of what [`certificate_file`](Signer::certificate_file) gives.
    pub fn certificate_file_length(&self, manifest_name: &str) -> u64 {
        let line = format!("SHA256({manifest_name})= ").len() + 2 * self.key.public().modulus_len() + 1;
        (line + self.certificate.len()) as u64
    }

    /// The certificate member for this manifest.
    pub fn certificate_file(&self, manifest_name: &str, manifest: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        // The random numbers are for blinding only; the signature is the same every time.
        self.key
            .sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), manifest, &mut signature)
            .map_err(|_| SignatureError::Signing)?;
        Ok(format!("SHA256({manifest_name})= {}\n{}", hex::encode(signature), self.certificate).into_bytes())
    }
}

/// Checks a certificate member against the manifest's bytes; tells who signed.
pub fn check_certificate(member: &[u8], manifest: &[u8]) -> Result<Publisher, SignatureError> {
    let end = member.iter().position(|&b| b == b'\n').ok_or(SignatureError::Line)?;
    let line = std::str::from_utf8(&member[..end]).map_err(|_| SignatureError::Line)?;
    let (head, digits) = line.split_once(")= ").ok_or(SignatureError::Line)?;
    if !head.starts_with("SHA256(") {
        return Err(SignatureError::Line);
    }
    let signature = hex::decode(digits.trim_end()).map_err(|_| SignatureError::Line)?;
    let (public, publisher) = certificate_of(&member[end + 1..])?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public)
        .verify(manifest, &signature)
        .map_err(|_| SignatureError::Mismatch)?;
    Ok(publisher)
}

/// The RSA public key (PKCS#1 DER) and names of the first certificate in a PEM text.
fn certificate_of(pem: &[u8]) -> Result<(Vec<u8>, Publisher), SignatureError> {
    let failed = |reason: &str| SignatureError::Certificate(reason.to_owned());
    let block =
        Pem::iter_from_buffer(pem).next().and_then(Result::ok).ok_or_else(|| failed("no PEM block"))?;
    if block.label != "CERTIFICATE" {
        return Err(failed("another kind of PEM block"));
    }
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&block.contents)
        .map_err(|_| failed("not a DER certificate"))?;
    let public = certificate.public_key().subject_public_key.data.to_vec();
    let publisher = Publisher {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        self_signed: certificate.subject() == certificate.issuer(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    };
    Ok((public, publisher))
}
