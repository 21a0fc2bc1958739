//! E-mail (RFC 5321, RFC 5322): one message for all that is to be told at a time, so that a storm of alerts is no storm of
//! messages. What the mail server has taken counts as told; between two messages there is a pause.
//!
//! The connection is encrypted: TLS from the first byte, or STARTTLS, which is insisted on. Plain only to this machine.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use eyot_contract::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::Told;
use crate::store::ToldEvent as Event;

/// Pause between two messages unless it is said otherwise, in seconds.
const PAUSE: u64 = 15;
/// Longest such pause, in seconds: what is left of one go is the mail server's.
const MAX_PAUSE: u64 = 15;
/// How long the mail server may take for one step.
const ANSWER: Duration = Duration::from_secs(10);
/// Most alerts that a message spells out; of the others it says how many there are.
const MAX_SPELT_OUT: usize = 50;
/// Longest subject, in characters.
const MAX_SUBJECT: usize = 120;

/// A mail server and who is written to, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// `starttls://host:587`, `tls://host:465`, or `plain://` to this machine.
    server: String,
    from: String,
    to: Vec<String>,
    user: Option<String>,
    /// File whose first line is the password.
    password_file: Option<PathBuf>,
    /// CA of the server's certificate, PEM, instead of the system's.
    ca: Option<PathBuf>,
    pause_seconds: Option<u64>,
}

impl Email {
    /// Whether it can be used at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some((way, host, _)) = self.parts() else {
            return Err(format!(
                "server: \"{}\" is not starttls://host:port, tls://host:port or plain://host:port",
                self.server
            ));
        };
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if way == "plain" && !here {
            return Err(
                "server: e-mail goes over tls:// or starttls:// (plain:// to this machine)".to_owned()
            );
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("user and password_file go together: give both or none".to_owned());
        }
        if self.pause_seconds.is_some_and(|seconds| seconds > MAX_PAUSE) {
            return Err(format!("pause_seconds: 0 to {MAX_PAUSE} are possible"));
        }
        if self.to.is_empty() {
            return Err("to: nobody would be written to".to_owned());
        }
        for address in [&self.from].into_iter().chain(&self.to) {
            mailbox(address)?;
        }
        Ok(())
    }

    /// Way, host and port.
    fn parts(&self) -> Option<(&str, &str, u16)> {
        let (way, at) = self.server.split_once("://")?;
        let (host, port) = at.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']);
        let sound = ["tls", "starttls", "plain"].contains(&way) && !host.is_empty();
        sound.then_some((way, host, port.parse().ok()?))
    }
}

fn mailbox(address: &str) -> Result<Mailbox, String> {
    address.parse().map_err(|e| format!("\"{address}\" is no e-mail address ({e})"))
}

pub(super) struct Speaker {
    to: Email,
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
    free_at: Instant,
}

impl Speaker {
    pub(super) fn new(to: Email) -> Self {
        Self { to, transport: None, free_at: Instant::now() }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        tokio::time::sleep_until(self.free_at).await;
        match self.send(events).await {
            Ok(()) => {
                self.free_at = Instant::now() + Duration::from_secs(self.to.pause_seconds.unwrap_or(PAUSE));
                Told::all(events)
            }
            Err(why) => {
                // the password or the CA may be another by now
                self.transport = None;
                Told::short(0, why)
            }
        }
    }

    async fn send(&mut self, events: &[Event]) -> Result<(), String> {
        let message = message(&self.to, events)?;
        let transport = match &self.transport {
            Some(transport) => transport,
            None => self.transport.insert(transport(&self.to)?),
        };
        // the server's own words, without anything that was sent to it
        transport.send(message).await.map(drop).map_err(|e| {
            let cause = std::error::Error::source(&e).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{}: {e}{cause}", self.to.server)
        })
    }
}

fn transport(to: &Email) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let (way, host, port) = to.parts().ok_or("server: this is no address")?;
    let tls = || {
        let mut parameters = TlsParameters::builder(host.to_owned());
        if let Some(path) = &to.ca {
            let unusable = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let pem = std::fs::read(path).map_err(|e| unusable(&e))?;
            let certificate = Certificate::from_pem(&pem).map_err(|e| unusable(&e))?;
            parameters =
                parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        parameters.build_rustls().map_err(|e| e.to_string())
    };
    let tls = match way {
        "tls" => Tls::Wrapper(tls()?),
        "starttls" => Tls::Required(tls()?),
        _ => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(port)
        .tls(tls)
        .timeout(Some(ANSWER));
    if let (Some(user), Some(path)) = (&to.user, &to.password_file) {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let password = text.lines().next().unwrap_or_default().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// One message. The same events make one with the same id, by which a mailbox can tell a repetition.
fn message(to: &Email, events: &[Event]) -> Result<Message, String> {
    let told: Vec<Value> = events.iter().map(Event::told).collect();
    let from = mailbox(&to.from)?;
    let (first, last) = (events.first().map_or(0, |e| e.seq), events.last().map_or(0, |e| e.seq));
    let mut builder = Message::builder()
        .message_id(Some(format!("<eyot.{first}.{last}@{}>", from.email.domain())))
        .subject(subject(&told))
        .from(from)
        .header(ContentType::TEXT_PLAIN);
    for address in &to.to {
        builder = builder.to(mailbox(address)?);
    }
    builder.body(body(events, &told)).map_err(|e| e.to_string())
}

fn subject(told: &[Value]) -> String {
    let text = match told {
        [one] => {
            let severity = one["finding"]["severity"].as_str().unwrap_or("info");
            format!("Eyot alert ({severity}): {}", one["title"].as_str().unwrap_or("alert"))
        }
        more => format!("Eyot: {} alerts", more.len()),
    };
    // what a device says of itself must not become a header of its own
    text.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect()
}

fn body(events: &[Event], told: &[Value]) -> String {
    let mut text = String::new();
    for (event, told) in events.iter().zip(told).take(MAX_SPELT_OUT) {
        let finding = &told["finding"];
        let line = |value: &Value| -> String {
            value.as_str().unwrap_or("–").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        };
        let _ = write!(
            text,
            "{}\r\n  {}\r\n  Severity   {}\r\n  Device     {}\r\n  Technique  {}\r\n  Told       {}\r\n  Sensor     {}\r\n  Alert      {}\r\n  What to do {}\r\n\r\n",
            line(&told["title"]),
            line(&finding["summary"]),
            line(&finding["severity"]),
            line(&finding["mac"]),
            line(&told["technique"]),
            Timestamp(event.at),
            line(&told["sensor"]),
            line(&told["id"]),
            line(&told["remedy"]),
        );
    }
    if told.len() > MAX_SPELT_OUT {
        let _ = write!(text, "and {} more alerts; the portal has them all.\r\n", told.len() - MAX_SPELT_OUT);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn email(more: &str) -> Result<Email, String> {
        let email: Email = toml::from_str(&format!(
            "from = \"Eyot <eyot@example.com>\"\nto = [\"Wäche <soc@example.com>\"]\n{more}"
        ))
        .map_err(|e| e.to_string())?;
        email.check().map(|()| email)
    }

    fn event(seq: i64, title: &str, summary: &str) -> Event {
        let body = serde_json::json!({
            "id": "f1", "sensor": "s1", "title": title, "technique": null, "remedy": "Look.",
            "finding": { "severity": "high", "mac": "00:40:00:00:00:01", "summary": summary }
        });
        Event { seq, at: 1_790_000_000_000_000, kind: "finding.new".to_owned(), body: body.to_string() }
    }

    #[test]
    fn what_cannot_be_used_is_said_at_the_start() {
        assert!(email("server = \"plain://127.0.0.1:25\"").is_ok());
        for (text, expected) in [
            ("server = \"smtp://a:25\"", "is not starttls://"),
            ("server = \"plain://mail.example:25\"", "goes over tls://"),
            ("server = \"tls://a:465\"\nuser = \"u\"", "go together"),
            ("server = \"tls://a:465\"\npause_seconds = 100", "0 to 15"),
            ("server = \"tls://a:465\"\npassword = \"p\"", "unknown field `password`"),
        ] {
            let said = email(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn nothing_that_is_told_becomes_a_header_and_a_storm_is_one_message() {
        let to = email("server = \"tls://a:465\"").unwrap();
        let evil = event(7, "Scan\r\nBcc: all@example.com", "a\r\n.\r\nQUIT");
        let text = String::from_utf8(message(&to, &[evil]).unwrap().formatted()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Message-ID: <eyot.7.7@example.com>"), "{head}");
        assert!(!body.lines().any(|line| line == "." || line == "QUIT"), "{body}");
        let storm: Vec<_> = (1..=60).map(|n| event(n, "Scan", "s")).collect();
        let text = String::from_utf8(message(&to, &storm).unwrap().formatted()).unwrap();
        assert!(text.contains("Subject: Eyot: 60 alerts") && text.contains("and 10 more alerts"), "{text}");
    }
}
