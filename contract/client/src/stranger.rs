//! Who answers in the portal's place: one request that carries no identity and no secret, to whoever it is.
//!
//! Asked only after the answering certificate was refused, or after something answered that is no TLS. The answer serves
//! the diagnosis (login page, inspecting proxy, wrong clock) and nothing else; nothing of it is trusted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eyot_contract::{path, Timestamp};
use http_body_util::{Empty, Full};
use hyper::header::{CONTENT_TYPE, DATE, HOST, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use rustls::crypto::CryptoProvider;

use crate::client::{http_date, transport, versions, Transport};
use crate::route::Route;
use crate::trust::Anybody;
use crate::ClientError;

/// Longest redirection that is shown, in characters.
const MAX_LOCATION_CHARS: usize = 120;

/// Asks whoever answers at the portal's address.
#[derive(Clone)]
pub(crate) struct Stranger {
    question: Uri,
    transport: Transport,
    route: Route,
    timeout: Duration,
}

/// What it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: StatusCode,
    location: Option<String>,
    is_page: bool,
    /// Its clock.
    pub(crate) date: Option<Timestamp>,
}

impl Stranger {
    pub(crate) fn new(
        provider: &Arc<CryptoProvider>,
        portal: &Uri,
        route: Route,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let tls = versions(provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(provider))))
            .with_no_client_auth();
        let text = format!("{}{}", portal.to_string().trim_end_matches('/'), path::ALIVE);
        let question = text.parse().map_err(|_| ClientError::Address(portal.to_string()))?;
        Ok(Self { question, transport: transport(tls, route.clone()), route, timeout })
    }

    /// Over TLS, with any certificate.
    pub(crate) async fn ask_in_tls(&self) -> Option<Answer> {
        let request = self.request(self.question.clone())?.body(Full::<Bytes>::default()).ok()?;
        let response =
            tokio::time::timeout(self.timeout, self.transport.request(request)).await.ok()?.ok()?;
        Some(Answer::of(response.status(), response.headers()))
    }

    /// In plain HTTP on the same port.
    pub(crate) async fn ask_plainly(&self) -> Option<Answer> {
        let asking = async {
            let wire = self.route.clone().open(self.question.clone()).await.ok()?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(wire).await.ok()?;
            tokio::spawn(connection);
            let request = self.request(path::ALIVE.parse().ok()?)?.body(Empty::new()).ok()?;
            let response = sender.send_request(request).await.ok()?;
            Some(Answer::of(response.status(), response.headers()))
        };
        tokio::time::timeout(self.timeout, asking).await.ok()?
    }

    fn request(&self, uri: Uri) -> Option<hyper::http::request::Builder> {
        let host = self.question.authority()?.as_str();
        Some(
            Request::builder()
                .method(Method::GET)
                .uri(uri)
                .header(HOST, host)
                .header(USER_AGENT, concat!("eyot/", env!("CARGO_PKG_VERSION"))),
        )
    }
}

impl Answer {
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        Self {
            status,
            location: text(LOCATION)
                .map(|l| l.chars().filter(|c| !c.is_control()).take(MAX_LOCATION_CHARS).collect()),
            is_page: text(CONTENT_TYPE).is_some_and(|t| t.starts_with("text/html")),
            date: text(DATE).and_then(http_date),
        }
    }

    /// Whether this is what networks that ask their guests to log in answer: a redirection to somewhere else, a page
    /// where there should be a word, or the status made for it (RFC 6585 §6).
    pub(crate) fn is_login_page(&self, host: &str) -> bool {
        let leads_away = self.location.as_ref().is_some_and(|l| match l.parse::<Uri>() {
            Ok(target) => target.host().is_some_and(|h| h != host),
            Err(_) => true,
        });
        self.status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED
            || (self.status.is_redirection() && leads_away)
            || (self.status.is_success() && self.is_page)
    }

    pub(crate) fn redirects(&self) -> bool {
        self.status.is_redirection()
    }

    pub(crate) fn words(&self) -> String {
        match &self.location {
            Some(location) => format!("status {} to {location}", self.status.as_u16()),
            None => format!("status {}", self.status.as_u16()),
        }
    }
}
