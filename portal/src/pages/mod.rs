//! The portal as people see it: pages made on the server, one style sheet, one small script, nothing from elsewhere.
//!
//! Every page works without the script. No style and no script stands in the markup, so that the content security
//! policy can forbid both.

pub mod assets;
pub mod audit;
pub mod bundles;
pub mod decisions;
pub mod device;
pub mod export;
pub mod findings;
pub mod getting_started;
mod groups;
pub mod inventory;
mod label;
mod layout;
pub mod link;
pub mod login;
pub mod map;
pub mod merges;
#[cfg(feature = "oidc")]
pub mod oidc;
pub mod plans;
pub mod remote;
pub mod sensors;
pub mod software;
mod table;
pub mod threats;
pub mod timeline;
pub mod views;
pub mod vulnerabilities;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use crate::api::{App, Problem, Viewer};
use crate::rules::registration::RegistrationError;
use crate::store::{StoreError, User};

use layout::{page, Place};

/// A page that could not be made; the log has the reason.
pub struct Failed;

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a page failed");
        Self
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let text = "The portal failed while making this page. Its log says why.";
        refusal(None, StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", text)
    }
}

/// `GET /`: to where there is something to do.
///
/// # Errors
/// The store fails.
pub async fn first(State(portal): App, _: Viewer) -> Result<Redirect, Failed> {
    let place =
        if portal.store.sensor_names(None).await?.is_empty() { "/getting-started" } else { "/sensors" };
    Ok(Redirect::to(place))
}

/// Whatever no other address answers. Who is not signed in learns nothing about which addresses exist.
pub async fn not_found(uri: Uri, viewer: Result<Viewer, Response>) -> Response {
    let user = match viewer {
        Ok(Viewer(user)) => user,
        Err(refused) => return refused,
    };
    match uri.path().starts_with("/api/") {
        true => Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").into_response(),
        false => missing(&user, "There is nothing at this address."),
    }
}

/// A page that says no.
pub fn refusal(user: Option<&User>, status: StatusCode, title: &str, text: &str) -> Response {
    let body = html! {
        h1 { (title) }
        p { (text) }
        p { a href="/" { "Back to the start" } }
    };
    (status, page(user, Place::Elsewhere, title, &body)).into_response()
}

fn missing(user: &User, text: &str) -> Response {
    refusal(Some(user), StatusCode::NOT_FOUND, "Not found", text)
}

/// The status a registration error answers with, or the failure it is.
fn status_of(error: RegistrationError) -> Result<(StatusCode, String), Failed> {
    use RegistrationError as E;
    Ok(match error {
        E::Store(store) => return Err(store.into()),
        E::Taken(_) => (StatusCode::CONFLICT, error.to_string()),
        E::NotThere => (StatusCode::NOT_FOUND, error.to_string()),
        E::Name { .. } | E::Setting(_) | E::Token => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        E::Randomness(_) | E::Volume(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a registration failed");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    })
}
