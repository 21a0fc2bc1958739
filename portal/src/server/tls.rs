//! TLS as the portal speaks it: 1.2 and 1.3, ring, HTTP/1.1, the client certificate asked for and not demanded.
//!
//! A client certificate that is expired or from elsewhere does not break the handshake: the sensor would see nothing but
//! an alert. It is let in as [`Peer::Refused`] and told by a proper answer what to do. What TLS itself proves, that the
//! peer holds the certificate's key, is checked in every case.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use eyot_contract::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};

use super::{Peer, ServeError};
use crate::ca::Authority;

/// The server's certificate, replaceable while serving.
pub(super) struct Certificates(RwLock<Arc<CertifiedKey>>);

impl Certificates {
    pub(super) fn new(first: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(first))
    }

    pub(super) fn replace(&self, next: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Tells this CA's client certificates from others.
#[derive(Debug)]
pub(super) struct Door {
    strict: Arc<dyn ClientCertVerifier>,
}

impl Door {
    pub(super) fn new(authority: &Authority) -> Result<Self, ServeError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone()).map_err(ServeError::Tls)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let strict = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(ServeError::Verifier)?;
        Ok(Self { strict })
    }

    /// Who showed these certificates.
    pub(super) fn who(&self, shown: Option<&[CertificateDer<'_>]>) -> Peer {
        let Some((leaf, between)) = shown.and_then(<[_]>::split_first) else { return Peer::Anonymous };
        if self.strict.verify_client_cert(leaf, between, UnixTime::now()).is_err() {
            return Peer::Refused;
        }
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else { return Peer::Refused };
        Peer::Certified {
            serial: hex::encode(parsed.raw_serial()),
            not_after: Timestamp::from_seconds(parsed.validity().not_after.timestamp()),
        }
    }
}

impl ClientCertVerifier for Door {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // browsers offer their user only certificates of the authorities named here, so nobody is asked for nothing
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // judged by `who` once the connection stands
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

pub(super) fn config(door: &Arc<Door>, certificates: &Arc<Certificates>) -> Result<ServerConfig, ServeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ServeError::Tls)?
        .with_client_cert_verifier(door.clone())
        .with_cert_resolver(certificates.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
