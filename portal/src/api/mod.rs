//! The portal as machines and programs see it: JSON in, JSON out.
//!
//! Sensors get [`Refusal`]s as the contract has them; programs get a [`Problem`].

pub mod decisions;
pub mod devices;
pub mod findings;
mod guard;
pub mod install;
pub mod plans;
pub mod sensors;
pub mod threats;
mod told;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use eyot_contract::{
    EnrolmentRequest, EnrolmentResponse, HealthReport, Refusal, RefusalCode, RenewalRequest, RenewalResponse,
    Timestamp,
};
use serde::Serialize;

use crate::portal::Portal;
use crate::rules;
use crate::store::StoreError;

pub use guard::{session_cookie, Changer, Pricer, Sensor, Viewer, SESSION_COOKIE};
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

/// What a program gets instead of an answer.
#[derive(Serialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    error: String,
}

impl Problem {
    /// A problem with this status and text.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
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
        (self.status, Json(&self)).into_response()
    }
}

/// `GET /healthz`. The `Date` header that every answer carries is what callers come for.
pub async fn alive() -> &'static str {
    "ok\n"
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
