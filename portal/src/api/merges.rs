//! Devices merged and taken apart, and what happened to each: as programs ask for it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::{FindingCategory, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{App, Changer, Json, Problem, Viewer};
use crate::portal::Portal;
use crate::rules::changes::Kind;
use crate::store::{
    Actor, Device, Event, FindingQuery, MergeOutcome, StoreError, MAX_EVENTS_SHOWN, MAX_MERGED, MIN_MERGED,
};

/// Which devices become one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// Two to ten, all of one zone.
    ids: Vec<Uuid>,
    /// The one that stays; without it the one with the latest activity.
    into: Option<Uuid>,
}

/// A merge that was made.
#[derive(Serialize, JsonSchema)]
pub struct MergeMade {
    /// The device that stays.
    device: Uuid,
    /// What undoing it asks for.
    merge: Uuid,
}

/// How many devices came back.
#[derive(Serialize, JsonSchema)]
pub struct Undone {
    devices: usize,
}

/// A device that was merged into another.
#[derive(Serialize, JsonSchema)]
pub struct AbsorbedView {
    name: String,
    mac: String,
    merge: Uuid,
    #[schemars(with = "String")]
    at: Timestamp,
    by: String,
}

/// What happened to a device, newest first.
#[derive(Serialize, JsonSchema)]
pub struct Timeline {
    /// Of several hundred the latest.
    events: Vec<EventView>,
}

#[derive(Serialize, JsonSchema)]
struct EventView {
    #[schemars(with = "String")]
    at: Timestamp,
    kind: String,
    detail: String,
    actor: String,
    mac: String,
}

/// Merges devices, for the page as for programs.
///
/// # Errors
/// The store fails; inside, why these cannot be merged.
pub async fn merge_checked(
    portal: &Portal,
    ids: &[Uuid],
    into: Option<Uuid>,
    by: Actor<'_>,
) -> Result<Result<(Uuid, Uuid), String>, StoreError> {
    let mut different = ids.to_vec();
    different.sort_unstable();
    different.dedup();
    if !(MIN_MERGED..=MAX_MERGED).contains(&different.len()) {
        let n = different.len();
        return Ok(Err(format!(
            "{n} different devices are chosen; {MIN_MERGED} to {MAX_MERGED} become one device"
        )));
    }
    Ok(match portal.store.merge_devices(&different, into, by).await? {
        MergeOutcome::Done { device, merge } => Ok((device, merge)),
        MergeOutcome::NotThere => Err("one of these devices is not there any more".to_owned()),
        MergeOutcome::Zones => {
            Err("these devices are of different zones; a device is one device within a zone".to_owned())
        }
        MergeOutcome::Survivor => Err("into: the device that stays is none of those chosen".to_owned()),
    })
}

/// `POST /api/v1/devices/merge`.
///
/// # Errors
/// These cannot be merged, or the store fails.
pub async fn merge(
    State(portal): App,
    Changer(user): Changer,
    Json(wanted): Json<Merge>,
) -> Result<Json<MergeMade>, Problem> {
    match merge_checked(&portal, &wanted.ids, wanted.into, Actor::now(&user.name)).await? {
        Ok((device, merge)) => Ok(Json(MergeMade { device, merge })),
        Err(reason) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason)),
    }
}

/// `DELETE /api/v1/merges/{id}`.
///
/// # Errors
/// There is no such merge, or the store fails.
pub async fn undo(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<Json<Undone>, Problem> {
    match portal.store.undo_merge(id, Actor::now(&user.name)).await? {
        0 => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such merge")),
        devices => Ok(Json(Undone { devices })),
    }
}

/// `GET /api/v1/devices/{id}/merged`.
///
/// # Errors
/// There is no such device, or the store fails.
pub async fn merged(
    State(portal): App,
    _: Viewer,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<AbsorbedView>>, Problem> {
    if portal.store.device(id).await?.is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such device"));
    }
    let absorbed = portal.store.absorbed(id).await?.into_iter();
    Ok(Json(
        absorbed
            .map(|a| AbsorbedView { name: a.name, mac: a.mac, merge: a.merge, at: a.at, by: a.by })
            .collect(),
    ))
}

/// `GET /api/v1/devices/{id}/timeline`.
///
/// # Errors
/// There is no such device, or the store fails.
pub async fn timeline(
    State(portal): App,
    _: Viewer,
    Path(id): Path<Uuid>,
) -> Result<Json<Timeline>, Problem> {
    let Some(device) = portal.store.device(id).await? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such device"));
    };
    let events = history(&portal, &device).await?.into_iter();
    let view = |e: Event| EventView { at: e.at, kind: e.kind, detail: e.detail, actor: e.actor, mac: e.mac };
    Ok(Json(Timeline { events: events.map(view).collect() }))
}

/// Everything that happened to a device, newest first: what was written down, its first and latest frame, its alerts.
///
/// # Errors
/// The store fails.
pub async fn history(portal: &Portal, device: &Device) -> Result<Vec<Event>, StoreError> {
    let mut events = portal.store.device_events(device.id).await?;
    let record = &device.record;
    let own = |at, kind: Kind| Event {
        at,
        kind: kind.name().to_owned(),
        detail: String::new(),
        actor: device.sensor_name.clone(),
        mac: record.mac.to_string(),
    };
    events.push(own(record.first_seen, Kind::FirstSeen));
    if record.last_seen != record.first_seen {
        events.push(own(record.last_seen, Kind::LastSeen));
    }
    let absorbed = portal.store.absorbed(device.id).await?;
    let macs = absorbed.iter().filter_map(|a| a.mac.parse().ok()).chain([record.mac]);
    for mac in macs {
        let asked = FindingQuery {
            category: Some(FindingCategory::Alert),
            mac: Some(mac),
            any_status: true,
            limit: MAX_EVENTS_SHOWN as i64,
            ..FindingQuery::default()
        };
        for finding in portal.store.findings(&asked).await?.findings {
            let detail = format!("{}: {}", finding.kind.definition().title, finding.summary);
            let actor = finding.sensor_name;
            let kind = Kind::Alert.name().to_owned();
            events.push(Event { at: finding.first_seen, kind, detail, actor, mac: mac.to_string() });
        }
    }
    events.sort_by_key(|e| std::cmp::Reverse(e.at));
    events.truncate(MAX_EVENTS_SHOWN);
    Ok(events)
}
