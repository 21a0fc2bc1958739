//! Judging the certificate that answers for the portal.
//!
//! With a pin, the server sends its chain including its CA. The certificate whose SHA-256 is the pin becomes the only
//! root, and the leaf is verified against it by webpki, for the name and the present time. The operator's own CAs, if
//! any, are asked second; who was let in by them is remembered, because an inspecting proxy hides the appliance's own
//! certificate from the portal and has to be named when the portal then does not know the appliance.
//!
//! A chain that is right in everything but the dates is told apart from a wrong one, because then the likely culprit is
//! this machine's clock. [`Judge::measuring`] accepts exactly such chains, at the certificate's own time, for the one
//! request that reads the portal's `Date` header.

use std::sync::{Arc, Mutex};

use eyot_contract::CaPin;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use crate::ClientError;

/// Whom to believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The CA whose certificate has this SHA-256; for an appliance that has only its token.
    Pin(CaPin),
    /// The CAs in this PEM text; for an appliance that has enrolled and keeps the portal's CA.
    CaPem(String),
    /// The roots that the system believes, PEM ([`SYSTEM_ROOTS`]); for hosts that are not the portal.
    Roots(String),
}

/// Where Debian and Ubuntu keep the roots that the system believes, the operator's own among them.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The pin of the first certificate in a PEM text.
///
/// # Errors
/// [`ClientError::Material`] if there is none.
pub fn ca_pin(pem: &str) -> Result<CaPin, ClientError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| material("the portal's CA", format!("it is not a PEM certificate ({e})")))?;
    Ok(pin_of(&der))
}

/// From when to when the first certificate in a PEM text is good, in seconds since the epoch.
///
/// # Errors
/// [`ClientError::Material`] if there is none.
pub fn certificate_life(pem: &str) -> Result<(i64, i64), ClientError> {
    let wrong = |reason: String| material("the certificate", reason);
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|e| wrong(e.to_string()))?;
    let life = parsed.validity();
    Ok((life.not_before.timestamp(), life.not_after.timestamp()))
}

/// Why a chain was not accepted; travels inside `rustls::Error` and is taken out again by `client`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("the pinned CA is not in the chain")]
    WrongPin { issuer: String, for_name: bool },
    #[error("{reason}")]
    Certificate { reason: String, issuer: String, issuer_known: bool },
    /// Right in everything but the dates; both in seconds since the epoch.
    #[error("not valid at this time")]
    Dates { not_before: i64, not_after: i64, issuer: String },
}

#[derive(Debug)]
pub(crate) struct Judge {
    pin: Option<CaPin>,
    /// The portal's CA, where it is known by more than its pin.
    own: RootCertStore,
    /// The operator's.
    extra: RootCertStore,
    provider: Arc<CryptoProvider>,
    forgive_dates: bool,
    admitted: Admitted,
}

/// Who issued the certificate that was let in last, if that was by the operator's CAs and not by the portal's own.
pub(crate) type Admitted = Arc<Mutex<Option<String>>>;

impl Judge {
    pub(crate) fn new(
        trust: &Trust,
        extra_ca_pem: Option<&str>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, ClientError> {
        let (mut own, mut extra) = (RootCertStore::empty(), RootCertStore::empty());
        let pin = match trust {
            Trust::Pin(pin) => Some(*pin),
            Trust::CaPem(pem) => {
                add_roots(&mut own, pem, "the portal's CA")?;
                None
            }
            Trust::Roots(pem) => {
                // one root in a system's bundle that cannot be read must not shut out the others
                let readable = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
                if own.add_parsable_certificates(readable).0 == 0 {
                    return Err(material("the system's roots", "they hold no certificate".to_owned()));
                }
                None
            }
        };
        if let Some(pem) = extra_ca_pem {
            add_roots(&mut extra, pem, "portal.ca")?;
        }
        Ok(Self { pin, own, extra, provider, forgive_dates: false, admitted: Admitted::default() })
    }

    pub(crate) fn admitted(&self) -> Admitted {
        Arc::clone(&self.admitted)
    }

    /// The same judge, who looks away from the dates. Only for reading the time.
    pub(crate) fn measuring(&self) -> Self {
        Self {
            pin: self.pin,
            own: self.own.clone(),
            extra: self.extra.clone(),
            provider: Arc::clone(&self.provider),
            forgive_dates: true,
            admitted: Admitted::default(),
        }
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let parsed = ParsedCertificate::try_from(leaf).map_err(|e| rejected(leaf, &e))?;
        let mut own = self.own.clone();
        let pinned = self.pin.and_then(|pin| intermediates.iter().find(|c| pin_of(c) == pin));
        if let Some(anchor) = pinned {
            own.add(anchor.clone().into_owned()).map_err(|e| rejected(leaf, &e))?;
        }
        let by_own = self.judge_by(&own, &parsed, (leaf, intermediates), now);
        let (outcome, admitted) = match by_own {
            Err(Verdict::Issuer(_)) if !self.extra.is_empty() => {
                let outcome = self.judge_by(&self.extra, &parsed, (leaf, intermediates), now);
                let issuer = outcome.is_ok().then(|| issuer(leaf));
                (outcome, issuer)
            }
            other => (other, None),
        };
        let named = verify_server_name(&parsed, name);
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(Verdict::Issuer(_)) if self.pin.is_some() => {
                return Err(Rejection::WrongPin {
                    issuer: outermost_issuer(leaf, intermediates),
                    for_name: named.is_ok(),
                })
            }
            Err(Verdict::Issuer(error)) => Err(rejected(leaf, &error)),
            Err(Verdict::Other(rejection)) => Err(rejection),
        };
        // the name is judged even where the dates are not: a wrong machine's clock is of no interest
        named.map_err(|e| rejected(leaf, &e))?;
        if outcome.is_ok() {
            // a poisoned lock only means that another thread stopped while writing this same text
            *self.admitted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = admitted;
        }
        outcome
    }

    /// The chain against these roots, the name aside.
    fn judge_by(
        &self,
        roots: &RootCertStore,
        parsed: &ParsedCertificate<'_>,
        (leaf, intermediates): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
    ) -> Result<(), Verdict> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verify =
            |at| verify_server_cert_signed_by_trust_anchor(parsed, roots, intermediates, at, algorithms);
        match verify(now) {
            Ok(()) => Ok(()),
            Err(error) if is_about_dates(&error) => {
                let dates = Dates::common(leaf, intermediates);
                match dates.filter(|d| verify(d.not_before_time()).is_ok()) {
                    Some(_) if self.forgive_dates => Ok(()),
                    Some(dates) => Err(Verdict::Other(Rejection::Dates {
                        not_before: dates.not_before,
                        not_after: dates.not_after,
                        issuer: issuer(leaf),
                    })),
                    None => Err(Verdict::Issuer(rustls::Error::InvalidCertificate(
                        CertificateError::UnknownIssuer,
                    ))),
                }
            }
            Err(error @ rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                Err(Verdict::Issuer(error))
            }
            Err(error) => Err(Verdict::Other(rejected(leaf, &error))),
        }
    }
}

/// What one set of roots makes of a chain.
enum Verdict {
    /// Not theirs: another set may know it.
    Issuer(rustls::Error),
    Other(Rejection),
}

/// Lets anybody in. For the one question, asked without identity or secret after the certificate was refused, of who it
/// is that answers in the portal's place.
#[derive(Debug)]
pub(crate) struct Anybody(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, server_name, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|r| rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(r)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// When every certificate of a chain is valid, in seconds since the epoch.
struct Dates {
    not_before: i64,
    not_after: i64,
}

impl Dates {
    fn common(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<Self> {
        std::iter::once(leaf).chain(intermediates).try_fold(
            Self { not_before: 0, not_after: i64::MAX },
            |so_far, der| {
                let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
                let validity = certificate.validity();
                let dates = Self {
                    not_before: so_far.not_before.max(validity.not_before.timestamp()),
                    not_after: so_far.not_after.min(validity.not_after.timestamp()),
                };
                (dates.not_before <= dates.not_after).then_some(dates)
            },
        )
    }

    fn not_before_time(&self) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.not_before.try_into().unwrap_or(0)))
    }
}

fn is_about_dates(error: &rustls::Error) -> bool {
    use CertificateError as E;
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. }
        )
    )
}

fn rejected(leaf: &CertificateDer<'_>, error: &rustls::Error) -> Rejection {
    let reason = match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            format!("it is for another name ({})", presented.join(", "))
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName) => {
            "it is for another name".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its issuer is not trusted".to_owned()
        }
        other => other.to_string(),
    };
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    Rejection::Certificate { reason, issuer: issuer(leaf), issuer_known: *error != unknown }
}

/// The issuer's name as a certificate gives it.
fn issuer(der: &CertificateDer<'_>) -> String {
    x509_parser::parse_x509_certificate(der)
        .map_or_else(|_| "an unreadable name".to_owned(), |(_, c)| format!("\"{}\"", c.issuer()))
}

/// The issuer furthest from the leaf: of an inspecting proxy's chain, the name people know it by.
fn outermost_issuer(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    issuer(intermediates.last().unwrap_or(leaf))
}

fn pin_of(der: &CertificateDer<'_>) -> CaPin {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    CaPin(bytes)
}

pub(crate) fn add_roots(roots: &mut RootCertStore, pem: &str, what: &'static str) -> Result<(), ClientError> {
    let before = roots.len();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.map_err(|e| material(what, format!("it is not valid PEM ({e})")))?;
        roots.add(der).map_err(|e| material(what, e.to_string()))?;
    }
    if roots.len() == before {
        return Err(material(what, "it holds no certificate".to_owned()));
    }
    Ok(())
}

fn material(what: &'static str, reason: String) -> ClientError {
    ClientError::Material { what, reason, remedy: "give it as PEM text with whole BEGIN and END lines" }
}
