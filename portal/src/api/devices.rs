//! Devices: taken from sensors, given to programs.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use eyot_contract::{
    BatchAcknowledged, DeviceBatch, DeviceRecord, Refusal, RefusalCode, Timestamp, MAX_BATCH_DEVICES,
    MAX_BATCH_FINDINGS,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{App, Json, Moment, Problem, Record, Refused, Sensor, Told, Viewer};
use crate::rules::decisions::IMPORTANCES;
use crate::store::{Column, Decisions, Device, DeviceQuery, Grouping, Order, Sighting};

/// Devices per page unless asked otherwise.
pub const PAGE: i64 = 50;
/// What a device can be for a while.
pub const STATES: [&str; 3] = ["new", "transient", "unclassified"];
/// Most devices per page.
pub const MAX_PAGE: i64 = 1000;

/// `POST /api/v1/sensor/devices`.
///
/// # Errors
/// The refusal; the batch is then not stored.
pub async fn take(
    State(portal): App,
    sensor: Sensor,
    Told(batch): Told<DeviceBatch>,
) -> Result<Json<BatchAcknowledged>, Refused> {
    let (count, findings) = (batch.devices.len(), batch.findings.len());
    if count > MAX_BATCH_DEVICES || findings > MAX_BATCH_FINDINGS {
        let message = format!(
            "the batch holds {count} devices and {findings} findings, and the portal takes at most \
             {MAX_BATCH_DEVICES} and {MAX_BATCH_FINDINGS}"
        );
        return Err(Refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            Refusal { code: RefusalCode::BadRequest, message },
        ));
    }
    let outcome = portal.store.ingest(sensor.id, &batch, Timestamp::now()).await?;
    portal.metrics.stored(count);
    tracing::debug!(sensor = %sensor.id, sequence = batch.sequence, count, ?outcome, "device batch");
    Ok(Json(BatchAcknowledged { epoch: batch.epoch, sequence: batch.sequence }))
}

/// What can be asked of the inventory, by the page as by programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Asked {
    /// Words to look for.
    pub search: String,
    /// Type.
    #[serde(rename = "type")]
    pub device_type: String,
    /// Class.
    pub class: String,
    /// Vendor.
    pub vendor: String,
    /// Sensor id.
    pub sensor: String,
    /// `yes`, `no` or `unknown`.
    pub authorized: String,
    /// `low`, `normal` or `high`.
    pub importance: String,
    /// A tag.
    pub tag: String,
    /// `new`, `transient` or `unclassified`.
    pub state: String,
    /// The name of a vulnerability: devices that may have it, as the latest pass over the inventory found.
    pub cve: String,
    /// What to group by: the groups follow each other.
    pub group: String,
    /// Of the groups only this one, `unknown` for devices without.
    #[serde(rename = "in")]
    pub within: String,
    /// A saved view, by its id; pages look at it.
    #[schemars(skip)]
    pub view: String,
    /// Column to sort by.
    pub sort: String,
    /// `asc` or `desc`.
    pub order: String,
    /// All of them, a page at a time, each once whatever changes meanwhile: `start`, then `next` of the page before. They
    /// come in no useful order; `sort`, `order` and `page` are not looked at.
    pub cursor: String,
    /// Page, from 1.
    pub page: Option<i64>,
    /// Devices per page, at most 1000.
    pub per_page: Option<i64>,
}

/// What begins a walk through all.
const START: &str = "start";

/// After which one a page begins, when one walks through all.
///
/// # Errors
/// What is wrong with the cursor.
pub fn cursor(text: &str) -> Result<Option<Uuid>, String> {
    match text {
        "" => Ok(None),
        START => Ok(Some(Uuid::nil())),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("cursor: this is neither \"{START}\" nor one that a page gave")),
    }
}

/// How many come before a page.
pub fn offset(page: Option<i64>, cursor: &str, limit: i64) -> i64 {
    let page = if cursor.is_empty() { page.unwrap_or(1).max(1) } else { 1 };
    (page - 1).saturating_mul(limit)
}

impl Asked {
    /// As the store understands it, one page.
    ///
    /// # Errors
    /// Which parameter cannot be used.
    pub fn query(&self) -> Result<DeviceQuery, String> {
        let by = match self.sort.as_str() {
            "" => Column::LastSeen,
            name => Column::named(name).ok_or_else(|| {
                let names: Vec<_> = Column::ALL.iter().map(|c| c.name()).collect();
                format!("sort: \"{name}\" is not one of {}", names.join(", "))
            })?,
        };
        let order = match (self.order.as_str(), self.sort.is_empty()) {
            ("asc", _) | ("", false) => Order::Ascending,
            ("desc", _) | ("", true) => Order::Descending,
            (other, _) => return Err(format!("order: \"{other}\" is neither asc nor desc")),
        };
        let sensor = match self.sensor.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| format!("sensor: \"{id}\" is not a sensor's id"))?),
        };
        for (name, value, known) in [
            ("authorized", &self.authorized, ["yes", "no", "unknown"]),
            ("importance", &self.importance, IMPORTANCES),
            ("state", &self.state, STATES),
        ] {
            if !value.is_empty() && !known.contains(&value.as_str()) {
                return Err(format!("{name}: \"{value}\" is not one of {}", known.join(", ")));
            }
        }
        let group = match self.group.as_str() {
            "" if !self.within.is_empty() => return Err("in: this needs group".to_owned()),
            "" => None,
            name => Some(Grouping::named(name).ok_or_else(|| {
                let names: Vec<_> = Grouping::ALL.iter().map(|g| g.name()).collect();
                format!("group: \"{name}\" is not one of {}", names.join(", "))
            })?),
        };
        let limit = self.per_page.unwrap_or(PAGE).clamp(1, MAX_PAGE);
        Ok(DeviceQuery {
            search: self.search.clone(),
            device_type: self.device_type.clone(),
            class: self.class.clone(),
            vendor: self.vendor.clone(),
            sensor,
            authorized: self.authorized.clone(),
            importance: self.importance.clone(),
            tag: self.tag.clone(),
            state: self.state.clone(),
            cve: self.cve.clone(),
            group,
            within: self.within.clone(),
            now: Timestamp::now(),
            by,
            order,
            after: cursor(&self.cursor)?,
            offset: offset(self.page, &self.cursor, limit),
            limit: Some(limit),
        })
    }
}

/// A device in an answer: the contract's record, whose it is and where.
#[derive(Serialize, JsonSchema)]
pub struct DeviceView {
    id: Uuid,
    zone: String,
    sensor: String,
    sensor_id: Uuid,
    decisions: Decisions,
    #[serde(flatten)]
    #[schemars(with = "Record")]
    record: serde_json::Map<String, serde_json::Value>,
}

impl DeviceView {
    /// In a list, without the evidence: that is a hundred times the rest, and the single device has it.
    pub fn listed(device: &Device) -> Self {
        let mut view = Self::whole(device);
        view.record.remove("evidence");
        view
    }

    fn whole(device: &Device) -> Self {
        let record = match serde_json::to_value(&device.record) {
            Ok(serde_json::Value::Object(record)) => record,
            // a struct of texts, numbers and lists is always an object
            _ => serde_json::Map::new(),
        };
        Self {
            id: device.id,
            zone: device.zone.clone(),
            sensor: device.sensor_name.clone(),
            sensor_id: device.sensor,
            decisions: device.decisions.clone(),
            record,
        }
    }
}

/// Answer to `GET /api/v1/devices`.
#[derive(Serialize, JsonSchema)]
pub struct Devices {
    total: i64,
    devices: Vec<DeviceView>,
    /// With a cursor: where the next page begins; null on the last.
    next: Option<Uuid>,
}

/// Answer to `GET /api/v1/devices/{id}`.
#[derive(Serialize, JsonSchema)]
pub struct OneDevice {
    #[serde(flatten)]
    device: DeviceView,
    /// What each sensor says, the surest first.
    sightings: Vec<SightingView>,
}

#[derive(Serialize, JsonSchema)]
struct SightingView {
    sensor: String,
    sensor_id: Uuid,
    #[schemars(with = "Moment")]
    received: Timestamp,
    #[serde(flatten)]
    #[schemars(with = "Record")]
    record: DeviceRecord,
}

impl SightingView {
    fn of(sighting: &Sighting) -> Self {
        Self {
            sensor: sighting.sensor_name.clone(),
            sensor_id: sighting.sensor,
            received: sighting.received_at,
            record: sighting.record.clone(),
        }
    }
}

/// `GET /api/v1/devices`.
///
/// # Errors
/// A parameter cannot be used, or the store fails.
pub async fn list(
    State(portal): App,
    _: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Json<Devices>, Problem> {
    let query = asked.query().map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    let page = portal.store.devices(&query).await?;
    let full = query.after.is_some() && Some(page.devices.len() as i64) == query.limit;
    let next = page.devices.last().filter(|_| full).map(|last| last.id);
    let devices = page.devices.iter().map(DeviceView::listed).collect();
    Ok(Json(Devices { total: page.total, devices, next }))
}

/// `GET /api/v1/devices/{id}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn one(State(portal): App, _: Viewer, Path(id): Path<Uuid>) -> Result<Json<OneDevice>, Problem> {
    let found = portal.store.device(id).await?;
    let mut device = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such device"))?;
    let sightings = portal.store.sightings(id).await?;
    device.record.evidence = sightings.first().map(|s| s.record.evidence.clone()).unwrap_or_default();
    let sightings = sightings.iter().map(SightingView::of).collect();
    Ok(Json(OneDevice { device: DeviceView::whole(&device), sightings }))
}
