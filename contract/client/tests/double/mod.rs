//! A portal and a proxy small enough to misbehave on request, on loopback.
//!
//! The portal double keeps the contract's promises about enrolment (one secret, one machine, the same public key may
//! ask again) and records what it was sent. The appliance's tests use this file too.

#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use eyot_contract::{
    path, ActivationToken, CaPin, EnrolmentRequest, EnrolmentResponse, HealthReport, Refusal, RefusalCode,
    RenewalRequest, RenewalResponse, Timestamp,
};
use http_body_util::{BodyExt, Full};
use hyper::header::DATE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

pub const SECRET: [u8; 32] = [0x5a; 32];
pub const SENSOR: Uuid = Uuid::from_u128(0xe707);

pub struct Authority {
    pub issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub der: CertificateDer<'static>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    pub fn pin(&self) -> CaPin {
        eyot_client::ca_pin(&self.pem).unwrap()
    }

    /// A server certificate for these names, valid between these times.
    pub fn server(
        &self,
        names: &[&str],
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|n| n.to_string()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "portal double");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (from, to);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// How the portal behaves.
pub struct Script {
    pub names: Vec<&'static str>,
    pub valid: (OffsetDateTime, OffsetDateTime),
    /// Added to the `Date` header, seconds.
    pub clock_offset: i64,
    /// Answer enrolment with this instead.
    pub refuse: Option<RefusalCode>,
    /// Answer everything with this status and no body.
    pub status: Option<StatusCode>,
    /// Answer everything with a redirection to here.
    pub redirect: Option<&'static str>,
    /// Accept TCP, then say nothing.
    pub mute: bool,
    /// Close the connection after reading an enrolment, having stored it: a power cut between answer and disk.
    pub lose_first_answer: bool,
    /// When the certificates given at enrolment begin and end, in seconds from now. Renewed ones are good for a month.
    pub certificate_life: (i64, i64),
}

impl Default for Script {
    fn default() -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            names: vec!["127.0.0.1", "localhost"],
            valid: (now - time::Duration::days(1), now + time::Duration::days(30)),
            clock_offset: 0,
            refuse: None,
            status: None,
            redirect: None,
            mute: false,
            lose_first_answer: false,
            certificate_life: (-60, 30 * 86_400),
        }
    }
}

#[derive(Default)]
pub struct Record {
    pub enrolments: Vec<EnrolmentRequest>,
    pub health: Vec<HealthReport>,
    pub requests: Vec<String>,
    pub connections: usize,
    /// Requests that came with a client certificate.
    pub identities: usize,
    bound_key: Option<Vec<u8>>,
    /// Requests for another certificate.
    pub renewals: Vec<RenewalRequest>,
    /// The sensor was deleted; may be set at any time.
    pub deleted: bool,
}

pub struct Portal {
    pub address: SocketAddr,
    pub authority: Arc<Authority>,
    pub record: Arc<Mutex<Record>>,
    /// Of the token: fixed once, or two calls a second apart would give two tokens.
    expires: Timestamp,
}

impl Portal {
    pub async fn start(script: Script) -> Self {
        let authority = Arc::new(Authority::new("Eyot portal CA double"));
        Self::start_as(authority, script).await
    }

    pub async fn start_as(authority: Arc<Authority>, script: Script) -> Self {
        Self::start_at("127.0.0.1:0", authority, script).await
    }

    pub async fn start_at(listen: &str, authority: Arc<Authority>, script: Script) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Mutex::new(Record::default()));
        let (leaf, key) = authority.server(&script.names, script.valid.0, script.valid.1);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![leaf, authority.der.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let script = Arc::new(script);
        let shared = (Arc::clone(&authority), Arc::clone(&record));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, script, shared) =
                    (acceptor.clone(), Arc::clone(&script), (Arc::clone(&shared.0), Arc::clone(&shared.1)));
                shared.1.lock().unwrap().connections += 1;
                tokio::spawn(async move {
                    if script.mute {
                        let mut stream = stream;
                        let mut nothing = [0; 1024];
                        while stream.read(&mut nothing).await.is_ok_and(|n| n > 0) {}
                        return;
                    }
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let known = stream.get_ref().1.peer_certificates().is_some();
                    let service = service_fn(|request| {
                        let (script, shared) =
                            (Arc::clone(&script), (Arc::clone(&shared.0), Arc::clone(&shared.1)));
                        async move { answer(request, known, &script, &shared.0, &shared.1).await }
                    });
                    // a client that goes away is not this double's problem
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let expires = Timestamp::from_seconds(Timestamp::now().seconds() + 3600);
        Self { address, authority, record, expires }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn token(&self) -> ActivationToken {
        ActivationToken {
            sensor: SENSOR,
            secret: SECRET,
            ca_pin: self.authority.pin(),
            expires: self.expires,
            portal: self.url(),
        }
    }
}

#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up on purpose")
    }
}

impl std::error::Error for Hangup {}

async fn answer(
    request: Request<hyper::body::Incoming>,
    known: bool,
    script: &Script,
    authority: &Authority,
    record: &Mutex<Record>,
) -> Result<Response<Full<Bytes>>, Hangup> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Hangup)?.to_bytes();
    record.lock().unwrap().requests.push(format!("{} {}", parts.method, parts.uri.path()));
    record.lock().unwrap().identities += usize::from(known);
    if let Some(target) = script.redirect {
        return Ok(Response::builder().status(302).header("location", target).body(Full::default()).unwrap());
    }
    if let Some(status) = script.status {
        return Ok(Response::builder().status(status).body(Full::default()).unwrap());
    }
    let response = match parts.uri.path() {
        path::ALIVE => reply(StatusCode::OK, "ok".to_owned()),
        path::ENROL => {
            let asked: EnrolmentRequest = serde_json::from_slice(&body).unwrap();
            let first = record.lock().unwrap().enrolments.is_empty();
            record.lock().unwrap().enrolments.push(asked.clone());
            let answered = enrol(&asked, script, authority, record);
            if script.lose_first_answer && first {
                return Err(Hangup);
            }
            answered
        }
        path::HEALTH | path::RENEW if record.lock().unwrap().deleted => refuse(RefusalCode::SensorDeleted),
        path::RENEW if known => {
            let asked: RenewalRequest = serde_json::from_slice(&body).unwrap();
            let first = record.lock().unwrap().renewals.is_empty();
            record.lock().unwrap().renewals.push(asked.clone());
            if script.lose_first_answer && first {
                return Err(Hangup);
            }
            let certificate_pem = sign(&asked.csr_pem, authority, (-60, 30 * 86_400)).unwrap();
            reply(StatusCode::OK, serde_json::to_string(&RenewalResponse { certificate_pem }).unwrap())
        }
        path::HEALTH if known => {
            record.lock().unwrap().health.push(serde_json::from_slice(&body).unwrap());
            reply(StatusCode::NO_CONTENT, String::new())
        }
        path::HEALTH => refuse(RefusalCode::NotEnrolled),
        _ => reply(StatusCode::NOT_FOUND, "<html>not here</html>".to_owned()),
    };
    Ok(dated(response, script.clock_offset))
}

fn enrol(
    asked: &EnrolmentRequest,
    script: &Script,
    authority: &Authority,
    record: &Mutex<Record>,
) -> Response<Full<Bytes>> {
    if let Some(code) = script.refuse {
        return refuse(code);
    }
    let expected = ActivationToken {
        sensor: SENSOR,
        secret: SECRET,
        ca_pin: CaPin([0; 32]),
        expires: Timestamp(0),
        portal: String::new(),
    };
    if asked.sensor != SENSOR || asked.secret != expected.secret_text() {
        return refuse(RefusalCode::TokenUnknown);
    }
    let Ok(csr) = CertificateSigningRequestParams::from_pem(&asked.csr_pem) else {
        return refuse(RefusalCode::BadRequest);
    };
    let key = rcgen::PublicKeyData::der_bytes(&csr.public_key).to_vec();
    let mut record = record.lock().unwrap();
    match &record.bound_key {
        Some(bound) if *bound != key => return refuse(RefusalCode::TokenUsed),
        _ => record.bound_key = Some(key),
    }
    let answer = EnrolmentResponse {
        sensor_name: "test sensor".to_owned(),
        certificate_pem: sign(&asked.csr_pem, authority, script.certificate_life).unwrap(),
        ca_pem: authority.pem.clone(),
    };
    reply(StatusCode::OK, serde_json::to_string(&answer).unwrap())
}

fn sign(csr_pem: &str, authority: &Authority, life: (i64, i64)) -> Option<String> {
    let mut csr = CertificateSigningRequestParams::from_pem(csr_pem).ok()?;
    let now = OffsetDateTime::now_utc();
    csr.params.not_before = now + time::Duration::seconds(life.0);
    csr.params.not_after = now + time::Duration::seconds(life.1);
    Some(csr.signed_by(&authority.issuer).unwrap().pem())
}

fn refuse(code: RefusalCode) -> Response<Full<Bytes>> {
    let refusal = Refusal { code, message: "said by the double".to_owned() };
    reply(StatusCode::FORBIDDEN, serde_json::to_string(&refusal).unwrap())
}

fn reply(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
}

fn dated(mut response: Response<Full<Bytes>>, offset: i64) -> Response<Full<Bytes>> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let moment = OffsetDateTime::now_utc() + time::Duration::seconds(offset);
    response.headers_mut().insert(DATE, moment.format(format).unwrap().parse().unwrap());
    response
}

/// What a proxy does with CONNECT.
#[derive(Clone)]
pub enum ProxyManner {
    Open,
    /// Wants `Proxy-Authorization: Basic <this>`.
    Basic(&'static str),
    /// Offers only this scheme.
    Only(&'static str),
    Refuse(u16),
    Mute,
}

pub struct ProxyDouble {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl ProxyDouble {
    pub async fn start(manner: ProxyManner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, manner.clone(), Arc::clone(&log)));
            }
        });
        Self { address, seen }
    }

    /// The same behind TLS, with a certificate of `ca`; `clients` must have signed the client's, if given.
    pub async fn start_tls(manner: ProxyManner, ca: &Authority, clients: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let now = OffsetDateTime::now_utc();
        let day = time::Duration::days(1);
        let (leaf, key) = ca.server(&["127.0.0.1"], now - day, now + day);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let tls = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![leaf], key).unwrap()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, manner, log) = (tls.clone(), manner.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    // a client that is turned away is what some tests are about
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = serve(stream, manner, log).await;
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    manner: ProxyManner,
    log: Arc<Mutex<Vec<String>>>,
) -> Result<(), Infallible> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(target.clone());
    let refusal = match manner {
        ProxyManner::Open => None,
        ProxyManner::Basic(pair)
            if head
                .to_ascii_lowercase()
                .contains(&format!("proxy-authorization: basic {pair}").to_ascii_lowercase()) =>
        {
            None
        }
        ProxyManner::Basic(_) => Some("407 No\r\nProxy-Authenticate: Basic realm=\"double\"".to_owned()),
        ProxyManner::Only(scheme) => Some(format!("407 No\r\nProxy-Authenticate: {scheme}")),
        ProxyManner::Refuse(status) => Some(format!("{status} No")),
        ProxyManner::Mute => {
            while stream.read(&mut byte).await.is_ok_and(|n| n > 0) {}
            return Ok(());
        }
    };
    if let Some(refusal) = refusal {
        let text = format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n");
        // the client may be gone already
        let _ = stream.write_all(text.as_bytes()).await;
        return Ok(());
    }
    let Ok(mut onward) = TcpStream::connect(&target).await else { return Ok(()) };
    let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
    Ok(())
}
