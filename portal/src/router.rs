//! The router: the table of addresses ([`routes`]) and what wraps them all: time limit, security headers, the same form
//! for every refusal of a program, measurements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{header, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::Router;
use tower_http::csrf::CsrfLayer;

use crate::api::Problem;
use crate::pages;
use crate::portal::Portal;
use crate::routes::routes;

/// Longest time from a request's head to the start of its answer.
const REQUEST: Duration = Duration::from_secs(60);
/// Longest text of a library's refusal that is passed on, in bytes.
const MAX_REFUSAL: usize = 4 * 1024;

/// What a browser may do with our pages: load our own style sheet, script and images, and nothing else from anywhere.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The portal's router.
pub fn router(portal: Arc<Portal>) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| route.into(router))
        .fallback(pages::not_found)
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(portal.clone(), wrap))
        .with_state(portal)
}

/// Gives every answer its time limit and its security headers, and counts it.
async fn wrap(State(portal): State<Arc<Portal>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let program = request.uri().path().starts_with("/api/");
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let answer = tokio::time::timeout(REQUEST, answer(request, next)).await;
    let mut response = answer
        .unwrap_or_else(|_| (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response());
    if program && response.status().is_client_error() {
        response = as_problem(response).await;
    }
    let route = matched.as_deref().unwrap_or("none");
    portal.metrics.answered(method.as_str(), route, response.status().as_u16(), begun.elapsed());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Nothing of ours is named with the character NUL, and PostgreSQL cannot even be asked for it.
async fn answer(request: Request, next: Next) -> Response {
    match request.uri().path_and_query().is_some_and(|text| text.as_str().contains("%00")) {
        true => (StatusCode::BAD_REQUEST, "the address holds the character NUL\n").into_response(),
        false => next.run(request).await,
    }
}

/// What a library refuses (a method, a parameter, a size) in the form that all refusals of programs have. Ours are JSON
/// already.
async fn as_problem(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.contains("json")) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = to_bytes(body, MAX_REFUSAL).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let said = head.status.canonical_reason().unwrap_or("refused").to_lowercase();
    let mut made = Problem::new(head.status, if text.is_empty() { said } else { text }).into_response();
    for name in [header::ALLOW, header::WWW_AUTHENTICATE] {
        if let Some(value) = head.headers.get(&name) {
            made.headers_mut().insert(name, value.clone());
        }
    }
    made
}
