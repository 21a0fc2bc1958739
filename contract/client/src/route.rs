//! A byte stream to the portal: name resolution, TCP, and the proxy's CONNECT.
//!
//! hyper-util has a tunnel of its own, but it does not say with which status a proxy refused nor which authentication
//! it wants, and it waits without limit. Here CONNECT goes through hyper's HTTP/1 connection, so both are known; every
//! step has its own time limit.
//!
//! An `https://` proxy is verified against the operator's CAs (`portal.ca`).

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use base64::Engine;
use eyot_contract::settings::Proxy;
use http_body_util::Empty;
use hyper::header::{HeaderValue, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::{deepest, find, is_about_certificate};
use crate::pace::{Pace, Turn};
use crate::ClientError;

/// The connector under the TLS layer.
#[derive(Clone)]
pub(crate) struct Route {
    proxy: Option<Arc<ProxyRoute>>,
    step_timeout: Duration,
    /// Largest TCP segment, in bytes, where full-size packets may get lost.
    segment: Option<u32>,
    /// How fast may be sent.
    pace: Option<Arc<Pace>>,
}

/// Small enough for any path IPv4 allows (RFC 9293 §3.7.1: 536 bytes of data in 576-byte packets).
const SMALL_SEGMENT: u32 = 536;

struct ProxyRoute {
    uri: Uri,
    authorization: Option<HeaderValue>,
    matcher: Matcher,
    tls: Arc<ClientConfig>,
    shows_certificate: bool,
}

impl Route {
    /// `proxy_tls` is used for `https://` proxies only.
    pub(crate) fn new(
        proxy: Option<&Proxy>,
        proxy_tls: Arc<ClientConfig>,
        step_timeout: Duration,
    ) -> Result<Self, ClientError> {
        let proxy = match proxy {
            None => None,
            Some(proxy) => Some(Arc::new(ProxyRoute::new(proxy, proxy_tls)?)),
        };
        Ok(Self { proxy, step_timeout, segment: None, pace: None })
    }

    /// The same way, no faster than this.
    pub(crate) fn paced(self, pace: Option<Pace>) -> Self {
        Self { pace: pace.map(Arc::new), ..self }
    }

    /// The same way in small packets.
    pub(crate) fn in_small_packets(&self) -> Self {
        Self { segment: Some(SMALL_SEGMENT), ..self.clone() }
    }

    pub(crate) async fn open(self, destination: Uri) -> Result<Wire, ClientError> {
        let stream = self.reach(destination).await?;
        Ok(Wire { stream, pace: self.pace, turn: Turn::default() })
    }

    async fn reach(&self, destination: Uri) -> Result<Stream, ClientError> {
        let (host, port) = host_and_port(&destination, 443)?;
        match self.proxy.as_ref().filter(|p| p.matcher.intercept(&destination).is_some()) {
            None => {
                let stream = self.dial(&host, port).await.map_err(|e| match e {
                    DialError::Name(reason) => ClientError::Dns { host: host.clone(), reason },
                    DialError::Connect(reason) => {
                        ClientError::Unreachable { host: host.clone(), port, reason }
                    }
                })?;
                Ok(Stream::Direct(TokioIo::new(stream)))
            }
            Some(proxy) => {
                self.tunnel(proxy, &format!("{}:{port}", bracketed(&host))).await.map(Stream::Tunnel)
            }
        }
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses: Vec<SocketAddr> =
            match timeout(self.step_timeout, tokio::net::lookup_host((host, port))).await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(error)) => return Err(DialError::Name(resolver_words(&error))),
                Err(_) => {
                    return Err(DialError::Name(format!(
                        "no DNS answer within {} s",
                        self.step_timeout.as_secs().max(1)
                    )))
                }
            };
        if let Some(reason) = no_place(host, &addresses) {
            return Err(DialError::Name(reason));
        }
        let share = self.step_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut reasons = Vec::new();
        for address in addresses {
            match timeout(share, self.connect(address)).await {
                Ok(Ok(stream)) => {
                    // requests are small and answered one by one: waiting for more to send only delays them
                    stream.set_nodelay(true).map_err(|e| DialError::Connect(e.to_string()))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => reasons.push(format!("{}: {error}", address.ip())),
                Err(_) => reasons.push(format!("{}: no answer", address.ip())),
            }
        }
        match reasons.is_empty() {
            true => Err(DialError::Name("the name has no address".to_owned())),
            false => Err(DialError::Connect(reasons.join(", "))),
        }
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let Some(segment) = self.segment else { return TcpStream::connect(address).await };
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::TcpMaxSeg, &segment)?;
        socket.connect(address).await
    }

    async fn tunnel(&self, proxy: &ProxyRoute, target: &str) -> Result<Upgraded, ClientError> {
        let plain = proxy.uri.scheme_str() != Some("https");
        let (host, port) = host_and_port(&proxy.uri, if plain { 80 } else { 443 })?;
        let shown = format!("{}:{port}", bracketed(&host));
        let unreachable = |reason: String| ClientError::ProxyUnreachable { proxy: shown.clone(), reason };
        let stream = self.dial(&host, port).await.map_err(|e| match e {
            DialError::Name(reason) => unreachable(format!("its name cannot be resolved: {reason}")),
            DialError::Connect(reason) => unreachable(reason),
        })?;
        let exchange = async {
            if plain {
                return connect(TokioIo::new(stream), proxy, &shown, target).await;
            }
            let name = ServerName::try_from(host.clone()).map_err(|e| unreachable(e.to_string()))?;
            let stream =
                TlsConnector::from(Arc::clone(&proxy.tls)).connect(name, stream).await.map_err(|e| {
                    match proxy.certificate_alert(&shown, &e) {
                        Some(told) => told,
                        None => ClientError::ProxyTls { proxy: shown.clone(), reason: e.to_string() },
                    }
                })?;
            connect(TokioIo::new(stream), proxy, &shown, target).await
        };
        timeout(self.step_timeout, exchange).await.unwrap_or_else(|_| {
            Err(unreachable(format!("no answer to CONNECT within {} s", self.step_timeout.as_secs().max(1))))
        })
    }
}

impl ProxyRoute {
    fn new(proxy: &Proxy, tls: Arc<ClientConfig>) -> Result<Self, ClientError> {
        let uri: Uri = proxy.url.parse().map_err(|_| ClientError::Material {
            what: "proxy.url",
            reason: format!("\"{}\" is not http://host:port or https://host:port", proxy.url),
            remedy: "correct it in the settings",
        })?;
        let authorization = proxy.credentials.as_ref().map(|(user, password)| {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            // base64's alphabet is always a valid header value; an error is impossible, an empty value harmless
            let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
                .unwrap_or_else(|_| HeaderValue::from_static(""));
            value.set_sensitive(true);
            value
        });
        let matcher =
            Matcher::builder().https(proxy.url.as_str()).no(proxy.exceptions.join(",").as_str()).build();
        Ok(Self { uri, authorization, matcher, tls, shows_certificate: proxy.identity.is_some() })
    }

    /// What to say when an error is the proxy's alert about our certificate. In TLS 1.3 it comes after the handshake.
    fn certificate_alert(
        &self,
        shown: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> Option<ClientError> {
        match find::<rustls::Error>(error)? {
            rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => {
                Some(ClientError::ProxyCertificate {
                    proxy: shown.to_owned(),
                    shown: self.shows_certificate,
                    alert: format!("{alert:?}"),
                })
            }
            _ => None,
        }
    }
}

async fn connect<S>(stream: S, proxy: &ProxyRoute, shown: &str, target: &str) -> Result<Upgraded, ClientError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let unreachable = |e: hyper::Error| match proxy.certificate_alert(shown, &e) {
        Some(told) => told,
        None => ClientError::ProxyUnreachable { proxy: shown.to_owned(), reason: deepest(&e) },
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(unreachable)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder().method(Method::CONNECT).uri(target).header(HOST, target);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|e| ClientError::ProxyUnreachable {
        proxy: shown.to_owned(),
        reason: format!("no CONNECT request can be made for {target}: {e}"),
    })?;
    let response = sender.send_request(request).await.map_err(unreachable)?;
    match response.status() {
        status if status.is_success() => hyper::upgrade::on(response).await.map_err(unreachable),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ClientError::ProxyAuthentication {
            proxy: shown.to_owned(),
            credentials_given: proxy.authorization.is_some(),
            schemes: response
                .headers()
                .get_all(PROXY_AUTHENTICATE)
                .iter()
                .filter_map(|v| v.to_str().ok()?.split_whitespace().next())
                .map(str::to_owned)
                .collect(),
        }),
        // squid answers 500 where the name does not resolve, 502 to 504 where nobody answers
        status if status.is_server_error() => {
            let said = response.headers().get("x-squid-error").and_then(|v| v.to_str().ok());
            Err(ClientError::BehindProxy {
                proxy: shown.to_owned(),
                target: target.to_owned(),
                status: status.as_u16(),
                reason: said.and_then(|s| s.split_whitespace().next()).map(str::to_owned),
            })
        }
        status => Err(ClientError::ProxyRefused {
            proxy: shown.to_owned(),
            target: target.to_owned(),
            status: status.as_u16(),
        }),
    }
}

/// The resolver's errors in words that say whose fault it is (the C library's are the same for every cause).
fn resolver_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rsplit(": ").next() {
        Some("Name or service not known") => "the DNS server says that there is no such name".to_owned(),
        Some("No address associated with hostname") => {
            "the DNS server says that the name has no address".to_owned()
        }
        Some("Temporary failure in name resolution") => "no DNS server gives an answer".to_owned(),
        _ => text,
    }
}

/// Why none of these addresses can be where a name's machine is, if so: what a blocking or mistaken DNS server says.
fn no_place(host: &str, addresses: &[SocketAddr]) -> Option<String> {
    let plain = host == "localhost" || host.parse::<IpAddr>().is_ok();
    let impossible = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => {
            // 240/4 was never given out (RFC 1112 §4)
            v4.is_unspecified() || v4.is_loopback() || v4.is_multicast() || v4.octets()[0] >= 240
        }
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast(),
    };
    if plain || addresses.is_empty() || !addresses.iter().all(|a| impossible(a.ip())) {
        return None;
    }
    let list: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    Some(format!("the DNS server gives {}, where no such machine can be", list.join(", ")))
}

enum DialError {
    Name(String),
    Connect(String),
}

pub(crate) fn host_and_port(uri: &Uri, default: u16) -> Result<(String, u16), ClientError> {
    let host = uri.host().ok_or_else(|| ClientError::Address(uri.to_string()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, uri.port_u16().unwrap_or(default)))
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

impl tower_service::Service<Uri> for Route {
    type Response = Wire;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        Box::pin(self.clone().open(destination))
    }
}

/// What the TLS layer runs over.
pub(crate) struct Wire {
    stream: Stream,
    pace: Option<Arc<Pace>>,
    turn: Turn,
}

enum Stream {
    Direct(TokioIo<TcpStream>),
    Tunnel(Upgraded),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Direct(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Tunnel(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let Self { stream, pace, turn } = self.get_mut();
        let some = match pace {
            Some(pace) => {
                ready!(turn.poll(pace, cx));
                &buf[..buf.len().min(pace.piece())]
            }
            None => buf,
        };
        let written = ready!(match stream {
            Stream::Direct(s) => Pin::new(s).poll_write(cx, some),
            Stream::Tunnel(s) => Pin::new(s).poll_write(cx, some),
        })?;
        if let Some(pace) = pace {
            pace.spend(written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Direct(s) => Pin::new(s).poll_flush(cx),
            Stream::Tunnel(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Direct(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Tunnel(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
