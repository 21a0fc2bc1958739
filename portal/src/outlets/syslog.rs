//! Syslog: a line a finding, as RFC 5424 or as ArcSight's CEF in an RFC 5424 line; over UDP (RFC 5426), TCP with octet
//! counts (RFC 6587) or TLS (RFC 5425). Syslog acknowledges nothing: what the connection took counts as told, so that
//! lines in flight when a receiver dies can be lost. Over UDP any line can.

use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use eyot_contract::Timestamp;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{lookup_host, TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::{tls, Told};
use crate::store::ToldEvent as Event;

/// Facility local0 (RFC 5424 §6.2.1).
const FACILITY: u8 = 16;
/// The enterprise number that RFC 5612 sets aside for examples; the house has none of its own.
const ENTERPRISE: &str = "eyot@32473";
/// Longest datagram: what every receiver takes unfragmented on Ethernet, in bytes.
const MAX_DATAGRAM: usize = 1_400;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Rfc5424,
    Cef,
}

/// A receiver, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// `udp://host:514`, `tcp://host:601` or `tls://host:6514`.
    server: String,
    /// `rfc5424` or `cef`.
    #[serde(default)]
    format: Form,
    /// CA of the receiver's certificate, PEM, instead of the system's.
    ca: Option<PathBuf>,
}

impl Syslog {
    /// Whether it can be used at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(), String> {
        self.parts().map(drop).ok_or_else(|| {
            format!("server: \"{}\" is not udp://host:port, tcp://host:port or tls://host:port", self.server)
        })
    }

    /// Transport and `host:port`.
    fn parts(&self) -> Option<(&str, &str)> {
        let (transport, at) = self.server.split_once("://")?;
        let (host, port) = at.rsplit_once(':')?;
        let sound =
            ["udp", "tcp", "tls"].contains(&transport) && !host.is_empty() && port.parse::<u16>().is_ok();
        sound.then_some((transport, at))
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Wire for T {}

enum Connection {
    Datagrams(UdpSocket),
    Stream(Box<dyn Wire>),
}

pub(super) struct Speaker {
    to: Syslog,
    connection: Option<Connection>,
}

impl Speaker {
    pub(super) fn new(to: Syslog) -> Self {
        Self { to, connection: None }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        for (acknowledged, event) in events.iter().enumerate() {
            if let Err(why) = self.send(&line(event, self.to.format)).await {
                self.connection = None;
                return Told::short(acknowledged, why);
            }
        }
        Told::all(events)
    }

    async fn send(&mut self, line: &str) -> Result<(), String> {
        if self.connection.as_mut().is_none_or(|connection| connection.has_ended()) {
            self.connection = Some(self.connect().await?);
        }
        match &mut self.connection {
            Some(Connection::Datagrams(socket)) => {
                let mut end = line.len().min(MAX_DATAGRAM);
                while !line.is_char_boundary(end) {
                    end -= 1;
                }
                socket.send(&line.as_bytes()[..end]).await.map(drop).map_err(|e| e.to_string())
            }
            Some(Connection::Stream(stream)) => {
                let framed = format!("{} {line}", line.len());
                stream.write_all(framed.as_bytes()).await.map_err(|e| e.to_string())?;
                stream.flush().await.map_err(|e| e.to_string())
            }
            None => Err("no connection".to_owned()),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let said = |e: std::io::Error| format!("{}: {e}", self.to.server);
        let (transport, at) = self.to.parts().ok_or("server: this is no address")?;
        if transport == "udp" {
            let to = lookup_host(at).await.map_err(said)?.next();
            let to = to.ok_or_else(|| format!("{at}: the name has no address"))?;
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let any: SocketAddr = any.parse().map_err(|_| "no address to send from")?;
            let socket = UdpSocket::bind(any).await.map_err(said)?;
            socket.connect(to).await.map_err(said)?;
            return Ok(Connection::Datagrams(socket));
        }
        let stream = TcpStream::connect(at).await.map_err(said)?;
        if transport == "tcp" {
            return Ok(Connection::Stream(Box::new(stream)));
        }
        let host = at.rsplit_once(':').map_or(at, |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|e| format!("{host}: {e}"))?;
        let connector = TlsConnector::from(Arc::new(tls::config(self.to.ca.as_deref())?));
        Ok(Connection::Stream(Box::new(connector.connect(name, stream).await.map_err(said)?)))
    }
}

impl Connection {
    /// A receiver that closed its end says so to whoever reads; a write would still succeed once.
    fn has_ended(&mut self) -> bool {
        match self {
            Self::Datagrams(_) => false,
            Self::Stream(stream) => {
                let mut byte = [0; 1];
                let mut reading = std::pin::pin!(stream.read(&mut byte));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                matches!(reading.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(0) | Err(_)))
            }
        }
    }
}

/// One line, without a line's end.
fn line(event: &Event, form: Form) -> String {
    let told = event.told();
    let finding = &told["finding"];
    let severity = finding["severity"].as_str().unwrap_or("info");
    // RFC 5424 table 2: critical, warning, notice, informational
    let (level, score) = match severity {
        "high" => (2, 9),
        "medium" => (4, 6),
        "low" => (5, 3),
        _ => (6, 1),
    };
    let priority = FACILITY * 8 + level;
    let mut head = format!("<{priority}>1 {} - eyot-portal - {} ", Timestamp(event.at), event.kind);
    match form {
        Form::Rfc5424 => {
            let _ = write!(head, "[{ENTERPRISE}");
            for (name, value) in fields(&told) {
                let _ = write!(
                    head,
                    " {name}=\"{}\"",
                    value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]")
                );
            }
            let _ = write!(head, "] {}", text(&finding["summary"]));
        }
        Form::Cef => {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
            let kind = text(&finding["kind"]);
            let title = text(&told["title"]);
            let version = env!("CARGO_PKG_VERSION");
            let _ =
                write!(head, "- CEF:0|Eyot|Portal|{version}|{}|{}|{score}|", escaped(&kind), escaped(&title));
            let value = |text: String| text.replace('\\', "\\\\").replace('=', "\\=");
            let _ = write!(head, "rt={} externalId={}", event.at / 1_000, value(text(&told["id"])));
            for (key, found) in [
                ("smac", &finding["mac"]),
                ("cat", &told["category"]),
                ("deviceExternalId", &told["sensor"]),
                ("msg", &finding["summary"]),
            ] {
                let found = text(found);
                if !found.is_empty() {
                    let _ = write!(head, " {key}={}", value(found));
                }
            }
        }
    }
    head.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn fields(told: &Value) -> Vec<(&'static str, String)> {
    let finding = &told["finding"];
    let all = [
        ("seq", &told["seq"]),
        ("id", &told["id"]),
        ("sensor", &told["sensor"]),
        ("kind", &finding["kind"]),
        ("severity", &finding["severity"]),
        ("mac", &finding["mac"]),
        ("technique", &told["technique"]),
        ("count", &finding["count"]),
    ];
    all.into_iter().map(|(name, value)| (name, text(value))).filter(|(_, value)| !value.is_empty()).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let body = serde_json::json!({
            "id": "f1", "sensor": "s1", "category": "alert", "title": "A | B", "technique": "T1046",
            "finding": { "kind": "port_scan", "severity": "high", "mac": "00:40:00:00:00:01", "count": 3,
                "summary": "say \"a=b]\"\nand go" }
        });
        Event { seq: 7, at: 1_790_000_000_000_000, kind: "finding.new".to_owned(), body: body.to_string() }
    }

    #[test]
    fn lines_cannot_be_broken_by_what_they_carry() {
        let plain = line(&event(), Form::Rfc5424);
        assert_eq!(
            plain,
            "<130>1 2026-09-21T14:13:20Z - eyot-portal - finding.new [eyot@32473 seq=\"7\" id=\"f1\" sensor=\"s1\" \
             kind=\"port_scan\" severity=\"high\" mac=\"00:40:00:00:00:01\" technique=\"T1046\" count=\"3\"] \
             say \"a=b]\" and go"
        );
        let cef = line(&event(), Form::Cef);
        let head = concat!(
            "- CEF:0|Eyot|Portal|",
            env!("CARGO_PKG_VERSION"),
            "|port_scan|A \\| B|9|rt=1790000000000 "
        );
        assert!(cef.contains(head), "{cef}");
        assert!(cef.ends_with("msg=say \"a\\=b]\" and go"), "{cef}");
    }
}
