//! Device batches: stored once, whole, before they are acknowledged.
//!
//! A batch is one transaction. Its first statement moves the sensor's mark for the batch's epoch forward; where that
//! moves nothing, the batch (or a later one) is stored already and the rest is skipped. Numbers may jump forward (a
//! sensor whose spool was full drops the oldest) but a batch that arrives behind the mark is a repetition by the
//! contract: senders go in order and wait for each acknowledgement.

use eyot_contract::{DeviceBatch, DeviceRecord, MacAddr, Timestamp};
use sqlx::{AnyConnection, Row};
use std::net::IpAddr;
use uuid::Uuid;

use super::events::Outgoing;
use super::merged::Merged;
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
    let mut devices: Vec<_> = batch.devices.iter().map(|d| (scene.merged.survivor_of(d.mac), d)).collect();
    devices.sort_by_key(|(own, d)| (*own, d.mac));
    let macs: Vec<_> = devices.iter().map(|(own, _)| *own).collect();
    let mut before = Before::of(&mut *on, &zone, &macs).await?;
    let mut outgoing = Outgoing::begin(&mut *on).await?;
    for (_, record) in devices {
        let (device, known) = keep(&mut *on, &scene, record).await?;
        outgoing.device(!before.knows(known.mac), sensor, &device, &known);
        before.tell(&mut *on, &device, &known, sensor, at).await?;
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
    let others: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sensors WHERE zone_id = $1 AND id <> $2 AND enrolled_at IS NOT NULL",
    )
    .bind(&zone)
    .bind(sensor)
    .fetch_one(on)
    .await
    .doing(DOING)?;
    Ok((zone, others == 0))
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
    let text = to_json(record)?;
    let own = scene.merged.survivor_of(record.mac);
    let together = match scene.alone && !scene.merged.concerns(record.mac) {
        true => record.clone(),
        false => together_with_others(on, scene, own, record).await?,
    };
    let device = keep_device(on, scene, &together).await?;
    sqlx::query(
        "INSERT INTO sightings (sensor_id, mac, device_id, record, received_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (sensor_id, mac) DO UPDATE SET device_id = excluded.device_id, record = excluded.record, \
         received_at = excluded.received_at",
    )
    .bind(scene.sensor)
    .bind(record.mac.to_string())
    .bind(&device)
    .bind(text)
    .bind(scene.at.0)
    .execute(on)
    .await
    .doing(DOING)?;
    Ok((device, together))
}

/// The record with what others say about the same device, which is known by the address `own`.
async fn together_with_others(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    own: MacAddr,
    record: &DeviceRecord,
) -> Result<DeviceRecord, StoreError> {
    let rows = sqlx::query(
        "SELECT g.record FROM sightings g JOIN devices d ON d.id = g.device_id \
         WHERE d.zone_id = $1 AND d.mac = $2 AND NOT (g.sensor_id = $3 AND g.mac = $4)",
    )
    .bind(scene.zone)
    .bind(own.to_string())
    .bind(scene.sensor)
    .bind(record.mac.to_string())
    .fetch_all(on)
    .await
    .doing(DOING)?;
    let mut records = vec![record.clone()];
    for row in rows {
        let text: String = row.try_get("record").doing(DOING)?;
        records.extend(read_record(&text));
    }
    let together = match scene.merged.concerns(own) {
        true => merge(own, records),
        false => consolidate(&records),
    };
    Ok(together.unwrap_or_else(|| record.clone()))
}

async fn keep_device(
    on: &mut AnyConnection,
    scene: &Scene<'_>,
    record: &DeviceRecord,
) -> Result<String, StoreError> {
    let clean = |text: &Option<String>| text.as_ref().map(|t| t.replace('\0', ""));
    let device_type = record.device_type.map(|t| t.name());
    // the class follows from the type; a record may know the class alone
    let class = record.device_type.map(|t| t.class()).or(record.class).map(|c| c.name());
    sqlx::query_scalar(
        "INSERT INTO devices (id, zone_id, mac, ips, ip_order, vlans, hostname, vendor, model, type, class, os, \
         firmware, serial, confidence, randomized, protocols, frames, first_seen, last_seen, sensor_id, words, \
         updated_at, authorized) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24) ON CONFLICT (zone_id, mac) DO UPDATE SET ips = excluded.ips, \
         ip_order = excluded.ip_order, vlans = excluded.vlans, \
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
         devices.first_seen < excluded.first_seen THEN devices.first_seen ELSE excluded.first_seen END RETURNING id",
    )
    .bind(scene.merged.id_for(record.mac).unwrap_or_else(|| Uuid::new_v4().to_string()))
    .bind(scene.zone)
    .bind(record.mac.to_string())
    .bind(to_json(&record.ips)?)
    .bind(record.ips.first().copied().map(ip_order))
    .bind(to_json(&record.vlans)?)
    .bind(clean(&record.hostname))
    .bind(clean(&record.vendor))
    .bind(clean(&record.model))
    .bind(device_type)
    .bind(class)
    .bind(clean(&record.os))
    .bind(clean(&record.firmware))
    .bind(clean(&record.serial))
    .bind(f64::from(record.confidence))
    .bind(i64::from(record.randomized_mac))
    .bind(to_json(&record.protocols)?)
    .bind(i64::try_from(record.frames).unwrap_or(i64::MAX))
    .bind(record.first_seen.0)
    .bind(record.last_seen.0)
    .bind(scene.sensor)
    .bind(words(record))
    .bind(scene.at.0)
    .bind(record.managed.authorized.map(i64::from))
    .fetch_one(on)
    .await
    .doing(DOING)
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
