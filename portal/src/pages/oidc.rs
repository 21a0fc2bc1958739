//! Signing in by way of an OpenID provider: there, and back again.
//!
//! Who comes back must be the browser that went: `state` is in the address and in a cookie. That cookie is `Lax`, for the
//! way back is from another site; the session's is `Strict`, so the way on is begun by a page of our own.

use axum::extract::{Query, State};
use axum::http::{header, HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use eyot_contract::Timestamp;
use maud::{html, DOCTYPE};
use serde::Deserialize;

use super::login::{checked_name, opened, Next};
use super::{link, refusal, Failed};
use crate::api::{cookie, App};
use crate::oidc::OidcError;
use crate::secret;
use crate::store::{OidcAccount, OidcSignIn, User};

/// Name of the cookie that goes with a sign-in under way.
const STATE_COOKIE: &str = "__Host-eyot-oidc";
/// How long it lives, in seconds.
const STATE_LIFE: u32 = 600;

/// What comes back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Back {
    code: String,
    state: String,
    error: String,
}

/// `GET /login/oidc`.
///
/// # Errors
/// The store fails.
pub async fn begin(State(portal): App, Query(next): Query<Next>) -> Result<Response, Failed> {
    let Some(provider) = &portal.oidc else { return Ok(none()) };
    let begun = match provider.begin().await {
        Ok(begun) => begun,
        Err(error) => return Ok(failed(&error)),
    };
    let sign_in = OidcSignIn { nonce: begun.nonce, verifier: begun.verifier, next: next.next };
    let state_hash = secret::hash(begun.state.as_bytes());
    match portal.store.begin_sign_in(&state_hash, &sign_in, Timestamp::now()).await? {
        true => {
            let cookie = state_cookie(&begun.state, STATE_LIFE);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&begun.address)).into_response())
        }
        false => {
            let text = "Too many people are signing in at this moment. Wait ten minutes, then try again.";
            Ok(refusal(None, StatusCode::SERVICE_UNAVAILABLE, "Not now", text))
        }
    }
}

/// `GET /login/oidc/callback`.
///
/// # Errors
/// The store fails.
pub async fn end(
    State(portal): App,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Failed> {
    let Some(provider) = &portal.oidc else { return Ok(none()) };
    let now = Timestamp::now();
    let same = cookie(&headers, STATE_COOKIE)
        .is_some_and(|kept| !kept.is_empty() && secret::same(kept, &back.state));
    let sign_in = match same {
        true => portal.store.end_sign_in(&secret::hash(back.state.as_bytes()), now).await?,
        false => None,
    };
    let Some(sign_in) = sign_in else {
        return Ok(no("This sign-in was not begun here, or has ended. Begin it again."));
    };
    if !back.error.is_empty() || back.code.is_empty() {
        tracing::warn!(error = word(&back.error), "the OpenID provider refused a sign-in");
        return Ok(no("The provider did not let you sign in."));
    }
    let person = match provider.end(&back.code, &sign_in.verifier, &sign_in.nonce).await {
        Ok(person) => person,
        Err(OidcError::Claim(what)) => {
            tracing::warn!(what, "an OpenID sign-in gives too little");
            return Ok(no(&format!(
                "Your account at the provider gives no {what}. Its administrator can change that."
            )));
        }
        Err(error) => return Ok(failed(&error)),
    };
    if let Err(reason) = checked_name(&person.name) {
        return Ok(no(&reason));
    }
    let user = User { name: person.name.trim().to_owned(), role: person.role };
    let id = match portal.store.account_of(&person.subject, &user, now).await? {
        OidcAccount::Theirs(id) => id,
        OidcAccount::NameTaken => {
            tracing::warn!(name = user.name, "an OpenID sign-in has another account's name");
            return Ok(no("Another account here has your name. An owner of this portal can remove it."));
        }
    };
    let Some(session) = opened(&portal, &id, now).await? else {
        return Ok(refusal(
            None,
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong",
            "The operating system gave no random bytes.",
        ));
    };
    let next = if link::is_local(&sign_in.next) { sign_in.next.as_str() } else { "/" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0;url=" (next) };
                title { "Signed in · Eyot" }
            }
            body { p { "Signed in. " a href=(next) { "Go on" } } }
        }
    };
    let cookies: [(HeaderName, String); 2] =
        [(header::SET_COOKIE, session), (header::SET_COOKIE, state_cookie("", 0))];
    let mut response = page.into_response();
    for (name, value) in cookies {
        if let Ok(value) = value.parse() {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn state_cookie(value: &str, seconds: u32) -> String {
    format!("{STATE_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax")
}

fn none() -> Response {
    refusal(None, StatusCode::NOT_FOUND, "Not found", "This portal knows no OpenID provider.")
}

fn no(text: &str) -> Response {
    refusal(None, StatusCode::FORBIDDEN, "Not signed in", text)
}

/// The reason is the log's: it is nothing that whoever signs in could mend.
fn failed(error: &OidcError) -> Response {
    tracing::warn!(error = error as &dyn std::error::Error, "a sign-in by way of the OpenID provider failed");
    match error {
        OidcError::Token(_) => {
            no("What the provider says about you is not believed. The portal's log says why.")
        }
        _ => refusal(
            None,
            StatusCode::BAD_GATEWAY,
            "Not signed in",
            "The provider cannot be asked at this moment. The portal's log says why.",
        ),
    }
}

/// A word of the provider's, fit for a log.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(60).collect()
}
