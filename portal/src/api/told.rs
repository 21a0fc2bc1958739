//! A JSON body from a machine, refused in the contract's own form when it cannot be read.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use eyot_contract::{Refusal, RefusalCode};
use serde::de::DeserializeOwned;

use super::Refused;

/// What the machine said.
pub struct Told<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Told<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let refuse = |status, message| Refused(status, Refusal { code: RefusalCode::BadRequest, message });
        let body = Bytes::from_request(request, state).await.map_err(|e| {
            let message = match e.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    "the request is larger than the portal takes; send less at a time"
                }
                _ => "the request's body did not arrive whole; send it again",
            };
            refuse(e.status(), message.to_owned())
        })?;
        // the parser's text may repeat a value, so only the place and the kind of fault are told
        serde_json::from_slice(&body).map(Self).map_err(|e| {
            let fault = match e.classify() {
                serde_json::error::Category::Data => "a field is missing, unknown or of the wrong kind",
                _ => "this is not JSON",
            };
            let message = format!(
                "line {}, column {}: {fault}; {}",
                e.line(),
                e.column(),
                RefusalCode::BadRequest.remedy()
            );
            refuse(StatusCode::BAD_REQUEST, message)
        })
    }
}
