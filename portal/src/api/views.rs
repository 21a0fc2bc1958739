//! Saved views of the inventory, for programs: those an account sees, kept under a name, and removed.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::devices::Asked;
use super::{App, Json, Problem, Viewer};
use crate::store::{Actor, Column, NewView, View, ViewKept, MAX_VIEWS};

/// Longest name, in characters.
pub const MAX_NAME: usize = 60;
/// Longest question, in bytes.
const MAX_QUERY: usize = 2_000;

/// A question as it stands in an address.
pub fn read(query: &str) -> Option<Asked> {
    let uri: Uri = format!("/devices?{query}").parse().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(asked)| asked)
}

/// Whether a view can be kept.
///
/// # Errors
/// Why not.
pub fn check(name: &str, query: &str) -> Result<(), String> {
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(format!("a view has a name of at most {MAX_NAME} characters"));
    }
    let asked = read(query).filter(|_| query.len() <= MAX_QUERY);
    match asked.is_some_and(|asked| asked.query().is_ok()) {
        true => Ok(()),
        false => Err("what is to be saved is no question the inventory understands".to_owned()),
    }
}

/// Why one more is not kept.
pub fn too_many() -> String {
    format!("there are {MAX_VIEWS} views of yours already; remove one first")
}

/// A view in an answer.
#[derive(Serialize, JsonSchema)]
pub struct ViewView {
    id: Uuid,
    owner: String,
    name: String,
    /// Whether everybody sees it.
    shared: bool,
    /// What it asks, as parameters of `GET /api/v1/devices`.
    query: String,
    /// Names of its columns, in their order.
    columns: Vec<String>,
}

impl ViewView {
    fn of(view: View) -> Self {
        let columns = view.columns.split(',').map(str::to_owned).collect();
        Self {
            id: view.id,
            owner: view.owner,
            name: view.name,
            shared: view.shared,
            query: view.query,
            columns,
        }
    }
}

/// `GET /api/v1/views`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, Viewer(user): Viewer) -> Result<Json<Vec<ViewView>>, Problem> {
    Ok(Json(portal.store.views(&user.name).await?.into_iter().map(ViewView::of).collect()))
}

/// A view to be kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// One's own view of this name is replaced.
    name: String,
    /// Whether everybody is to see it; readers share nothing.
    #[serde(default)]
    shared: bool,
    /// What it asks, as parameters of `GET /api/v1/devices`.
    #[serde(default)]
    query: String,
    /// Names of its columns, in their order.
    columns: Vec<String>,
}

/// A view that was kept.
#[derive(Serialize, JsonSchema)]
pub struct Kept {
    id: Uuid,
}

/// `POST /api/v1/views`.
///
/// # Errors
/// It cannot be kept, or the store fails.
pub async fn keep(
    State(portal): App,
    Viewer(user): Viewer,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Kept>), Problem> {
    let wrong = |text: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
    let name = wanted.name.trim();
    check(name, &wanted.query).map_err(wrong)?;
    if let Some(unknown) = wanted.columns.iter().find(|column| Column::named(column).is_none()) {
        return Err(wrong(format!("columns: \"{unknown}\" is none")));
    }
    if wanted.columns.is_empty() {
        return Err(wrong("columns: a view shows at least one".to_owned()));
    }
    if wanted.shared && !user.role.may_change() {
        let text = format!("the role {} may not share a view", user.role.title());
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let columns = wanted.columns.join(",");
    let view = NewView { name, shared: wanted.shared, query: &wanted.query, columns: &columns };
    match portal.store.keep_view(view, Actor::now(&user.name)).await? {
        ViewKept::Kept(id) => Ok((StatusCode::CREATED, Json(Kept { id }))),
        ViewKept::TooMany => Err(Problem::new(StatusCode::CONFLICT, too_many())),
    }
}

/// `DELETE /api/v1/views/{id}`: one's own, or a shared one by whoever may change things.
///
/// # Errors
/// There is none, it is somebody else's, or the store fails.
pub async fn remove(
    State(portal): App,
    Viewer(user): Viewer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    if portal.store.view(id, &user.name).await?.is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such view"));
    }
    match portal.store.remove_view(id, user.role.may_change(), Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this view is somebody else's")),
    }
}
