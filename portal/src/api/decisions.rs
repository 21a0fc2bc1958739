//! Devices as programs change and delete them, and how long unseen ones are kept.

use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::{App, Changer, Json, Problem, Viewer};
use crate::rules::decisions::Edit;
use crate::store::{Actor, MAX_EDITED};

/// Longest retention, in days: ten years.
pub const MAX_RETENTION: i64 = 3_650;

/// What to change about which devices. A field that is not named stays; `authorized: null` takes the decision back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    ids: Vec<Uuid>,
    name: Option<String>,
    #[serde(rename = "type")]
    device_type: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    location: Option<String>,
    importance: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    add_tags: Vec<String>,
    notes: Option<String>,
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "Option<bool>")]
    authorized: Option<Option<bool>>,
}

/// Tells `null` from a field that is not there.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<bool>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Which devices.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    ids: Vec<Uuid>,
}

/// Whether so many devices may be changed in one go.
///
/// # Errors
/// Why not.
pub fn check(ids: &[Uuid], edit: &Edit) -> Result<(), String> {
    match ids.len() {
        0 => Err("no device is chosen".to_owned()),
        n if n > MAX_EDITED => {
            Err(format!("{n} devices are chosen; at most {MAX_EDITED} are changed in one go"))
        }
        2.. if edit.name.as_deref().is_some_and(|n| !n.is_empty()) => {
            Err("one name cannot be given to several devices".to_owned())
        }
        _ => Ok(()),
    }
}

/// `PATCH /api/v1/devices`.
///
/// # Errors
/// A value cannot be taken, none of the devices is there, or the store fails.
pub async fn edit(
    State(portal): App,
    Changer(user): Changer,
    Json(change): Json<Change>,
) -> Result<Json<Counted>, Problem> {
    let unusable = |reason| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason);
    let Change {
        ids,
        name,
        device_type,
        vendor,
        model,
        location,
        importance,
        tags,
        add_tags,
        notes,
        authorized,
    } = change;
    let edit =
        Edit { name, device_type, vendor, model, location, importance, tags, add_tags, notes, authorized };
    let edit = edit.checked().map_err(unusable)?;
    check(&ids, &edit).map_err(unusable)?;
    counted(portal.store.edit_devices(&ids, &edit, Actor::now(&user.name)).await?)
}

/// `DELETE /api/v1/devices`, with the ids in the body.
///
/// # Errors
/// None of the devices is there, or the store fails.
pub async fn delete(
    State(portal): App,
    Changer(user): Changer,
    Json(which): Json<Which>,
) -> Result<Json<Counted>, Problem> {
    check(&which.ids, &Edit::default()).map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    counted(portal.store.delete_devices(&which.ids, Actor::now(&user.name)).await?)
}

/// How many devices it was done to.
#[derive(serde::Serialize, JsonSchema)]
pub struct Counted {
    devices: u64,
}

fn counted(devices: u64) -> Result<Json<Counted>, Problem> {
    match devices {
        0 => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such device")),
        devices => Ok(Json(Counted { devices })),
    }
}

/// How long unseen devices are kept.
#[derive(Deserialize, serde::Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    days: i64,
}

/// `GET /api/v1/retention`.
///
/// # Errors
/// The store fails.
pub async fn retention(State(portal): App, _: Viewer) -> Result<Json<Retention>, Problem> {
    Ok(Json(Retention { days: portal.store.retention_days().await? }))
}

/// `PUT /api/v1/retention`.
///
/// # Errors
/// The number makes no sense, or the store fails.
pub async fn set_retention(
    State(portal): App,
    Changer(user): Changer,
    Json(wanted): Json<Retention>,
) -> Result<StatusCode, Problem> {
    if !(1..=MAX_RETENTION).contains(&wanted.days) {
        let text = format!("days: {} is not between 1 and {MAX_RETENTION}", wanted.days);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    portal.store.set_retention_days(wanted.days, Actor::now(&user.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
