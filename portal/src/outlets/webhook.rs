//! Webhooks: a POST with `{"events": [...]}`, signed. Anything but 2xx is a failure and comes again; redirections are not
//! followed, and of the answer only the status is looked at.
//!
//! The signature: `Eyot-Signature: t=SECONDS,v1=HEX`, HMAC-SHA-256 with the shared secret over `SECONDS.BODY`. Receivers
//! compare it, refuse old times, and drop a `seq` they have seen.

use std::path::PathBuf;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use serde::Deserialize;

use super::{tls, Told};
use crate::store::ToldEvent as Event;
use eyot_contract::Timestamp;

/// A receiver, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// `https://…`; plain http only to this machine.
    url: String,
    /// File whose first line is the shared secret.
    secret_file: PathBuf,
    /// CA of the receiver's certificate, PEM, instead of the system's.
    ca: Option<PathBuf>,
    /// `http://host:port` of a proxy to go through.
    proxy: Option<String>,
}

impl Webhook {
    /// Whether it can be used at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(), String> {
        let uri: Uri = self.url.parse().map_err(|_| format!("\"{}\" is no URL", self.url))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if here => Ok(()),
            _ => Err("url: events go over https:// (or http:// to this machine)".to_owned()),
        }
    }
}

type Sender = Box<dyn Fn(Request<Full<Bytes>>) -> hyper_util::client::legacy::ResponseFuture + Send + Sync>;

pub(super) struct Speaker {
    to: Webhook,
    sender: Option<Sender>,
}

impl Speaker {
    pub(super) fn new(to: Webhook) -> Self {
        Self { to, sender: None }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        let request = match self.request(events) {
            Ok(request) => request,
            Err(why) => return Told::short(0, why),
        };
        let sender = match self.sender() {
            Ok(sender) => sender,
            Err(why) => return Told::short(0, why),
        };
        match sender(request).await {
            Ok(answer) if answer.status().is_success() => Told::all(events),
            Ok(answer) => Told::short(0, format!("the receiver answered {}", answer.status())),
            Err(why) => {
                let cause =
                    std::error::Error::source(&why).map(|cause| format!(": {cause}")).unwrap_or_default();
                Told::short(0, format!("{why}{cause}"))
            }
        }
    }

    fn request(&self, events: &[Event]) -> Result<Request<Full<Bytes>>, String> {
        let path = &self.to.secret_file;
        let secret = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let told: Vec<_> = events.iter().map(Event::told).collect();
        let body = serde_json::json!({ "events": told }).to_string();
        let signature =
            signature(secret.lines().next().unwrap_or_default(), Timestamp::now().seconds(), &body);
        Request::builder()
            .method(Method::POST)
            .uri(&self.to.url)
            .header("content-type", "application/json")
            .header("user-agent", concat!("eyot-portal/", env!("CARGO_PKG_VERSION")))
            .header("eyot-signature", signature)
            .body(Full::new(body.into()))
            .map_err(|e| e.to_string())
    }

    fn sender(&mut self) -> Result<&Sender, String> {
        if self.sender.is_none() {
            let tls = tls::config(self.to.ca.as_deref())?;
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
            let mut http = HttpConnector::new();
            http.enforce_http(false);
            let sender: Sender = match &self.to.proxy {
                None => {
                    let connector: HttpsConnector<HttpConnector> = builder.wrap_connector(http);
                    let client = Client::builder(TokioExecutor::new()).build(connector);
                    Box::new(move |request| client.request(request))
                }
                Some(proxy) => {
                    let proxy: Uri = proxy.parse().map_err(|_| "proxy: this is no URL".to_owned())?;
                    let client = Client::builder(TokioExecutor::new())
                        .build(builder.wrap_connector(Tunnel::new(proxy, http)));
                    Box::new(move |request| client.request(request))
                }
            };
            self.sender = Some(sender);
        }
        self.sender.as_ref().ok_or_else(|| "no connection".to_owned())
    }
}

/// The signature's header.
fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_encrypted_or_nowhere_else() {
        let to = |url: &str| Webhook { url: url.to_owned(), secret_file: "x".into(), ca: None, proxy: None };
        for good in
            ["https://siem.example/hook", "http://127.0.0.1:9/x", "http://[::1]:9/", "http://localhost/"]
        {
            assert!(to(good).check().is_ok(), "{good}");
        }
        for bad in
            ["http://siem.example/", "http://127.0.0.1.example/", "ftp://x/", "x", "http://169.254.169.254/"]
        {
            assert!(to(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signature_is_hmac_over_time_and_body() {
        // made with: printf '1.{}' | openssl dgst -sha256 -hmac s3cret
        let expected = "t=1,v1=3aef069923b329162e71de34136b0ef6ee4b9253867069748da3fc3680c71406";
        assert_eq!(signature("s3cret", 1, "{}"), expected);
    }
}
