//! A portal that does as it is told: HTTP/1.1 over TLS with client certificates, one request at a time.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use eyot_contract::{
    BatchAcknowledged, DeviceBatch, Refusal, RefusalCode, SettingsAnswer, SettingsRequest, ThreatListPart,
    ThreatListRequest,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// What the portal does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledges it.
    Take,
    /// Says that it is too large.
    TooLarge,
    /// Refuses it for a reason.
    Refuse(u16, RefusalCode),
    /// Has received it and closes the connection without a word.
    HangUp,
}

/// What the portal has for its sensors besides acknowledgements; without it the answer is 404.
#[derive(Default)]
pub struct Offers {
    /// A threat list.
    pub threats: Option<&'static str>,
    /// Settings, by what the sensor says of those it has.
    pub settings: Option<Box<dyn FnMut(SettingsRequest) -> SettingsAnswer + Send>>,
}

/// Certificates of a portal and one sensor.
pub struct Pki {
    ca_pem: String,
    server: Arc<ServerConfig>,
    client_pem: String,
    client_key_pem: String,
}

impl Pki {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
        };
        let (server_pem, server_key) = leaf("localhost");
        let (client_pem, client_key_pem) = leaf("sensor");
        let ca_pem = ca.pem();
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&ca_pem)).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate(&server_pem)],
                PrivateKeyDer::from_pem_slice(server_key.as_bytes()).unwrap(),
            )
            .unwrap();
        Self { ca_pem, server: Arc::new(server), client_pem, client_key_pem }
    }

    /// Writes what the sensor needs, and its configuration, for a portal at this port.
    pub fn write(&self, dir: &Path, port: u16) {
        fs::write(dir.join("ca.pem"), &self.ca_pem).unwrap();
        fs::write(dir.join("client.pem"), &self.client_pem).unwrap();
        fs::write(dir.join("client.key"), &self.client_key_pem).unwrap();
        let at = dir.display();
        let text = format!(
            "version = 1\n\
             # an interface that is never there: the sensor waits for it and reports what it knows\n\
             interfaces = [\"no-such-nic\"]\n\
             database = \"{at}/inventory.sqlite\"\n\
             status = \"{at}/status.json\"\n\
             [portal]\n\
             url = \"https://localhost:{port}\"\n\
             ca_file = \"{at}/ca.pem\"\n\
             certificate_file = \"{at}/client.pem\"\n\
             key_file = \"{at}/client.key\"\n\
             upload_interval_seconds = 1\n\
             settings_interval_seconds = 1\n"
        );
        fs::write(dir.join("sensor.toml"), text).unwrap();
    }
}

/// A running portal.
pub struct Portal {
    address: SocketAddr,
    batches: Receiver<(DeviceBatch, Answer)>,
}

impl Portal {
    /// Starts one that answers each batch as `decide` says; port 0 takes any.
    pub fn start(pki: &Pki, port: u16, decide: impl FnMut(&DeviceBatch) -> Answer + Send + 'static) -> Self {
        Self::offering(pki, port, Offers::default(), decide)
    }

    /// The same, with something to offer.
    pub fn offering(
        pki: &Pki,
        port: u16,
        mut offers: Offers,
        mut decide: impl FnMut(&DeviceBatch) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let (received, batches) = channel();
        let config = Arc::clone(&pki.server);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut tell = |batch: DeviceBatch| {
                    let answer = decide(&batch);
                    // the test may have seen enough
                    let _ = received.send((batch, answer));
                    answer
                };
                // a client that goes away in the middle is part of the tests
                let _ = stream.and_then(|stream| serve(stream, &config, &mut offers, &mut tell));
            }
        });
        Self { address, batches }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next batch and what was answered.
    pub fn next(&self) -> (DeviceBatch, Answer) {
        self.batches.recv_timeout(Duration::from_secs(40)).expect("no batch came")
    }

    /// Whether no batch comes for so long.
    pub fn is_quiet(&self, time: Duration) -> bool {
        self.batches.recv_timeout(time).is_err()
    }
}

enum Asked {
    Devices,
    Threats,
    Settings,
}

fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    offers: &mut Offers,
    decide: &mut dyn FnMut(DeviceBatch) -> Answer,
) -> io::Result<()> {
    // a connection kept open without a request must not keep others out for long
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut length = 0;
        let mut first = true;
        let mut asked = Asked::Devices;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if std::mem::take(&mut first) {
                asked = match line.trim_end() {
                    "POST /api/v1/sensor/devices HTTP/1.1" => Asked::Devices,
                    "POST /api/v1/sensor/threats HTTP/1.1" => Asked::Threats,
                    "POST /api/v1/sensor/settings HTTP/1.1" => Asked::Settings,
                    other => panic!("{other}"),
                }
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let offered = match asked {
            Asked::Devices => None,
            Asked::Threats => Some(match offers.threats {
                Some(list) => (200, serde_json::to_vec(&part(list, &serde_json::from_slice(&body)?))?),
                None => (404, Vec::new()),
            }),
            Asked::Settings => Some(match &mut offers.settings {
                Some(answer) => (200, serde_json::to_vec(&answer(serde_json::from_slice(&body)?))?),
                None => (404, Vec::new()),
            }),
        };
        if let Some((status, answer)) = offered {
            reply(stream.get_mut(), status, &answer)?;
            continue;
        }
        let batch: DeviceBatch = serde_json::from_slice(&body)?;
        let acknowledgement =
            serde_json::to_vec(&BatchAcknowledged { epoch: batch.epoch, sequence: batch.sequence })?;
        let (status, answer) = match decide(batch) {
            Answer::Take => (200, acknowledgement),
            Answer::TooLarge => (413, Vec::new()),
            Answer::Refuse(status, code) => {
                (status, serde_json::to_vec(&Refusal { code, message: "as told".to_owned() })?)
            }
            Answer::HangUp => return Ok(()),
        };
        reply(stream.get_mut(), status, &answer)?;
    }
}

fn reply(out: &mut impl Write, status: u16, answer: &[u8]) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status} told\r\ncontent-length: {}\r\n\r\n", answer.len())?;
    out.write_all(answer)?;
    out.flush()
}

/// The list in parts of a few bytes.
fn part(list: &str, request: &ThreatListRequest) -> ThreatListPart {
    let version = format!("of {} bytes", list.len());
    let known = request.known.as_deref() == Some(version.as_str());
    let rest = list.get(request.offset as usize..).unwrap_or_default();
    let part = if known { "" } else { &rest[..rest.len().min(20)] };
    ThreatListPart { version, total: list.len() as u64, part: part.to_owned() }
}
