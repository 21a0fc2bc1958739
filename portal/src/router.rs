//! Every address the portal answers to, in one table, and what wraps them all.
//!
//! Three kinds of visitor: anybody (`/healthz`, enrolment, signing in, style sheets), sensors (client certificate; the
//! [`Sensor`](crate::api::Sensor) extractor), people and programs (session or API token; the
//! [`Viewer`](crate::api::Viewer) and [`Changer`](crate::api::Changer) extractors).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{header, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::Router;
use eyot_contract::path;
use tower_http::csrf::CsrfLayer;

use crate::portal::Portal;
use crate::{api, pages};

/// Longest time from a request's head to the start of its answer.
const REQUEST: Duration = Duration::from_secs(60);
/// Largest enrolment request or form, in bytes.
const MAX_SMALL_BODY: usize = 64 * 1024;
/// Largest health report, in bytes: a machine with hundreds of interfaces stays below.
const MAX_HEALTH_BODY: usize = 256 * 1024;
/// Largest device batch, in bytes: [`eyot_contract::MAX_BATCH_DEVICES`] records of 16 KiB each.
const MAX_BATCH_BODY: usize = eyot_contract::MAX_BATCH_DEVICES * 16 * 1024;
/// Largest list of managed endpoints or of threats, in bytes: some half a million rows.
const MAX_LIST_BODY: usize = 32 * 1024 * 1024;

/// What a browser may do with our pages: load our own style sheet, script and images, and nothing else from anywhere.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The portal's router.
pub fn router(portal: Arc<Portal>) -> Router {
    let machines = Router::new()
        .route(path::ALIVE, get(api::alive))
        .route(path::ENROL, post(api::enrol))
        .route(path::RENEW, post(api::renew))
        .route(path::THREATS, post(api::threats::part))
        .route("/install", get(api::install::script))
        .route("/install/{file}", get(api::install::package))
        .route(path::DEVICES, post(api::devices::take).layer(DefaultBodyLimit::max(MAX_BATCH_BODY)))
        .route(path::HEALTH, post(api::health).layer(DefaultBodyLimit::max(MAX_HEALTH_BODY)));
    let programs = Router::new()
        .route("/api/v1/sensors", get(api::sensors::list).post(api::sensors::register))
        .route(
            "/api/v1/sensors/{id}",
            get(api::sensors::one).patch(api::sensors::edit).delete(api::sensors::delete),
        )
        .route("/api/v1/sensors/{id}/activation", post(api::sensors::reissue))
        .route("/api/v1/plans", get(api::plans::list).post(api::plans::add))
        .route("/api/v1/plans/{subscription}", delete(api::plans::cancel))
        .route(
            "/api/v1/managed-endpoints",
            put(api::plans::replace_managed).layer(DefaultBodyLimit::max(MAX_LIST_BODY)),
        )
        .route("/api/v1/findings", get(api::findings::list).patch(api::findings::work))
        .route("/api/v1/findings/{id}", get(api::findings::one))
        .route("/api/v1/recommendations", get(api::findings::recommendations))
        .route("/api/v1/suppressions", get(api::findings::suppressions).post(api::findings::suppress))
        .route("/api/v1/suppressions/{id}", delete(api::findings::unsuppress))
        .route("/api/v1/threat-lists", get(api::threats::list))
        .route(
            "/api/v1/threat-lists/{name}",
            put(api::threats::put)
                .layer(DefaultBodyLimit::max(MAX_LIST_BODY))
                .patch(api::threats::switch)
                .delete(api::threats::remove),
        )
        .route("/api/v1/retention", get(api::decisions::retention).put(api::decisions::set_retention))
        .route(
            "/api/v1/devices",
            get(api::devices::list).patch(api::decisions::edit).delete(api::decisions::delete),
        )
        .route("/api/v1/devices/{id}", get(api::devices::one));
    let people = Router::new()
        .route("/", get(pages::first))
        .route("/login", get(pages::login::show).post(pages::login::sign_in))
        .route("/logout", post(pages::login::sign_out))
        .route("/setup", get(pages::login::show_setup).post(pages::login::set_up))
        .route("/getting-started", get(pages::getting_started::show).post(pages::getting_started::register))
        .route("/getting-started/seed", post(pages::getting_started::seed))
        .route("/sensors", get(pages::sensors::list))
        .route("/sensors/{id}", get(pages::sensors::one))
        .route("/sensors/{id}/edit", post(pages::sensors::edit))
        .route("/sensors/{id}/activation", post(pages::sensors::reissue))
        .route("/sensors/{id}/delete", get(pages::sensors::confirm_deletion).post(pages::sensors::delete))
        .route("/devices", get(pages::inventory::list))
        .route("/devices/change", post(pages::decisions::change))
        .route("/devices/columns", post(pages::inventory::choose_columns))
        .route("/alerts", get(pages::findings::alerts))
        .route("/alerts/work", post(pages::findings::work))
        .route("/alerts/suppressions", get(pages::findings::suppressions).post(pages::findings::suppress))
        .route("/alerts/suppressions/remove", post(pages::findings::unsuppress))
        .route("/alerts/{id}", get(pages::findings::one))
        .route("/recommendations", get(pages::findings::recommendations))
        .route(
            "/threats",
            get(pages::threats::show)
                .post(pages::threats::upload)
                .layer(DefaultBodyLimit::max(MAX_LIST_BODY)),
        )
        .route(
            "/bundles",
            get(pages::bundles::show)
                .post(pages::bundles::upload)
                .layer(DefaultBodyLimit::max(pages::bundles::MAX_UPLOAD)),
        )
        .route("/threats/change", post(pages::threats::change))
        .route("/plans", get(pages::plans::show).post(pages::plans::add))
        .route("/plans/cancel", post(pages::plans::cancel))
        .route("/plans/managed", post(pages::plans::import).layer(DefaultBodyLimit::max(MAX_LIST_BODY)))
        .route("/audit", get(pages::audit::list))
        .route("/devices.csv", get(pages::inventory::csv))
        .route("/devices.json", get(pages::inventory::json))
        .route("/devices/{id}", get(pages::device::one))
        .route("/assets/{name}", get(pages::assets::one));
    Router::new()
        .merge(machines)
        .merge(programs)
        .merge(people)
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(MAX_SMALL_BODY))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn(wrap))
        .with_state(portal)
}

/// Gives every answer its time limit and its security headers.
async fn wrap(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    };
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
