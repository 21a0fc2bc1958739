//! Who may pass: extractors that a handler names in its arguments. A handler that names none is open to anybody.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use eyot_contract::{RefusalCode, Timestamp};
use uuid::Uuid;

use super::metrics::METRICS;
use super::{Problem, Refused};
use crate::pages;
use crate::portal::Portal;
use crate::secret;
use crate::server::Peer;
use crate::store::{Certificate, StoreError, User};

/// Name of the session cookie. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub const SESSION_COOKIE: &str = "__Host-eyot-session";

/// The sensor whose certificate came with the connection.
pub struct Sensor {
    /// Its id.
    pub id: Uuid,
    /// Serial number of that certificate.
    pub serial: String,
}

impl FromRequestParts<Arc<Portal>> for Sensor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Refused> {
        let refused = || Refused::plain(StatusCode::UNAUTHORIZED, RefusalCode::NotEnrolled);
        let Some(Peer::Certified { serial, not_after }) = parts.extensions.get::<Peer>() else {
            return Err(refused());
        };
        if *not_after <= Timestamp::now() {
            return Err(refused());
        }
        match portal.store.certificate(serial).await? {
            Certificate::Valid(id) => Ok(Self { id, serial: serial.clone() }),
            Certificate::Deleted => Err(Refused::plain(StatusCode::GONE, RefusalCode::SensorDeleted)),
            Certificate::Void | Certificate::Unknown => Err(refused()),
        }
    }
}

/// Somebody who may look.
pub struct Viewer(pub User);

/// Somebody who may also change things.
pub struct Changer(pub User);

/// Somebody who may add and cancel plans.
pub struct Pricer(pub User);

/// Somebody who may manage accounts.
pub struct Admitter(pub User);

/// A signed-in person, whatever they may do. Not a program: a token makes no tokens.
pub struct Person(pub User);

impl FromRequestParts<Arc<Portal>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        match bearer_or_session(portal, &parts.headers).await {
            Ok(Some(user)) => Ok(Self(user)),
            Ok(None) => Err(unknown(parts)),
            Err(error) => Err(Problem::from(error).into_response()),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Changer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        let Viewer(user) = Viewer::from_request_parts(parts, portal).await?;
        match user.role.may_change() {
            true => Ok(Self(user)),
            false => Err(not_allowed(parts, &user, "may look and download, not change anything")),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Pricer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        let Viewer(user) = Viewer::from_request_parts(parts, portal).await?;
        match user.role.may_price() {
            true => Ok(Self(user)),
            false => Err(not_allowed(parts, &user, "may not change plans")),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Admitter {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        let Viewer(user) = Viewer::from_request_parts(parts, portal).await?;
        match user.role.may_admit() {
            true => Ok(Self(user)),
            false => Err(not_allowed(parts, &user, "may not manage accounts")),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        let Viewer(user) = Viewer::from_request_parts(parts, portal).await?;
        match parts.headers.contains_key(header::AUTHORIZATION) {
            false => Ok(Self(user)),
            true => {
                let text = "an API token makes no API tokens; sign in, or use the command line";
                Err(Problem::new(StatusCode::FORBIDDEN, text).into_response())
            }
        }
    }
}

fn not_allowed(parts: &Parts, user: &User, what: &str) -> Response {
    let text = format!("the role {} {what}", user.role.title());
    match is_api(parts) {
        true => Problem::new(StatusCode::FORBIDDEN, text).into_response(),
        false => pages::refusal(Some(user), StatusCode::FORBIDDEN, "Not allowed", &text),
    }
}

/// Whoever the request's API token or session belongs to.
async fn bearer_or_session(portal: &Portal, headers: &HeaderMap) -> Result<Option<User>, StoreError> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        return match token {
            Some(token) => {
                portal.store.api_user(&secret::hash(token.trim().as_bytes()), Timestamp::now()).await
            }
            None => Ok(None),
        };
    }
    match session_cookie(headers) {
        Some(session) => portal.store.session(&secret::hash(session.as_bytes()), Timestamp::now()).await,
        None => Ok(None),
    }
}

/// The session cookie's value.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// A cookie's value.
pub fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

fn is_api(parts: &Parts) -> bool {
    let path = parts.uri.path();
    path.starts_with("/api/") || path == METRICS
}

fn unknown(parts: &Parts) -> Response {
    if is_api(parts) {
        let text = "sign in, or send an API token as `Authorization: Bearer …` (`eyot-portal api-token create` makes one)";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, text);
        return ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response();
    }
    let back = parts.uri.path_and_query().filter(|_| parts.method == axum::http::Method::GET);
    let query = back.map(|b| format!("?next={}", pages::link::encode(b.as_str()))).unwrap_or_default();
    Redirect::to(&format!("/login{query}")).into_response()
}
