//! The page's certificate: made by the appliance itself, so what tells it from an impostor's is its fingerprint on the
//! console. It is kept, so that a browser that was shown it once knows it again; a copied disk makes its own.
//!
//! Its dates say nothing: the clock may be wrong when the page is needed most.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{digest, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};

use crate::activate::Marks;
use crate::host::{Access, Host, HostError};
use crate::paths;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The machine.
    #[error("the page's certificate cannot be kept")]
    Host(#[from] HostError),
    /// It cannot be made.
    #[error("the page's certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// What was kept is damaged.
    #[error("{} is damaged", paths::PAGE_CERTIFICATE)]
    Read(#[from] rustls::pki_types::pem::Error),
    /// TLS does not take it.
    #[error("the page's certificate cannot be used")]
    Use(#[from] rustls::Error),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    machine: Marks,
    certificate: String,
    key: String,
}

/// What TLS needs, and the fingerprint.
pub struct Certificate {
    /// TLS 1.2 and 1.3, HTTP/1.1.
    pub tls: Arc<ServerConfig>,
    /// SHA-256 of the certificate: `AB:CD:…`.
    pub fingerprint: String,
}

impl Certificate {
    /// The one that is kept, if it is whole and this machine's; else a new one.
    ///
    /// # Errors
    /// The machine does not keep it, or it cannot be made.
    pub fn of(host: &dyn Host) -> Result<Self, CertificateError> {
        let machine = Marks::of(host)?;
        let kept: Option<Kept> =
            host.read(paths::PAGE_CERTIFICATE)?.and_then(|c| serde_json::from_slice(&c).ok());
        if let Some(kept) = kept.filter(|k| k.machine.moved(&machine).is_none()) {
            if let Ok(certificate) = Self::usable(&kept) {
                return Ok(certificate);
            }
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Eyot sensor");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let certificate = params.self_signed(&key)?.pem();
        let made = Kept { machine, certificate, key: key.serialize_pem() };
        let usable = Self::usable(&made)?;
        host.make_dir(paths::STATE_DIR, Access::Everyone)?;
        host.write(paths::PAGE_CERTIFICATE, &serde_json::to_vec(&made).unwrap_or_default(), Access::Root)?;
        Ok(usable)
    }

    fn usable(kept: &Kept) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from_pem_slice(kept.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(kept.key.as_bytes())?;
        let pairs: Vec<String> =
            digest(&SHA256, &certificate).as_ref().iter().map(|b| format!("{b:02X}")).collect();
        let mut tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls), fingerprint: pairs.join(":") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    #[test]
    fn it_is_kept_for_root_alone_and_made_anew_on_another_machine_or_when_damaged() {
        let host = Double::default();
        host.put(paths::MACHINE_ID, "one");
        let first = Certificate::of(&host).unwrap().fingerprint;
        assert_eq!(first.len(), 32 * 3 - 1);
        assert_eq!(host.access(paths::PAGE_CERTIFICATE), Some(Access::Root));
        assert_eq!(Certificate::of(&host).unwrap().fingerprint, first);
        host.put(paths::MACHINE_ID, "two");
        let second = Certificate::of(&host).unwrap().fingerprint;
        assert_ne!(second, first);
        host.put(paths::PAGE_CERTIFICATE, "{");
        assert_ne!(Certificate::of(&host).unwrap().fingerprint, second);
    }
}
