//! Accounts, and people's API tokens, for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admitter, App, Json, Moment, Person, Problem, Viewer};
use crate::pages::login::{checked_name, hashed};
use crate::rules::role::Role;
use crate::rules::token::{self, MAX_TOKEN_DAYS, TOKEN_DAYS};
use crate::store::{self, Actor, NewToken, User, UserRemoval};

fn unusable(text: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

/// An account.
#[derive(Serialize, JsonSchema)]
pub struct AccountView {
    name: String,
    role: &'static str,
}

/// Every account.
#[derive(Serialize, JsonSchema)]
pub struct Accounts {
    users: Vec<AccountView>,
}

/// An account to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    name: String,
    /// `owner`, `contributor`, `security_admin` or `security_reader`.
    role: String,
    /// At least 12 characters.
    password: String,
}

/// A new password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// At least 12 characters.
    password: String,
}

/// `GET /api/v1/users`.
///
/// # Errors
/// The store fails.
pub async fn users(State(portal): App, _: Admitter) -> Result<Json<Accounts>, Problem> {
    let view = |user: User| AccountView { name: user.name, role: user.role.name() };
    Ok(Json(Accounts { users: portal.store.users().await?.into_iter().map(view).collect() }))
}

/// `POST /api/v1/users`.
///
/// # Errors
/// A value cannot be used, the name is taken, or the store fails.
pub async fn add_user(
    State(portal): App,
    Admitter(user): Admitter,
    Json(new): Json<NewAccount>,
) -> Result<StatusCode, Problem> {
    checked_name(&new.name).map_err(unusable)?;
    let role: Role = new.role.parse().map_err(unusable)?;
    let hash = hashed(new.password).await.map_err(unusable)?;
    let account = User { name: new.name.trim().to_owned(), role };
    match portal.store.add_user(&account, &hash, false, Actor::now(&user.name)).await? {
        true => Ok(StatusCode::CREATED),
        false => Err(Problem::new(StatusCode::CONFLICT, "there is an account of this name already")),
    }
}

/// `DELETE /api/v1/users/{name}`.
///
/// # Errors
/// There is none, it is the last owner's, or the store fails.
pub async fn remove_user(
    State(portal): App,
    Admitter(user): Admitter,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    match portal.store.remove_user(&name, Actor::now(&user.name)).await? {
        UserRemoval::Removed => Ok(StatusCode::NO_CONTENT),
        UserRemoval::NotThere => Err(no_account()),
        UserRemoval::LastOwner => {
            let text = "this is the last owner; add another owner first";
            Err(Problem::new(StatusCode::CONFLICT, text))
        }
    }
}

/// `PUT /api/v1/users/{name}/password`.
///
/// # Errors
/// There is no such account, the password is not accepted, or the store fails.
pub async fn set_password(
    State(portal): App,
    Admitter(user): Admitter,
    Path(name): Path<String>,
    Json(new): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    let hash = hashed(new.password).await.map_err(unusable)?;
    match portal.store.set_password(&name, &hash, Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_account()),
    }
}

fn no_account() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such account")
}

/// An API token as listed; never the token itself.
#[derive(Serialize, JsonSchema)]
pub struct TokenView {
    name: String,
    role: String,
    /// Whose it is; null for the command line's.
    account: Option<String>,
    #[schemars(with = "Moment")]
    created: Timestamp,
    #[schemars(with = "Option<Moment>")]
    expires: Option<Timestamp>,
    /// Last use, to the minute.
    #[schemars(with = "Option<Moment>")]
    used: Option<Timestamp>,
    expired: bool,
}

/// API tokens.
#[derive(Serialize, JsonSchema)]
pub struct Tokens {
    tokens: Vec<TokenView>,
}

/// A token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenWanted {
    /// What it is for.
    name: String,
    /// What it allows, at most what its maker may do.
    role: String,
    /// Days until it stops working, 1 to 1826; 90 unless said.
    days: Option<i64>,
}

/// A token just made. It is shown once.
#[derive(Serialize, JsonSchema)]
pub struct TokenMade {
    name: String,
    token: String,
    #[schemars(with = "Moment")]
    expires: Timestamp,
}

/// Whose tokens somebody may see and delete: their own, or all.
fn of(user: &User) -> Option<&str> {
    (!user.role.may_admit()).then_some(user.name.as_str())
}

/// `GET /api/v1/api-tokens`.
///
/// # Errors
/// The store fails.
pub async fn tokens(State(portal): App, Viewer(user): Viewer) -> Result<Json<Tokens>, Problem> {
    let now = Timestamp::now();
    let view = |token: store::ApiToken| TokenView {
        name: token.name,
        role: token.role,
        account: token.account,
        created: Timestamp(token.created_at),
        expires: token.expires_at.map(Timestamp),
        used: token.used_at.map(Timestamp),
        expired: token.expires_at.is_some_and(|e| e <= now.0),
    };
    let tokens = portal.store.api_tokens(of(&user)).await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(view).collect() }))
}

/// `POST /api/v1/api-tokens`.
///
/// # Errors
/// A value cannot be used, the role allows more than the maker's, the name is taken, or the store fails.
pub async fn make_token(
    State(portal): App,
    Person(user): Person,
    Json(wanted): Json<TokenWanted>,
) -> Result<(StatusCode, Json<TokenMade>), Problem> {
    let name = token::checked_name(&wanted.name).map_err(unusable)?;
    let role: Role = wanted.role.parse().map_err(unusable)?;
    if !role.is_within(user.role) {
        let text = format!("the role {} allows more than yours, {}", role.title(), user.role.title());
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let days = wanted.days.unwrap_or(TOKEN_DAYS);
    if !(1..=MAX_TOKEN_DAYS).contains(&days) {
        return Err(unusable(format!("days: {days} is not between 1 and {MAX_TOKEN_DAYS}")));
    }
    let Ok((text, hash)) = token::new() else {
        let text = "the operating system gave no random bytes";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    };
    let by = Actor::now(&user.name);
    let expires = token::end(days, by.at);
    let new = NewToken { name, role, secret_hash: &hash, account: Some(&user.name), expires: Some(expires) };
    match portal.store.add_api_token(&new, by).await? {
        true => Ok((StatusCode::CREATED, Json(TokenMade { name: name.to_owned(), token: text, expires }))),
        false => Err(Problem::new(StatusCode::CONFLICT, "there is a token of this name already")),
    }
}

/// `DELETE /api/v1/api-tokens/{name}`: it stops working at once.
///
/// # Errors
/// There is none, it is somebody else's, or the store fails.
pub async fn delete_token(
    State(portal): App,
    Viewer(user): Viewer,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    match portal.store.delete_api_token(&name, of(&user), Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such token of yours")),
    }
}
