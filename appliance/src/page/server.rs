//! Connections, and what every request and every answer has in common.
//!
//! One request a connection; everything that a stranger can make last or grow has its bound here.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::form::Submitted;
use super::{setup, view, Page};

/// Longest body, in bytes: two PEM chains and a key fit several times.
pub const MAX_BODY: usize = 64 * 1024;
/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 16;
/// For TLS to come about.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a request's head to arrive.
const HEAD: Duration = Duration::from_secs(10);
/// For a request's body to arrive.
const BODY: Duration = Duration::from_secs(20);
/// For a whole connection: trying the way to the portal may take several time limits of its own.
const CONNECTION: Duration = Duration::from_secs(120);
/// Room for a request's head, in bytes (hyper's least is 8 KiB).
const HEAD_BYTES: usize = 16 * 1024;
/// Pause after the kernel gave no connection (no descriptors left).
const PAUSE: Duration = Duration::from_millis(200);
/// The session's cookie. Its prefix makes browsers insist on TLS, this host and the whole site.
const COOKIE: &str = "__Host-eyot";

/// Nothing but this page's own style sheet and forms.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer in the making.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// Where to go instead.
    pub(super) location: Option<&'static str>,
    /// The key of a session that begins.
    pub(super) session: Option<String>,
    pub(super) content_type: &'static str,
    pub(super) allow: Option<&'static str>,
}

impl Answer {
    pub(super) fn page(status: StatusCode, body: String) -> Self {
        Self {
            status,
            body,
            location: None,
            session: None,
            content_type: "text/html; charset=utf-8",
            allow: None,
        }
    }

    pub(super) fn go(location: &'static str) -> Self {
        Self { location: Some(location), ..Self::page(StatusCode::SEE_OTHER, String::new()) }
    }

    /// A refusal in words.
    pub(super) fn no(status: StatusCode, text: &str) -> Self {
        Self::page(status, view::plain("Not possible", text))
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(location) = self.location {
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        let cookie =
            self.session.map(|key| format!("{COOKIE}={key}; Path=/; Secure; HttpOnly; SameSite=Strict"));
        if let Some(mut cookie) = cookie.and_then(|c| HeaderValue::from_str(&c).ok()) {
            cookie.set_sensitive(true);
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

pub(super) async fn serve(page: Rc<Page>, listener: TcpListener) {
    let acceptor = TlsAcceptor::from(page.certificate.tls.clone());
    let places = Rc::new(Semaphore::new(CONNECTIONS));
    // ends with this socket: its connections are dropped with it
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(_place) = Semaphore::acquire(&places).await.map(tokio::sync::SemaphorePermit::forget) else {
            return;
        };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                Some(_) = connections.join_next() => {}
            }
        };
        let Ok((stream, _)) = accepted else {
            places.add_permits(1);
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (page, acceptor, places) = (Rc::clone(&page), acceptor.clone(), Rc::clone(&places));
        connections.spawn_local(async move {
            let _ = tokio::time::timeout(CONNECTION, connection(page, acceptor, stream)).await;
            places.add_permits(1);
        });
    }
}

async fn connection(page: Rc<Page>, acceptor: TlsAcceptor, stream: TcpStream) {
    let accepted = Instant::now();
    // strangers' failures are no news
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| {
        let page = Rc::clone(&page);
        async move { Ok::<_, Infallible>(answer(&page, request, accepted).await.into_response()) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!("local page: {error}");
    }
}

async fn answer(page: &Page, request: Request<Incoming>, accepted: Instant) -> Answer {
    let (head, body) = request.into_parts();
    if !is_our_name(&head.headers, &page.host.hostname()) {
        return Answer::no(
            StatusCode::MISDIRECTED_REQUEST,
            "Call this sensor by its address, as its console shows it.",
        );
    }
    page.network().reached(accepted);
    let cookie = session_key(&head.headers);
    let read = matches!(head.method, Method::GET | Method::HEAD);
    match (head.uri.path(), &head.method) {
        ("/", _) if read => setup::front(page, cookie.as_deref()),
        ("/settings", _) if read => setup::settings(page, cookie.as_deref()),
        ("/style.css", _) if read => {
            Answer { content_type: "text/css", ..Answer::page(StatusCode::OK, view::STYLE.to_owned()) }
        }
        (path @ ("/code" | "/settings"), &Method::POST) => {
            let sent = match sent(&head.headers, body).await {
                Ok(sent) => sent,
                Err(refusal) => return refusal,
            };
            match path {
                "/code" => setup::enter(page, &sent),
                _ => setup::submit(page, cookie.as_deref(), &sent).await,
            }
        }
        ("/" | "/style.css", _) => not_allowed("GET, HEAD"),
        ("/settings", _) => not_allowed("GET, HEAD, POST"),
        ("/code", _) => not_allowed("POST"),
        _ => Answer::no(StatusCode::NOT_FOUND, "There is no such page."),
    }
}

fn not_allowed(allow: &'static str) -> Answer {
    let answer = Answer::no(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done with this page.");
    Answer { allow: Some(allow), ..answer }
}

/// A form's content, if this page's own form can have sent it.
async fn sent(headers: &HeaderMap, body: Incoming) -> Result<Submitted, Answer> {
    if !is_from_here(headers) {
        return Err(Answer::no(
            StatusCode::FORBIDDEN,
            "This was sent by another site's page, and nothing was done.",
        ));
    }
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    if headers.get(header::CONTENT_TYPE) != Some(&form) {
        return Err(Answer::no(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Only this page's own form is taken."));
    }
    let body = match tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await {
        Err(_) => return Err(Answer::no(StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive.")),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let text = format!("The form has more than {} KiB; nothing was stored.", MAX_BODY / 1024);
            return Err(Answer::no(StatusCode::PAYLOAD_TOO_LARGE, &text));
        }
        Ok(Err(_)) => return Err(Answer::no(StatusCode::BAD_REQUEST, "The form did not arrive whole.")),
        Ok(Ok(body)) => body.to_bytes(),
    };
    Submitted::parse(&body)
        .map_err(|e| Answer::no(StatusCode::BAD_REQUEST, &format!("{e}; nothing was stored.")))
}

/// Whether a request calls us by an address or by our own name. A name that somebody else's DNS points here would make
/// their pages ours (DNS rebinding).
fn is_our_name(headers: &HeaderMap, hostname: &str) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|h| h.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || !first(hostname).is_empty() && first(name) == first(hostname)
}

/// Whether the browser says that the form is this site's own. Those that say nothing are told by the form's own secret.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    let host = text("host").unwrap_or_default();
    let origin = text("origin")
        .is_none_or(|o| o.strip_prefix("https://").is_some_and(|o| o.eq_ignore_ascii_case(host)));
    origin && text("sec-fetch-site").is_none_or(|s| s == "same-origin" || s == "none")
}

fn session_key(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|c| c.to_str().ok());
    let pairs = cookies.flat_map(|c| c.split(';')).filter_map(|p| p.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned()).next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn addresses_and_our_own_name_are_us_and_nobody_elses_is() {
        for (host, ours) in [
            ("192.0.2.10", true),
            ("192.0.2.10:443", true),
            ("[2001:db8::1]", true),
            ("[2001:db8::1]:443", true),
            ("localhost:8443", true),
            ("Sensor-7", true),
            ("sensor-7.example:443", true),
            ("evil.example", false),
            ("192.0.2.10.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_our_name(&headers(&[("host", host)]), "sensor-7"), ours, "{host}");
        }
        assert!(!is_our_name(&HeaderMap::new(), ""));
    }

    #[test]
    fn other_sites_forms_are_told_by_the_browser() {
        for (said, ours) in [
            (&[][..], true),
            (&[("origin", "https://192.0.2.10"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://192.0.2.10")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            let all = [&[("host", "192.0.2.10")], said].concat();
            assert_eq!(is_from_here(&headers(&all)), ours, "{said:?}");
        }
    }
}
