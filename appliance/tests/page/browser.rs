//! A browser small enough to misbehave: one request a connection over real TLS, one cookie, and a certificate that it knows by
//! its fingerprint alone.

use std::net::SocketAddr;
use std::sync::Arc;

use ring::digest::{digest, SHA256};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Takes the certificate whose fingerprint somebody read off the console.
#[derive(Debug)]
struct ByFingerprint {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pairs: Vec<String> =
            digest(&SHA256, certificate).as_ref().iter().map(|b| format!("{b:02X}")).collect();
        match pairs.join(":") == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::General("another fingerprint than the console's".to_owned())),
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|l| l.split_once(": "));
        pairs.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The secret in the form.
    pub fn csrf(&self) -> String {
        let rest = self.body.split("name=\"csrf\" value=\"").nth(1).expect("no form");
        rest.split('"').next().unwrap().to_owned()
    }
}

pub struct Browser {
    place: SocketAddr,
    connector: TlsConnector,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn new(place: SocketAddr, fingerprint: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = ByFingerprint { fingerprint: fingerprint.to_owned(), provider: Arc::clone(&provider) };
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Self { place, connector: TlsConnector::from(Arc::new(tls)), cookie: None }
    }

    pub fn place(&self) -> SocketAddr {
        self.place
    }

    /// Sends these bytes and reads to the end.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.place).await.unwrap();
        let name = ServerName::from(self.place.ip());
        let mut stream = self.connector.connect(name, stream).await.unwrap();
        // a server that has heard enough closes while we are still talking
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn common(&self) -> String {
        let cookie = self.cookie.as_ref().map(|c| format!("Cookie: {c}\r\n")).unwrap_or_default();
        format!("Host: {}\r\n{cookie}", self.place)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\n{}\r\n", self.common()).as_bytes()).await
    }

    /// A form as a browser sends it.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, &format!("Origin: https://{}\r\n", self.place), &encoded(fields)).await
    }

    /// The same with other headers and any body.
    pub async fn post_with(&self, path: &str, headers: &str, body: &str) -> Answer {
        let form = match headers.to_ascii_lowercase().contains("content-type") {
            true => "",
            false => "Content-Type: application/x-www-form-urlencoded\r\n",
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\n{}{headers}{form}Content-Length: {}\r\n\r\n",
            self.common(),
            body.len()
        );
        self.raw(format!("{head}{body}").as_bytes()).await
    }

    /// Enters the code; whether it was taken.
    pub async fn enter(&mut self, code: &str) -> u16 {
        let answer = self.post("/code", &[("code", code)]).await;
        if let Some(cookie) = answer.header("set-cookie") {
            assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer.status
    }
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    fields.iter().map(|(k, v)| format!("{}={}", escaped(k), escaped(v))).collect::<Vec<_>>().join("&")
}
