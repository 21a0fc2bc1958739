//! Requests, and what their failures mean.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eyot_contract::path::ALIVE;
use eyot_contract::settings::Proxy;
use eyot_contract::{Refusal, RefusalCode, Timestamp};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use hyper::http::response;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::pace::Pace;
use crate::route::{host_and_port, Route};
use crate::stranger::Stranger;
use crate::trust::{add_roots, Admitted, Judge, Rejection};
use crate::way::proxy_way;
use crate::{ClientError, Trust, Way};

/// How long a request may take from the first packet to the last byte of the answer, unless the builder says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for one step on the way (name, TCP, CONNECT); half of the whole when the whole is shorter.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read. The contract's longest, an enrolment, is a few kilobytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// A sign of life takes a portal no time; who gives none within this is not waited for longer.
const ALIVE_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle connections are dropped after this, before middleboxes forget them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A certificate outside its dates is blamed on the clock when local and portal time are this far apart, in seconds.
const CLOCK_TOLERANCE_S: i64 = 120;
/// How the names of portals' CAs begin.
const PORTAL_CA: &str = "Eyot portal CA";

pub(crate) type Transport = legacy::Client<HttpsConnector<Route>, Full<Bytes>>;

/// A client for one portal. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    portal: Uri,
    host: String,
    transport: Transport,
    measuring: Transport,
    /// The same in small packets, to find out whether only those arrive.
    small: Transport,
    stranger: Stranger,
    admitted: Admitted,
    timeout: Duration,
}

/// What came back to [`Client::send`], whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The `Retry-After` field as it stands there.
    pub retry_after: Option<String>,
    /// Body, at most [`MAX_BODY_BYTES`].
    pub body: Vec<u8>,
}

/// The portal's sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// The portal's clock, from its `Date` header (whole seconds).
    pub server_date: Timestamp,
    /// This machine's clock when the answer came.
    pub local_date: Timestamp,
    /// Who issued the certificate, if it was let in by the operator's CAs and not by the portal's own.
    pub admitted: Option<String>,
}

impl Alive {
    /// By how many seconds this machine is ahead of the portal (negative: behind).
    pub fn drift_seconds(&self) -> i64 {
        self.local_date.seconds() - self.server_date.seconds()
    }
}

/// Options of a [`Client`].
#[derive(Clone)]
pub struct Builder {
    portal: String,
    trust: Option<Trust>,
    extra_ca_pem: Option<String>,
    identity: Option<(String, String)>,
    proxy: Option<Proxy>,
    timeout: Duration,
    bits_per_second: Option<u64>,
}

impl Client {
    /// Starts a client for `https://host[:port]`.
    pub fn builder(portal: impl Into<String>) -> Builder {
        Builder {
            portal: portal.into(),
            trust: None,
            extra_ca_pem: None,
            identity: None,
            proxy: None,
            timeout: DEFAULT_TIMEOUT,
            bits_per_second: None,
        }
    }

    /// `POST`s a value as JSON and reads the answer as JSON. An empty answer (204) reads as `()`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post_json<Req, Resp>(&self, path: &str, body: &Req) -> Result<Resp, ClientError>
    where
        Req: Serialize + ?Sized,
        Resp: DeserializeOwned,
    {
        let body = serde_json::to_vec(body).map_err(|e| self.unreadable(path, e.to_string()))?;
        let (_, answer) = self.request(&self.transport, Method::POST, path, Bytes::from(body)).await?;
        let text: &[u8] = if answer.is_empty() { b"null" } else { &answer };
        // serde's message can quote the text; the position is enough
        serde_json::from_slice(text).map_err(|e| {
            self.unreadable(path, format!("unexpected content at line {} column {}", e.line(), e.column()))
        })
    }

    /// Asks for the portal's sign of life.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn alive(&self) -> Result<Alive, ClientError> {
        match self.alive_through(&self.transport).await {
            Err(error @ ClientError::Timeout { .. }) => match self.alive_through(&self.small).await {
                Ok(_) => Err(ClientError::LargePackets { host: self.host.clone() }),
                Err(_) => Err(error),
            },
            outcome => outcome,
        }
    }

    async fn alive_through(&self, transport: &Transport) -> Result<Alive, ClientError> {
        let (headers, _) = self.request(transport, Method::GET, ALIVE, Bytes::new()).await?;
        let server_date = headers
            .get(DATE)
            .and_then(|v| v.to_str().ok())
            .and_then(http_date)
            .ok_or_else(|| self.unreadable(ALIVE, "it has no Date header".to_owned()))?;
        Ok(Alive { server_date, local_date: Timestamp::now(), admitted: self.admitted_by() })
    }

    fn admitted_by(&self) -> Option<String> {
        self.admitted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn request(
        &self,
        transport: &Transport,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), ClientError> {
        let outcome = self.exchange(transport, method, path, body).await;
        match outcome {
            Err(Failure::Dates { not_before, not_after, issuer }) => {
                Err(self.explain_dates(not_before, not_after, issuer).await)
            }
            Err(Failure::Stranger { told, inspects }) => Err(self.explain_stranger(told, inspects).await),
            Err(Failure::NoTls(told)) => Err(self.explain_no_tls(told).await),
            Err(Failure::Told(ClientError::Refused(refusal))) if refusal.code == RefusalCode::NotEnrolled => {
                // without our certificate the portal cannot know us, and who opened TLS took it away
                Err(match self.admitted_by() {
                    Some(issuer) => {
                        ClientError::Inspected { host: self.host.clone(), issuer, besides: String::new() }
                    }
                    None => ClientError::Refused(refusal),
                })
            }
            Err(Failure::Told(error)) => Err(error),
            Ok(answer) => Ok(answer),
        }
    }

    /// Sends any request to a host that does not speak the contract. `target` is path and query; neither it nor the
    /// header fields stand in an error, since they may authorise.
    ///
    /// # Errors
    /// Any [`ClientError`] but those about a status: what the host answered is the caller's to judge.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, ClientError> {
        let shown = target.split('?').next().unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| self.unreadable(shown, "no request can be made: unknown method".to_owned()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.portal.to_string().trim_end_matches('/')))
            .header(USER_AGENT, concat!("eyot/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| self.unreadable(shown, format!("no request can be made: {e}")))?;
        match self.answered(&self.transport, request, shown, self.timeout).await {
            Ok((parts, body)) => Ok(Reply {
                status: parts.status.as_u16(),
                retry_after: parts.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned),
                body: body.to_vec(),
            }),
            // the host has no sign of life to measure its clock by, so the certificate's dates are all that is said
            Err(Failure::Dates { not_before, not_after, issuer }) => Err(ClientError::Certificate {
                host: self.host.clone(),
                reason: format!(
                    "it is valid from {} to {} only; is this machine's clock right?",
                    Timestamp::from_seconds(not_before),
                    Timestamp::from_seconds(not_after)
                ),
                issuer,
            }),
            Err(Failure::Stranger { told, inspects }) => Err(self.explain_stranger(told, inspects).await),
            Err(Failure::NoTls(told)) => Err(self.explain_no_tls(told).await),
            Err(Failure::Told(error)) => Err(error),
        }
    }

    async fn exchange(
        &self,
        transport: &Transport,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let limit = if path == ALIVE { self.timeout.min(ALIVE_TIMEOUT) } else { self.timeout };
        let uri = format!("{}{path}", self.portal.to_string().trim_end_matches('/'));
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(USER_AGENT, concat!("eyot/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| self.unreadable(path, format!("no request can be made: {e}")))?;
        let (parts, body) = self.answered(transport, request, path, limit).await?;
        if parts.status.is_success() {
            return Ok((parts.headers, body));
        }
        Err(Failure::Told(self.refusal(path, parts.status, &body)))
    }

    async fn answered(
        &self,
        transport: &Transport,
        request: Request<Full<Bytes>>,
        path: &str,
        limit: Duration,
    ) -> Result<(response::Parts, Bytes), Failure> {
        let answered = async {
            let response = transport.request(request).await.map_err(|e| self.failure(&e))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES)
                .collect()
                .await
                .map_err(|e| self.unreadable(path, e.to_string()))?
                .to_bytes();
            Ok((parts, body))
        };
        tokio::time::timeout(limit, answered).await.unwrap_or_else(|_| {
            Err(Failure::Told(ClientError::Timeout {
                host: self.host.clone(),
                seconds: limit.as_secs().max(1),
                step: "waiting for its answer",
            }))
        })
    }

    fn refusal(&self, path: &str, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<Refusal>(body) {
            Ok(refusal) => ClientError::Refused(refusal),
            Err(_) => ClientError::Status {
                host: self.host.clone(),
                path: path.to_owned(),
                status: status.as_u16(),
            },
        }
    }

    /// The chain is the portal's and its dates do not fit the clock: whose fault is it?
    async fn explain_dates(&self, not_before: i64, not_after: i64, issuer: String) -> ClientError {
        match Box::pin(self.alive_through(&self.measuring)).await {
            Ok(alive) if alive.drift_seconds().abs() > CLOCK_TOLERANCE_S => {
                ClientError::ClockDrift { local: alive.local_date, portal: alive.server_date }
            }
            Ok(_) => ClientError::Certificate {
                host: self.host.clone(),
                reason: format!(
                    "it is valid from {} to {} only; renew it at the portal",
                    Timestamp::from_seconds(not_before),
                    Timestamp::from_seconds(not_after)
                ),
                issuer,
            },
            Err(error) => error,
        }
    }

    /// The certificate is not the portal's. Whose is it: a login page's, an inspecting proxy's, another server's?
    async fn explain_stranger(&self, told: ClientError, inspects: Option<String>) -> ClientError {
        let answer = self.stranger.ask_in_tls().await;
        if let Some(answer) = answer.as_ref().filter(|a| a.is_login_page(&self.host)) {
            return ClientError::CaptivePortal { host: self.host.clone(), answer: answer.words() };
        }
        let drift = answer.and_then(|a| a.date).map(|d| Timestamp::now().seconds() - d.seconds());
        let besides = match drift {
            Some(drift) if drift.abs() > CLOCK_TOLERANCE_S => {
                format!("; besides, this machine's clock is {} s from what answers there", drift.abs())
            }
            _ => String::new(),
        };
        match (inspects, told) {
            (Some(issuer), _) => ClientError::Inspected { host: self.host.clone(), issuer, besides },
            (None, ClientError::Certificate { host, reason, issuer }) => {
                ClientError::Certificate { host, reason: format!("{reason}{besides}"), issuer }
            }
            (None, told) => told,
        }
    }

    /// What answers speaks no TLS. Is it plain HTTP?
    async fn explain_no_tls(&self, told: ClientError) -> ClientError {
        match self.stranger.ask_plainly().await {
            Some(answer) if answer.is_login_page(&self.host) || answer.redirects() => {
                ClientError::CaptivePortal { host: self.host.clone(), answer: answer.words() }
            }
            Some(answer) => ClientError::Tls {
                host: self.host.clone(),
                reason: format!("it speaks plain HTTP ({})", answer.words()),
            },
            None => told,
        }
    }

    fn failure(&self, error: &legacy::Error) -> Failure {
        if let Some(told) = find::<ClientError>(error) {
            return Failure::Told(told.clone());
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return self.tls_failure(tls);
        }
        Failure::Told(ClientError::Tls { host: self.host.clone(), reason: deepest(error) })
    }

    fn tls_failure(&self, error: &rustls::Error) -> Failure {
        let host = self.host.clone();
        let told = match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<Rejection>() {
                    Some(Rejection::WrongPin { issuer, for_name }) => {
                        return Failure::Stranger {
                            told: ClientError::WrongPin { host, issuer: issuer.clone() },
                            inspects: inspector(issuer, *for_name),
                        }
                    }
                    Some(Rejection::Certificate { reason, issuer, issuer_known }) => {
                        return Failure::Stranger {
                            told: ClientError::Certificate {
                                host,
                                reason: reason.clone(),
                                issuer: issuer.clone(),
                            },
                            inspects: inspector(issuer, !issuer_known),
                        }
                    }
                    Some(Rejection::Dates { not_before, not_after, issuer }) => {
                        return Failure::Dates {
                            not_before: *not_before,
                            not_after: *not_after,
                            issuer: issuer.clone(),
                        }
                    }
                    None => ClientError::Tls { host, reason: error.to_string() },
                }
            }
            rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => {
                ClientError::IdentityRefused { alert: format!("{alert:?}") }
            }
            rustls::Error::InvalidMessage(_) => {
                return Failure::NoTls(ClientError::Tls { host, reason: error.to_string() })
            }
            other => ClientError::Tls { host, reason: other.to_string() },
        };
        Failure::Told(told)
    }

    fn unreadable(&self, path: &str, reason: String) -> ClientError {
        ClientError::Body { host: self.host.clone(), path: path.to_owned(), reason }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("portal", &self.portal)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Whom to believe. Without it, only the extra CAs are believed.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// CAs to believe besides, PEM: for networks whose proxy inspects TLS, and for `https://` proxies.
    pub fn extra_ca(mut self, pem: Option<String>) -> Self {
        self.extra_ca_pem = pem;
        self
    }

    /// Client certificate (chain) and its private key, both PEM.
    pub fn identity(mut self, certificate_pem: impl Into<String>, key_pem: impl Into<String>) -> Self {
        self.identity = Some((certificate_pem.into(), key_pem.into()));
        self
    }

    /// The proxy to go through, if any.
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Time limit of a whole request.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How fast the client may send, in bit/s; as fast as it can where nobody says.
    pub fn pace(mut self, bits_per_second: Option<u64>) -> Self {
        self.bits_per_second = bits_per_second;
        self
    }

    /// The same way for another protocol than HTTP, which keeps to no pace.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Material`].
    pub fn way(self) -> Result<Way, ClientError> {
        let destination: Uri = self.portal.parse().map_err(|_| ClientError::Address(self.portal.clone()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let extra = self.extra_ca_pem.as_deref();
        let trust = self.trust.unwrap_or_else(|| Trust::CaPem(extra.unwrap_or_default().to_owned()));
        let judge = Judge::new(&trust, extra, Arc::clone(&provider))?;
        let proxy_identity = self.proxy.as_ref().and_then(|p| p.identity.as_ref());
        let proxy_tls = Arc::new(proxy_tls(&provider, extra, proxy_identity)?);
        Ok(Way {
            tls: Arc::new(tls(&provider, judge, self.identity.as_ref())?),
            proxy: proxy_way(self.proxy.as_ref(), &destination, &proxy_tls)?,
        })
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Material`].
    pub fn build(self) -> Result<Client, ClientError> {
        let portal: Uri = self
            .portal
            .trim_end_matches('/')
            .parse()
            .map_err(|_| ClientError::Address(self.portal.clone()))?;
        if portal.scheme_str() != Some("https") || portal.path().len() > 1 || portal.query().is_some() {
            return Err(ClientError::Address(self.portal));
        }
        let (host, _) = host_and_port(&portal, 443)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = self.trust.unwrap_or_else(|| Trust::CaPem(self.extra_ca_pem.clone().unwrap_or_default()));
        let judge = Judge::new(&trust, self.extra_ca_pem.as_deref(), Arc::clone(&provider))?;
        let step = STEP_TIMEOUT.min(self.timeout / 2);
        let proxy_identity = self.proxy.as_ref().and_then(|p| p.identity.as_ref());
        let proxy_tls = Arc::new(proxy_tls(&provider, self.extra_ca_pem.as_deref(), proxy_identity)?);
        let route =
            Route::new(self.proxy.as_ref(), proxy_tls, step)?.paced(self.bits_per_second.map(Pace::new));
        let admitted = judge.admitted();
        let stranger = Stranger::new(&provider, &portal, route.clone(), step)?;
        // the measuring client carries no identity: it may talk to whoever answers, and only about the time
        let measuring = transport(tls(&provider, judge.measuring(), None)?, route.clone());
        let small = transport(tls(&provider, judge.measuring(), None)?, route.in_small_packets());
        let transport = transport(tls(&provider, judge, self.identity.as_ref())?, route);
        Ok(Client { portal, host, transport, measuring, small, stranger, admitted, timeout: self.timeout })
    }
}

enum Failure {
    Dates {
        not_before: i64,
        not_after: i64,
        issuer: String,
    },
    /// The certificate is not the portal's; `inspects`: who issued it, if it is for the portal's name all the same.
    Stranger {
        told: ClientError,
        inspects: Option<String>,
    },
    /// What answers speaks no TLS.
    NoTls(ClientError),
    Told(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Told(error)
    }
}

/// Who inspects, if a foreign issuer's certificate is for the portal's own name. Another Eyot portal is none.
fn inspector(issuer: &str, for_name_by_unknown: bool) -> Option<String> {
    (for_name_by_unknown && !issuer.contains(PORTAL_CA)).then(|| issuer.to_owned())
}

/// Whether a TLS alert is about the certificate that we showed, or did not.
pub(crate) fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::UnknownCA
            | A::AccessDenied
    )
}

pub(crate) fn transport(tls: ClientConfig, route: Route) -> Transport {
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(route);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(connector)
}

fn tls(
    provider: &Arc<CryptoProvider>,
    judge: Judge,
    identity: Option<&(String, String)>,
) -> Result<ClientConfig, ClientError> {
    let builder = versions(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(judge));
    let what = ("this appliance's certificate or key", "activate it again with a new token");
    with_identity(builder, identity, what)
}

fn with_identity(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    identity: Option<&(String, String)>,
    (what, remedy): (&'static str, &'static str),
) -> Result<ClientConfig, ClientError> {
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |reason: String| ClientError::Material { what, reason, remedy };
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| unusable(format!("the certificate is not valid PEM ({e})")))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| unusable("the key is not a PEM private key".to_owned()))?;
    builder.with_client_auth_cert(chain, key).map_err(|e| unusable(e.to_string()))
}

fn proxy_tls(
    provider: &Arc<CryptoProvider>,
    ca_pem: Option<&str>,
    identity: Option<&(String, String)>,
) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca_pem {
        add_roots(&mut roots, pem, "portal.ca")?;
    }
    let what = ("proxy.certificate or proxy.key", "correct them in the settings");
    with_identity(versions(provider)?.with_root_certificates(roots), identity, what)
}

pub(crate) fn versions(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, ClientError> {
    ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions().map_err(
        |e| ClientError::Material {
            what: "the TLS library",
            reason: e.to_string(),
            remedy: "reinstall the package",
        },
    )
}

/// The first error of a type in a chain. An `io::Error` hides what it wraps from `source`, so it is opened.
pub(crate) fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match inside {
        Some(inner) => find(inner),
        None => find(error.source()?),
    }
}

pub(crate) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// `Tue, 15 Nov 1994 08:12:31 GMT` (RFC 9110 §5.6.7), the one form servers may send.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let moment = time::PrimitiveDateTime::parse(text, format).ok()?.assume_utc();
    Some(Timestamp::from_seconds(moment.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_the_rfc_is_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp::from_seconds(784_111_777)));
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
    }
}
