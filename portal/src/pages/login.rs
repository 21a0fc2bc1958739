//! Signing in and out, and the first account of a new portal.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::Timestamp;
use maud::{html, Markup};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::layout::{fault, page, Place};
use super::{link, Failed};
use crate::api::{session_cookie, App, SESSION_COOKIE};
use crate::portal::Portal;
use crate::rules::password;
use crate::rules::role::Role;
use crate::secret;
use crate::store::{Actor, User};

/// Passwords hashed at one time: each takes 19 MiB and a core for some 50 ms.
static HASHING: Semaphore = Semaphore::const_new(2);

/// Longest account name, in characters.
pub const MAX_USER_CHARS: usize = 64;

/// Where to go on to.
#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    pub(super) next: String,
}

/// The sign-in form.
#[derive(Deserialize)]
pub struct SignIn {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The set-up form.
#[derive(Deserialize)]
pub struct SetUp {
    secret: String,
    name: String,
    password: String,
    again: String,
}

/// `GET /login`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Query(next): Query<Next>) -> Result<Response, Failed> {
    if portal.store.user_count().await? == 0 {
        return Ok(Redirect::to("/setup").into_response());
    }
    Ok(form(&portal, "", &next.next, None).into_response())
}

/// `POST /login`.
///
/// # Errors
/// The store fails.
pub async fn sign_in(State(portal): App, Form(given): Form<SignIn>) -> Result<Response, Failed> {
    let now = Timestamp::now();
    let login = portal.store.login(&given.name, now).await?;
    let kept = login.as_ref().map(|l| l.password.clone());
    let right = check(given.password.clone(), kept).await;
    // a locked account refuses the right password too, or the lock would tell which one that is
    let reason = match login {
        Some(login) if login.locked => "Too many wrong passwords. Wait a quarter of an hour, then try again.",
        Some(login) if right => return open(&portal, &login.id, &given.next, now).await,
        Some(login) => {
            portal.store.count_failure(&login.id, now).await?;
            "The name or the password is wrong."
        }
        None => "The name or the password is wrong.",
    };
    tracing::warn!(name = cut(&given.name), "sign-in refused");
    Ok((StatusCode::FORBIDDEN, form(&portal, &given.name, &given.next, Some(reason))).into_response())
}

/// `POST /logout`.
///
/// # Errors
/// The store fails.
pub async fn sign_out(State(portal): App, headers: HeaderMap) -> Result<Response, Failed> {
    if let Some(session) = session_cookie(&headers) {
        portal.store.close_session(&secret::hash(session.as_bytes())).await?;
    }
    Ok(([(header::SET_COOKIE, cookie("", 0))], Redirect::to("/login")).into_response())
}

/// `GET /setup`.
///
/// # Errors
/// The store fails.
pub async fn show_setup(State(portal): App) -> Result<Response, Failed> {
    if portal.store.user_count().await? > 0 {
        return Ok(Redirect::to("/login").into_response());
    }
    Ok(setup_form("", None).into_response())
}

/// `POST /setup`.
///
/// # Errors
/// The store fails.
pub async fn set_up(State(portal): App, Form(given): Form<SetUp>) -> Result<Response, Failed> {
    let now = Timestamp::now();
    if portal.store.user_count().await? > 0 {
        return Ok(Redirect::to("/login").into_response());
    }
    let refuse =
        |text: &str| Ok((StatusCode::FORBIDDEN, setup_form(&given.name, Some(text))).into_response());
    if !portal.is_setup_secret(&given.secret).await? {
        tracing::warn!("set-up refused: wrong set-up secret");
        return refuse(
            "This is not the set-up secret. It is in the file setup-secret in the portal's data folder.",
        );
    }
    if let Err(reason) = checked_name(&given.name) {
        return refuse(&reason);
    }
    if given.password != given.again {
        return refuse("The two passwords differ.");
    }
    let hash = match hashed(given.password.clone()).await {
        Ok(hash) => hash,
        Err(reason) => return refuse(&sentence(&reason)),
    };
    let user = User { name: given.name.trim().to_owned(), role: Role::Owner };
    if !portal.store.add_user(&user, &hash, true, Actor { name: &user.name, at: now }).await? {
        return Ok(Redirect::to("/login").into_response());
    }
    portal.forget_setup_secret();
    tracing::info!(name = user.name, "first account made");
    match portal.store.login(&user.name, now).await? {
        Some(login) => open(&portal, &login.id, "/", now).await,
        None => Ok(Redirect::to("/login").into_response()),
    }
}

/// Whether an account may have this name.
///
/// # Errors
/// What is wrong with it.
pub fn checked_name(name: &str) -> Result<(), String> {
    let name = name.trim();
    let plain = name.chars().all(|c| c.is_alphanumeric() || ".-_@".contains(c));
    match name.chars().count() {
        0 => Err("The account name is empty.".to_owned()),
        n if n > MAX_USER_CHARS => {
            Err(format!("The account name has {n} characters; at most {MAX_USER_CHARS} are allowed."))
        }
        _ if !plain => Err("The account name may have letters, digits and . - _ @ only.".to_owned()),
        _ => Ok(()),
    }
}

/// Opens a session; the cookie that carries it, or none where there are no random bytes.
///
/// # Errors
/// The store fails.
pub(super) async fn opened(portal: &Portal, user: &str, now: Timestamp) -> Result<Option<String>, Failed> {
    let Ok(session) = secret::new_text() else { return Ok(None) };
    portal.store.open_session(user, &secret::hash(session.as_bytes()), now).await?;
    Ok(Some(cookie(&session, 86_400)))
}

async fn open(portal: &Arc<Portal>, user: &str, next: &str, now: Timestamp) -> Result<Response, Failed> {
    let Some(cookie) = opened(portal, user, now).await? else {
        let text = "The operating system gave no random bytes.";
        let refusal = super::refusal(None, StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", text);
        return Ok(refusal);
    };
    let next = if link::is_local(next) { next } else { "/" };
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

fn cookie(value: &str, seconds: u32) -> String {
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict")
}

async fn check(given: String, kept: Option<String>) -> bool {
    let _turn = HASHING.acquire().await;
    tokio::task::spawn_blocking(move || password::matches(&given, kept.as_deref())).await.unwrap_or(false)
}

/// A password's hash, made off the async threads and a few at a time.
///
/// # Errors
/// Why it is not accepted.
pub async fn hashed(given: String) -> Result<String, String> {
    let _turn = HASHING.acquire().await;
    match tokio::task::spawn_blocking(move || password::hash(&given)).await {
        Ok(made) => made.map_err(|e| e.to_string()),
        Err(e) => Err(format!("hashing failed ({e})")),
    }
}

fn sentence(text: &str) -> String {
    text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).chain(['.']).collect()
}

fn cut(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_USER_CHARS).collect()
}

fn form(portal: &Portal, name: &str, next: &str, reason: Option<&str>) -> Markup {
    let body = html! {
        section.card.narrow {
            h1 { "Sign in" }
            (fault(reason))
            form method="post" action="/login" {
                input type="hidden" name="next" value=(next);
                label for="name" { "Account name" }
                input #name name="name" value=(name) autocomplete="username" required autofocus;
                label for="password" { "Password" }
                input #password type="password" name="password" autocomplete="current-password" required;
                button type="submit" { "Sign in" }
            }
            @if let Some(provider) = portal.provider() {
                p { a href=(link::with_query("/login/oidc", [("next", next.to_owned())])) { "Sign in with " (provider) } }
            }
        }
    };
    page(None, Place::Elsewhere, "Sign in", &body)
}

fn setup_form(name: &str, reason: Option<&str>) -> Markup {
    let body = html! {
        section.card.narrow {
            h1 { "Set up this portal" }
            p { "Nobody has an account here yet. The set-up secret is in the file " code { "setup-secret" }
                " in the portal's data folder; only its administrator can read it." }
            (fault(reason))
            form method="post" action="/setup" {
                label for="secret" { "Set-up secret" }
                input #secret type="password" name="secret" autocomplete="off" required autofocus;
                label for="name" { "Account name" }
                input #name name="name" value=(name) autocomplete="username" required;
                label for="password" { "Password (at least " (password::MIN_CHARS) " characters)" }
                input #password type="password" name="password" autocomplete="new-password" required;
                label for="again" { "Password again" }
                input #again type="password" name="again" autocomplete="new-password" required;
                button type="submit" { "Make the account" }
            }
        }
    };
    page(None, Place::Elsewhere, "Set up", &body)
}
