//! Device batches: stored once, whole, before they are acknowledged.
//!
//! A batch is one transaction. Its first statement moves the sensor's mark for the batch's epoch forward; where that
//! moves nothing, the batch (or a later one) is stored already and the rest is skipped. Numbers may jump forward (a
//! sensor whose spool was full drops the oldest) but a batch that arrives behind the mark is a repetition by the
//! contract: senders go in order and wait for each acknowledgement.

use eyot_contract::{DeviceBatch, DeviceRecord, MacAddr, Timestamp};
use serde_json::{json, Value};
use sqlx::AnyConnection;
use std::collections::HashMap;
use std::net::IpAddr;
use uuid::Uuid;

use super::events::Outgoing;
use super::merged::Merged;
use super::rows::{self, Holds};
use super::timeline::Before;
use super::{findings, Doing, Store, StoreError};
use crate::rules::consolidation::{consolidate, merge};

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// Stored now.
    Stored,
    /// Was stored before.
    Repeated,
}

const DOING: &str = "storing a device batch";

impl Store {
    /// Stores a batch of a sensor.
    ///
    /// # Errors
    /// The database fails; nothing of the batch is kept.
    pub async fn ingest(
        &self,
        sensor: Uuid,
        batch: &DeviceBatch,
        at: Timestamp,
    ) -> Result<Ingested, StoreError> {
        let sensor = sensor.to_string();
        let mut write = self.write_beside_others(DOING).await?;
        let heard = sqlx::query("UPDATE sensors SET last_contact = $1 WHERE id = $2")
            .bind(at.0)
            .bind(&sensor)
            .execute(write.on())
            .await
            .doing(DOING)?;
        debug_assert_eq!(heard.rows_affected(), 1, "the certificate's sensor exists");
        let moved = move_mark(write.on(), &sensor, batch, at).await?;
        if moved {
            take_in(write.on(), &sensor, batch, at).await?;
        }
        write.commit(DOING).await?;
        Ok(if moved { Ingested::Stored } else { Ingested::Repeated })
    }
}

/// Stores what a batch carries, however it came.
pub(super) async fn take_in(
    on: &mut AnyConnection,
    sensor: &str,
    batch: &DeviceBatch,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (zone, alone) = zone_of(&mut *on, sensor).await?;
    let scene = Scene { sensor, zone: &zone, alone, merged: Merged::of(&mut *on, &zone).await?, at };
    // in the order of their devices, so that two batches with the same ones wait for each other only one way
    let mut records: Vec<_> = batch.devices.iter().map(|d| (scene.merged.survivor_of(d.mac), d)).collect();
    records.sort_by_key(|(own, d)| (*own, d.mac));
    let macs: Vec<_> = records.iter().map(|(own, _)| *own).collect();
    let mut before = Before::of(&mut *on, &zone, &macs).await?;
    let mut outgoing = Outgoing::begin(&mut *on).await?;
    // a statement must not meet a device twice
    for some in records.chunk_by(|(own, _), (next, _)| own != next) {
        for (device, known) in keep_all(&mut *on, &scene, some).await? {
            outgoing.device(!before.knows(known.mac), sensor, &device, &known);
            before.tell(&mut *on, &device, &known, sensor, at).await?;
        }
    }
    for finding in &batch.findings {
        let kept = findings::keep(&mut *on, sensor, finding, at).await?;
        outgoing.finding(kept.new, kept.hidden, sensor, &kept.id, finding);
    }
    outgoing.keep(&mut *on, at).await
}

async fn move_mark(
    on: &mut AnyConnection,
    sensor: &str,
    batch: &DeviceBatch,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let moved = sqlx::query(
        "INSERT INTO uplinks (sensor_id, epoch, sequence, batches, records, updated_at) VALUES ($1, $2, $3, 1, $4, $5) \
         ON CONFLICT (sensor_id, epoch) DO UPDATE SET sequence = excluded.sequence, batches = uplinks.batches + 1, \
         records = uplinks.records + excluded.records, updated_at = excluded.updated_at \
         WHERE uplinks.sequence < excluded.sequence",
    )
    .bind(sensor)
    .bind(batch.epoch.to_string())
    .bind(i64::try_from(batch.sequence).unwrap_or(i64::MAX))
    .bind(i64::try_from(batch.devices.len()).unwrap_or(i64::MAX))
    .bind(at.0)
    .execute(on)
    .await
    .doing(DOING)?;
    Ok(moved.rows_affected() > 0)
}

/// The sensor's zone, and whether the sensor is the only one that ever reported from it.
async fn zone_of(on: &mut AnyConnection, sensor: &str) -> Result<(String, bool), StoreError> {
    let zone: String = sqlx::query_scalar("SELECT zone_id FROM sensors WHERE id = $1")
        .bind(sensor)
        .fetch_one(&mut *on)
        .await
        .doing(DOING)?;
    let other: Option<String> = sqlx::query_scalar(
        "SELECT id FROM sensors WHERE zone_id = $1 AND id <> $2 AND enrolled_at IS NOT NULL LIMIT 1",
    )
    .bind(&zone)
    .bind(sensor)
    .fetch_optional(on)
    .await
    .doing(DOING)?;
    Ok((zone, other.is_none()))
}

/// Who reports from where, when, and what was merged there.
pub(super) struct Scene<'a> {
    /// The sensor's id.
    pub sensor: &'a str,
    /// Its zone's id.
    pub zone: &'a str,
    /// Whether no other sensor ever reported from the zone.
    pub alone: bool,
    /// What people merged in the zone.
    pub merged: Merged,
    /// Now.
    pub at: Timestamp,
}

/// Stores one record: as what this sensor says, and as what all say together. The device's id and that whole.
pub(super) async fn keep(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    record: &DeviceRecord,
) -> Result<(String, DeviceRecord), StoreError> {
    let own = scene.merged.survivor_of(record.mac);
    let kept = keep_all(on, scene, &[(own, record)]).await?.pop();
    kept.ok_or(sqlx::Error::RowNotFound).doing(DOING)
}

/// Stores records of different devices, each with the address by which its device is known. Their devices, in the same
/// order, and what all sensors say together about each.
///
/// The device's row is written first, as this record alone has it: from then on whoever has another record of the same device
/// waits for our end. Only then one can know what others say about it; where they say something, it is written again.
async fn keep_all(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    records: &[(MacAddr, &DeviceRecord)],
) -> Result<Vec<(String, DeviceRecord)>, StoreError> {
    let alone: Vec<_> =
        records.iter().map(|(own, record)| DeviceRecord { mac: *own, ..(*record).clone() }).collect();
    let ids = keep_devices(&mut *on, scene, alone.iter()).await?;
    let mut kept = Vec::with_capacity(records.len());
    for record in alone {
        let id = ids.get(&record.mac).ok_or(sqlx::Error::RowNotFound).doing(DOING)?;
        kept.push((id.clone(), record));
    }
    keep_sightings(&mut *on, scene, records, &kept).await?;
    if scene.alone && !records.iter().any(|(own, _)| scene.merged.concerns(*own)) {
        return Ok(kept);
    }
    let mut others = others(&mut *on, scene, records, &kept).await?;
    let mut again = Vec::new();
    for ((own, record), (id, whole)) in records.iter().zip(&mut kept) {
        let merged = scene.merged.concerns(*own);
        let further = others.remove(id).unwrap_or_default();
        if further.is_empty() && !merged {
            continue;
        }
        let mut all = vec![(*record).clone()];
        all.extend(further);
        let together = if merged { merge(*own, all) } else { consolidate(&all) };
        if let Some(together) = together {
            *whole = together;
            again.push(&*whole);
        }
    }
    if !again.is_empty() {
        keep_devices(on, scene, again.into_iter()).await?;
    }
    Ok(kept)
}

/// What others say about the same devices, and this sensor under other addresses of theirs: by the device's id.
async fn others(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    records: &[(MacAddr, &DeviceRecord)],
    kept: &[(String, DeviceRecord)],
) -> Result<HashMap<String, Vec<DeviceRecord>>, StoreError> {
    let text = format!(
        "SELECT device_id, record FROM sightings WHERE device_id IN {} AND NOT (sensor_id = $2 AND mac IN {})",
        rows::list(on, 1),
        rows::list(on, 3)
    );
    let found: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
        .bind(rows::bound(kept.iter().map(|(id, _)| id)))
        .bind(scene.sensor)
        .bind(rows::bound(records.iter().map(|(_, record)| record.mac)))
        .fetch_all(on)
        .await
        .doing(DOING)?;
    let mut all: HashMap<String, Vec<DeviceRecord>> = HashMap::new();
    for (device, text) in found {
        all.entry(device).or_default().extend(read_record(&text));
    }
    Ok(all)
}

const SIGHTINGS: rows::Columns = &[
    ("sensor_id", Holds::Text),
    ("mac", Holds::Text),
    ("device_id", Holds::Text),
    ("record", Holds::Text),
    ("received_at", Holds::Whole),
];

async fn keep_sightings(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    records: &[(MacAddr, &DeviceRecord)],
    kept: &[(String, DeviceRecord)],
) -> Result<(), StoreError> {
    let mut all = Vec::with_capacity(records.len());
    for ((_, record), (device, _)) in records.iter().zip(kept) {
        let text = to_json(record)?;
        all.push(json!([scene.sensor, record.mac.to_string(), device, text, scene.at.0]));
    }
    let text = format!(
        "INSERT INTO sightings ({}) SELECT * FROM {} WHERE true ON CONFLICT (sensor_id, mac) DO UPDATE SET \
         device_id = excluded.device_id, record = excluded.record, received_at = excluded.received_at",
        rows::names(SIGHTINGS),
        rows::from(on, SIGHTINGS)
    );
    sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(Value::Array(all).to_string())
        .execute(on)
        .await
        .doing(DOING)?;
    Ok(())
}

const DEVICES: rows::Columns = &[
    ("id", Holds::Text),
    ("zone_id", Holds::Text),
    ("mac", Holds::Text),
    ("ips", Holds::Text),
    ("ip_order", Holds::Text),
    ("vlans", Holds::Text),
    ("hostname", Holds::Text),
    ("vendor", Holds::Text),
    ("model", Holds::Text),
    ("type", Holds::Text),
    ("class", Holds::Text),
    ("os", Holds::Text),
    ("firmware", Holds::Text),
    ("serial", Holds::Text),
    ("confidence", Holds::Real),
    ("randomized", Holds::Whole),
    ("protocols", Holds::Text),
    ("frames", Holds::Whole),
    ("first_seen", Holds::Whole),
    ("last_seen", Holds::Whole),
    ("sensor_id", Holds::Text),
    ("words", Holds::Text),
    ("updated_at", Holds::Whole),
    ("authorized", Holds::Whole),
];

/// Writes rows of different devices; their ids by their address.
async fn keep_devices<'r>(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    records: impl Iterator<Item = &'r DeviceRecord>,
) -> Result<HashMap<MacAddr, String>, StoreError> {
    let all: Vec<_> = records.map(|record| device_row(scene, record)).collect::<Result<_, _>>()?;
    let text = format!(
        "INSERT INTO devices ({}) SELECT * FROM {} WHERE true ON CONFLICT (zone_id, mac) DO UPDATE SET \
         ips = excluded.ips, ip_order = excluded.ip_order, vlans = excluded.vlans, \
         hostname = CASE WHEN devices.locked LIKE '%|hostname|%' THEN devices.hostname ELSE excluded.hostname END, \
         vendor = CASE WHEN devices.locked LIKE '%|vendor|%' THEN devices.vendor ELSE excluded.vendor END, \
         model = CASE WHEN devices.locked LIKE '%|model|%' THEN devices.model ELSE excluded.model END, \
         type = CASE WHEN devices.locked LIKE '%|type|%' THEN devices.type ELSE excluded.type END, \
         class = CASE WHEN devices.locked LIKE '%|type|%' THEN devices.class ELSE excluded.class END, \
         authorized = CASE WHEN devices.locked LIKE '%|authorized|%' THEN devices.authorized \
         ELSE COALESCE(excluded.authorized, devices.authorized) END, \
         os = excluded.os, firmware = excluded.firmware, serial = excluded.serial, \
         confidence = excluded.confidence, randomized = excluded.randomized, protocols = excluded.protocols, \
         frames = excluded.frames, last_seen = excluded.last_seen, sensor_id = excluded.sensor_id, \
         words = excluded.words, updated_at = excluded.updated_at, first_seen = CASE WHEN \
         devices.first_seen < excluded.first_seen THEN devices.first_seen ELSE excluded.first_seen END RETURNING id, mac",
        rows::names(DEVICES),
        rows::from(on, DEVICES)
    );
    let found: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
        .bind(Value::Array(all).to_string())
        .fetch_all(on)
        .await
        .doing(DOING)?;
    Ok(found.into_iter().filter_map(|(id, mac)| Some((mac.parse().ok()?, id))).collect())
}

fn device_row(scene: &Scene<'_>, record: &DeviceRecord) -> Result<Value, StoreError> {
    let clean = |text: &Option<String>| text.as_ref().map(|t| t.replace('\0', ""));
    let device_type = record.device_type.map(|t| t.name());
    // the class follows from the type; a record may know the class alone
    let class = record.device_type.map(|t| t.class()).or(record.class).map(|c| c.name());
    Ok(json!([
        scene.merged.id_for(record.mac).unwrap_or_else(|| Uuid::new_v4().to_string()),
        scene.zone,
        record.mac.to_string(),
        to_json(&record.ips)?,
        record.ips.first().copied().map(ip_order),
        to_json(&record.vlans)?,
        clean(&record.hostname),
        clean(&record.vendor),
        clean(&record.model),
        device_type,
        class,
        clean(&record.os),
        clean(&record.firmware),
        clean(&record.serial),
        f64::from(record.confidence),
        i64::from(record.randomized_mac),
        to_json(&record.protocols)?,
        i64::try_from(record.frames).unwrap_or(i64::MAX),
        record.first_seen.0,
        record.last_seen.0,
        scene.sensor,
        words(record),
        scene.at.0,
        record.managed.authorized.map(i64::from),
    ]))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Content { what: "device record", source })
}

/// A stored record. One that a later version wrote and this one cannot read is left out rather than in the way.
pub(super) fn read_record(text: &str) -> Option<DeviceRecord> {
    let read = serde_json::from_str(text);
    read.inspect_err(|error| tracing::warn!(%error, "a stored device record cannot be read")).ok()
}

/// Sorts as addresses do: IPv4 (as mapped addresses, `::ffff:0:0/96`) by number, before most of IPv6.
pub(super) fn ip_order(ip: IpAddr) -> String {
    let six = match ip {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    hex::encode(six.octets())
}

/// What the search box looks at. The address also without separators, so that any way of writing it is found.
fn words(record: &DeviceRecord) -> String {
    let MacAddr(bytes) = record.mac;
    let mut words = vec![record.mac.to_string(), hex::encode(bytes)];
    words.extend(record.managed.macs.iter().map(ToString::to_string));
    words.extend(record.ips.iter().map(ToString::to_string));
    words.extend(record.device_type.map(|t| t.name().replace('_', " ")));
    let texts =
        [&record.hostname, &record.vendor, &record.model, &record.os, &record.firmware, &record.serial];
    words.extend(texts.into_iter().flatten().cloned());
    words.join("\n").to_lowercase().replace('\0', "")
}
