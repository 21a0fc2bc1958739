//! Threat lists: given to sensors in parts, uploaded and switched by programs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::{ThreatListPart, ThreatListRequest, Timestamp, MAX_THREAT_PART};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{App, Changer, Json, Moment, Problem, Refused, Sensor, Told, Viewer};
use crate::rules::threats::{self, MAX_NAME};
use crate::secret;
use crate::store::{Actor, KeptList, ListChange, SensorThreats, Store, StoreError};

/// How long a text that was put together is used although no list changed: entries come to their end. In seconds.
const FRESH: i64 = 3_600;

/// All active lists as one text, put together once for all sensors.
#[derive(Default)]
pub struct Threats(Mutex<Option<Arc<Together>>>);

/// One text.
pub struct Together {
    changed: String,
    hour: i64,
    /// What names it to sensors.
    pub version: String,
    /// Entries in it.
    pub count: usize,
    text: String,
}

impl Threats {
    /// The text for this moment.
    ///
    /// # Errors
    /// The store fails.
    pub async fn together(&self, store: &Store, now: Timestamp) -> Result<Arc<Together>, StoreError> {
        let (changed, hour) = (store.threats_changed().await?, now.seconds() / FRESH);
        let mut kept = self.0.lock().await;
        if let Some(kept) = kept.as_ref().filter(|k| k.changed == changed && k.hour == hour) {
            return Ok(kept.clone());
        }
        let entries = store.threat_entries(now).await?;
        let mut text = String::new();
        for entry in &entries {
            text.push_str(entry);
            text.push('\n');
        }
        let mut version = secret::hash(text.as_bytes());
        version.truncate(12);
        let together = Arc::new(Together { changed, hour, version, count: entries.len(), text });
        *kept = Some(together.clone());
        Ok(together)
    }
}

/// `POST /api/v1/sensor/threats`.
///
/// # Errors
/// The refusal.
pub async fn part(
    State(portal): App,
    sensor: Sensor,
    Told(asked): Told<ThreatListRequest>,
) -> Result<Json<ThreatListPart>, Refused> {
    let now = Timestamp::now();
    let list = portal.threats.together(&portal.store, now).await?;
    let part = match asked.known.as_deref() == Some(&list.version) {
        true => "",
        false => part_of(&list.text, asked.offset),
    };
    // with the last part the sensor has it all; should it fail to keep it, it will say so when it asks again
    let complete = asked.offset.saturating_add(part.len() as u64) >= list.text.len() as u64;
    let has = if complete { Some(list.version.as_str()) } else { asked.known.as_deref() };
    if asked.offset == 0 || complete {
        let has =
            has.map(|text| text.chars().filter(|c| c.is_ascii_alphanumeric()).take(64).collect::<String>());
        portal.store.note_threats(sensor.id, has.as_deref(), now).await?;
    }
    Ok(Json(ThreatListPart {
        version: list.version.clone(),
        total: list.text.len() as u64,
        part: part.to_owned(),
    }))
}

/// As much as one answer takes. Entries are ASCII, so that any place is a character's end.
fn part_of(text: &str, offset: u64) -> &str {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let to = from.saturating_add(MAX_THREAT_PART).min(text.len());
    text.get(from..to).unwrap_or_default()
}

/// A list in an answer.
#[derive(Serialize, JsonSchema)]
struct ListView {
    name: String,
    version: String,
    format: String,
    entries: i64,
    left_out: i64,
    active: bool,
    #[schemars(with = "Moment")]
    added: Timestamp,
    added_by: String,
}

impl ListView {
    fn of(list: KeptList) -> Self {
        Self {
            name: list.name,
            version: list.version,
            format: list.format,
            entries: list.count,
            left_out: list.left_out,
            active: list.active != 0,
            added: Timestamp(list.added_at),
            added_by: list.added_by,
        }
    }
}

/// Where a sensor stands.
pub fn standing(sensor: &SensorThreats, version: &str) -> &'static str {
    match (&sensor.version, sensor.asked_at) {
        (_, None) => "not_asked_yet",
        (Some(has), _) if has == version => "ok",
        _ => "update_available",
    }
}

#[derive(Serialize, JsonSchema)]
struct SensorView {
    sensor: String,
    sensor_id: Uuid,
    version: Option<String>,
    #[schemars(with = "Option<Moment>")]
    asked: Option<Timestamp>,
    status: &'static str,
}

/// Answer to `GET /api/v1/threat-lists`.
#[derive(Serialize, JsonSchema)]
pub struct Lists {
    /// Version of all active lists together.
    version: String,
    entries: usize,
    lists: Vec<ListView>,
    sensors: Vec<SensorView>,
}

/// `GET /api/v1/threat-lists`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, _: Viewer) -> Result<Json<Lists>, Problem> {
    let together = portal.threats.together(&portal.store, Timestamp::now()).await?;
    let view = |sensor: SensorThreats| SensorView {
        status: standing(&sensor, &together.version),
        sensor: sensor.name,
        sensor_id: sensor.sensor,
        version: sensor.version,
        asked: sensor.asked_at,
    };
    Ok(Json(Lists {
        version: together.version.clone(),
        entries: together.count,
        lists: portal.store.threat_lists().await?.into_iter().map(ListView::of).collect(),
        sensors: portal.store.sensor_threats().await?.into_iter().map(view).collect(),
    }))
}

/// Reads and keeps a list. `Err` says why not.
///
/// # Errors
/// The store fails.
pub async fn keep(
    store: &Store,
    name: &str,
    text: &str,
    by: Actor<'_>,
) -> Result<Result<String, String>, StoreError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(|c| c.is_control() || c == '/')
    {
        return Ok(Err(format!("a list's name has 1 to {MAX_NAME} characters, none of them a slash")));
    }
    match threats::read(text, by.at) {
        Ok(list) => store.keep_threat_list(name, &list, by).await,
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// A list that was kept.
#[derive(Serialize, JsonSchema)]
pub struct Kept {
    version: String,
}

/// `PUT /api/v1/threat-lists/{name}`: the list as text.
///
/// # Errors
/// The list cannot be used, or the store fails.
pub async fn put(
    State(portal): App,
    Changer(user): Changer,
    Path(name): Path<String>,
    text: String,
) -> Result<Json<Kept>, Problem> {
    match keep(&portal.store, &name, &text, Actor::now(&user.name)).await? {
        Ok(version) => Ok(Json(Kept { version })),
        Err(reason) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason)),
    }
}

/// What to change about a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    active: bool,
}

/// `PATCH /api/v1/threat-lists/{name}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn switch(
    State(portal): App,
    Changer(user): Changer,
    Path(name): Path<String>,
    Json(wanted): Json<Switch>,
) -> Result<StatusCode, Problem> {
    let change = if wanted.active { ListChange::Activate } else { ListChange::Deactivate };
    changed(portal.store.change_threat_list(&name, change, Actor::now(&user.name)).await?)
}

/// `DELETE /api/v1/threat-lists/{name}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn remove(
    State(portal): App,
    Changer(user): Changer,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    changed(portal.store.change_threat_list(&name, ListChange::Remove, Actor::now(&user.name)).await?)
}

fn changed(done: bool) -> Result<StatusCode, Problem> {
    match done {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such list")),
    }
}
