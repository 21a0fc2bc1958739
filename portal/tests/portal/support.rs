//! A portal to talk to, and somebody to talk: an anonymous client, a sensor with a certificate, a signed-in person.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use eyot_contract::{
    path, Attribute, BatchAcknowledged, Condition, ConditionCode, DeviceBatch, DeviceRecord, DeviceType,
    EnrolmentRequest, EnrolmentResponse, Evidence, HealthReport, InterfaceHealth, InterfaceRole, MacAddr,
    Nature, Refusal, RefusalCode, Timestamp,
};
use eyot_portal::{registration, Actor, Portal, Server, Store};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use sqlx::Connection;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

pub const ADDRESS: &str = "https://localhost";

/// Whoever the tests act as.
pub fn by() -> Actor<'static> {
    Actor::now("test")
}

/// The PostgreSQL server to test with, `postgres://superuser@host:port/postgres`; without it the tests use SQLite.
pub fn postgres() -> Option<String> {
    std::env::var("EYOT_TEST_POSTGRES").ok()
}

/// Gives a data folder a database of its own on the PostgreSQL server, if there is one. The server goes away with all of
/// them when the tests end.
pub async fn own_database(folder: &Path) {
    let Some(server) = postgres() else { return };
    let name = format!("eyot_{}", Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'");
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    eyot_portal::choose_database(folder, &format!("{base}/{name}")).unwrap();
}

/// A running portal. Stops when dropped.
pub struct House {
    pub folder: TempDir,
    pub at: SocketAddr,
    pub store: Store,
    pub identity: registration::Identity,
    _stop: oneshot::Sender<()>,
}

impl House {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        own_database(folder.path()).await;
        Self::open_in(folder).await
    }

    /// Another portal on the same database, as behind a load balancer. It has the same CA.
    pub async fn replica(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self::open_in(folder).await
    }

    /// The server has a thread and a runtime of its own: a test that waits for a command must not hold up a transaction
    /// of the server that the command waits for.
    async fn open_in(folder: TempDir) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let data = folder.path().to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let portal = Portal::open_or_create(&data, Some(&ADDRESS.parse().unwrap())).await.unwrap();
                let identity = portal.identity.clone();
                let server = Server::bind(portal, "127.0.0.1:0".parse().unwrap(), &[]).await.unwrap();
                let _ = tell.send((server.listening_on().unwrap(), identity));
                server
                    .run(async move {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        let (at, identity) = told.await.unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        Self { folder, at, store, identity, _stop: stop }
    }

    pub fn anybody(&self) -> Client {
        Client::new(self.at, self.folder.path(), None)
    }

    pub async fn register(&self, name: &str) -> registration::Issued {
        registration::register(&self.store, &self.identity, name, "main", by()).await.unwrap()
    }

    /// A sensor that has registered and enrolled.
    pub async fn sensor(&self, name: &str) -> Sensor {
        Sensor::activate(&self.anybody(), self.folder.path(), &self.register(name).await.token).await
    }

    /// A client that carries an API token of this role.
    pub async fn program(&self, role: &str) -> Client {
        let folder = self.folder.path().to_str().unwrap();
        let name = format!("test {role}");
        let made = run(&["api-token", "create", "--data", folder, "--name", &name, "--role", role]);
        assert!(made.status.success(), "{made:?}");
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let mut client = self.anybody();
        client.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        client
    }
}

impl House {
    /// A signed-in owner's cookie.
    pub async fn session(&self, name: &str) -> String {
        let folder = self.folder.path();
        let password = folder.join("password-of-the-test");
        std::fs::write(&password, "a long enough password\n").unwrap();
        let (data, file) = (folder.to_str().unwrap(), password.to_str().unwrap());
        let made = run(&["user", "add", "--data", data, "--name", name, "--password-file", file]);
        assert!(made.status.success(), "{made:?}");
        std::fs::remove_file(&password).unwrap();
        let form = [("name", name), ("password", "a long enough password")];
        let answer = self.anybody().post_form("/login", &form).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

/// Runs the portal's program to its end.
pub fn run(arguments: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_eyot-portal")).args(arguments).output().unwrap()
}

/// An HTTPS client: one connection per request.
#[derive(Clone)]
pub struct Client {
    at: SocketAddr,
    config: Arc<ClientConfig>,
    pub headers: HeaderMap,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Certificates the server showed.
    pub chain: Vec<CertificateDer<'static>>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn refusal(&self) -> (u16, RefusalCode) {
        let refusal: Refusal =
            serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()));
        assert!(!refusal.message.is_empty());
        (self.status.as_u16(), refusal.code)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Client {
    pub fn new(at: SocketAddr, folder: &Path, identity: Option<(&str, &str)>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
                // put together unchecked, so that a certificate can be shown with somebody else's key
                let shown = CertifiedKey::new(vec![certificate], key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
        };
        Self { at, config: Arc::new(config), headers: HeaderMap::new() }
    }

    pub async fn send(&self, method: Method, path: &str, kind: &str, body: impl Into<Bytes>) -> Answer {
        self.try_send(method, path, kind, body.into()).await.unwrap()
    }

    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let stream = TcpStream::connect(self.at).await?;
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().iter();
        let chain = chain.map(|c| c.clone().into_owned()).collect();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let mut request = request.body(Full::new(body))?;
        request.headers_mut().extend(self.headers.clone());
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
            chain,
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", "").await
    }

    pub async fn post_json<T: serde::Serialize>(&self, path: &str, value: &T) -> Answer {
        self.send(Method::POST, path, "application/json", serde_json::to_vec(value).unwrap()).await
    }

    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
        let body: Vec<_> = fields.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
        self.send(Method::POST, path, "application/x-www-form-urlencoded", body.join("&")).await
    }

    /// Takes over the cookie that an answer sets.
    pub fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        self.headers.insert("cookie", cookie.parse().unwrap());
    }
}

/// A certificate request's PEM and its key's.
pub fn key_and_request() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (key.serialize_pem(), request)
}

pub fn enrolment(token: &str, request: &str) -> EnrolmentRequest {
    let token: eyot_contract::ActivationToken = token.parse().unwrap();
    EnrolmentRequest {
        sensor: token.sensor,
        secret: token.secret_text(),
        csr_pem: request.to_owned(),
        hostname: "eyot-test".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

/// A sensor that holds a certificate.
pub struct Sensor {
    pub id: Uuid,
    pub client: Client,
    pub certificate: String,
    pub key: String,
    pub epoch: Uuid,
}

impl Sensor {
    pub async fn activate(client: &Client, folder: &Path, token: &str) -> Self {
        let (key, request) = key_and_request();
        let asked = enrolment(token, &request);
        let answer = client.post_json(path::ENROL, &asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let enrolled: EnrolmentResponse = serde_json::from_slice(&answer.body).unwrap();
        let certificate = enrolled.certificate_pem;
        let client = Client::new(client.at, folder, Some((&certificate, &key)));
        Self { id: asked.sensor, client, certificate, key, epoch: Uuid::new_v4() }
    }

    /// The same sensor, speaking to another portal of the same database.
    pub fn at(&self, house: &House) -> Self {
        let client = Client::new(house.at, house.folder.path(), Some((&self.certificate, &self.key)));
        Self {
            id: self.id,
            client,
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            epoch: self.epoch,
        }
    }

    pub fn batch(&self, sequence: u64, devices: Vec<DeviceRecord>) -> DeviceBatch {
        DeviceBatch { epoch: self.epoch, sequence, sent: Timestamp::now(), devices, findings: Vec::new() }
    }

    pub async fn report(&self, sequence: u64, devices: Vec<DeviceRecord>) -> Answer {
        self.client.post_json(path::DEVICES, &self.batch(sequence, devices)).await
    }

    pub async fn report_well(&self, sequence: u64, devices: Vec<DeviceRecord>) {
        let answer = self.report(sequence, devices).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let acknowledged: BatchAcknowledged = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(acknowledged, BatchAcknowledged { epoch: self.epoch, sequence });
    }

    pub async fn say(&self, conditions: &[ConditionCode]) -> Answer {
        let now = Timestamp::now();
        let report = HealthReport {
            at: now,
            version: "0.1.0".to_owned(),
            hostname: "eyot-test".to_owned(),
            conditions: conditions.iter().map(|c| Condition::new(*c, "ens192", now)).collect(),
            interfaces: vec![InterfaceHealth {
                name: "ens224".to_owned(),
                mac: MacAddr([0, 0x50, 0x56, 1, 2, 3]),
                role: InterfaceRole::Capture,
                link: true,
                rx_frames: 123_456,
                tx_frames: 0,
            }],
            frames_captured: 9_900,
            frames_dropped: 100,
            devices: 7,
        };
        self.client.post_json(path::HEALTH, &report).await
    }
}

/// A device numbered `n`.
pub fn device(n: u32, name: &str) -> DeviceRecord {
    let [a, b, c, d] = n.to_be_bytes();
    DeviceRecord {
        mac: MacAddr([0, 0x40, a, b, c, d]),
        ips: vec![std::net::Ipv4Addr::from(0x0a00_0000 + n).into()],
        vlans: vec![20],
        hostname: Some(name.to_owned()),
        vendor: Some("Axis Communications".to_owned()),
        model: Some("P1435".to_owned()),
        device_type: Some(DeviceType::Camera),
        class: Some(DeviceType::Camera.class()),
        os: None,
        firmware: Some("9.80".to_owned()),
        serial: None,
        confidence: 0.9,
        randomized_mac: false,
        protocols: vec!["arp".to_owned(), "mdns".to_owned()],
        frames: 10,
        first_seen: Timestamp(1_790_000_000_000_000),
        last_seen: Timestamp(1_790_000_100_000_000 + i64::from(n)),
        evidence: vec![Evidence {
            attribute: Attribute::Model,
            value: "P1435".to_owned(),
            source: "mdns.txt".to_owned(),
            seen: "model=P1435".to_owned(),
            rule: "axis-mdns".to_owned(),
            nature: Nature::Declared,
            confidence: 0.9,
            first_seen: None,
            last_seen: None,
        }],
        activity: Default::default(),
        managed: Default::default(),
    }
}
