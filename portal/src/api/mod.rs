//! The portal as machines and programs see it: JSON in, JSON out.
//!
//! Sensors get [`Refusal`]s as the contract has them; programs get a [`Problem`].

pub mod access;
pub mod audit;
pub mod decisions;
pub mod devices;
pub mod findings;
mod guard;
pub mod install;
mod json;
pub mod merges;
pub mod metrics;
pub mod openapi;
pub mod peers;
pub mod plans;
pub mod remote;
mod schema;
pub mod sensors;
pub mod software;
pub mod threats;
mod told;
pub mod views;
pub mod vulnerabilities;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use eyot_contract::{
    EnrolmentRequest, EnrolmentResponse, HealthReport, Refusal, RefusalCode, RenewalRequest, RenewalResponse,
    Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::portal::Portal;
use crate::rules;
use crate::store::StoreError;

pub use guard::{cookie, session_cookie, Admitter, Changer, Person, Pricer, Sensor, Viewer, SESSION_COOKIE};
pub use json::Json;
pub use schema::{Address, File, FindingProof, Moment, Record, Report, Standing};
pub use told::Told;

/// What every handler is given.
pub type App = State<Arc<Portal>>;

/// A refusal on its way out.
pub struct Refused(pub StatusCode, pub Refusal);

impl Refused {
    /// A refusal with the contract's own words.
    pub fn plain(status: StatusCode, code: RefusalCode) -> Self {
        Self(status, Refusal { code, message: code.remedy().to_owned() })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::TokenUnknown => StatusCode::FORBIDDEN,
            RefusalCode::TokenUsed => StatusCode::CONFLICT,
            RefusalCode::TokenExpired | RefusalCode::TokenReplaced | RefusalCode::SensorDeleted => {
                StatusCode::GONE
            }
            RefusalCode::BadRequest => StatusCode::BAD_REQUEST,
            RefusalCode::NotEnrolled => StatusCode::UNAUTHORIZED,
            RefusalCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, refusal)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a sensor's request failed");
        Self::plain(StatusCode::INTERNAL_SERVER_ERROR, RefusalCode::Internal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// What a program gets instead of an answer (RFC 9457, problem details; there is no type beside the status).
#[derive(Serialize, JsonSchema)]
pub struct Problem {
    #[serde(skip)]
    code: StatusCode,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong and what to do.
    detail: String,
}

/// The media type of problems.
pub const PROBLEM: &str = "application/problem+json";

impl Problem {
    /// A problem with this status and text.
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        let title = code.canonical_reason().unwrap_or("Refused").to_owned();
        Self { code, title, status: code.as_u16(), detail: detail.into() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a program's request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the portal failed while answering; its log says why")
    }
}

impl From<rules::registration::RegistrationError> for Problem {
    fn from(error: rules::registration::RegistrationError) -> Self {
        use rules::registration::RegistrationError as E;
        let status = match error {
            E::Name { .. } | E::Setting(_) | E::Token => StatusCode::UNPROCESSABLE_ENTITY,
            E::Taken(_) => StatusCode::CONFLICT,
            E::NotThere => StatusCode::NOT_FOUND,
            E::Store(store) => return store.into(),
            E::Randomness(_) | E::Volume(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a registration failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code, axum::Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        response
    }
}

/// `GET /healthz`: whether the portal's database answers. Appliances come for the `Date` header that every answer carries.
pub async fn alive(State(portal): App) -> (StatusCode, &'static str) {
    match portal.store.answers().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

/// `POST /api/v1/enrol`.
///
/// # Errors
/// The refusal.
pub async fn enrol(
    State(portal): App,
    Told(request): Told<EnrolmentRequest>,
) -> Result<Json<EnrolmentResponse>, Refused> {
    let answer = rules::enrolment::enrol(&portal.store, &portal.authority, &request, Timestamp::now()).await;
    match &answer {
        Ok(answer) => tracing::info!(sensor = %request.sensor, name = answer.sensor_name, "sensor enrolled"),
        Err(refusal) => tracing::warn!(sensor = %request.sensor, code = ?refusal.code, "enrolment refused"),
    }
    Ok(Json(answer?))
}

/// `POST /api/v1/sensor/certificate`.
///
/// # Errors
/// The refusal.
pub async fn renew(
    State(portal): App,
    sensor: Sensor,
    Told(request): Told<RenewalRequest>,
) -> Result<Json<RenewalResponse>, Refused> {
    let authority = &portal.authority;
    let answer =
        rules::enrolment::renew(&portal.store, authority, &sensor, &request, Timestamp::now()).await?;
    tracing::info!(sensor = %sensor.id, "certificate renewed");
    Ok(Json(answer))
}

/// `POST /api/v1/sensor/health`.
///
/// # Errors
/// The refusal.
pub async fn health(
    State(portal): App,
    sensor: Sensor,
    Told(report): Told<HealthReport>,
) -> Result<StatusCode, Refused> {
    portal.store.keep_health(sensor.id, &report, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
