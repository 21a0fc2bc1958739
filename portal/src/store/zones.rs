//! Zones, and what moves with a sensor from one to another.
//!
//! A device is one device within a zone, so a sensor that changes zone takes its sightings along: each becomes part of a
//! device of the new zone, and what stays behind is put together again from the sensors that remain.

use eyot_contract::DeviceRecord;
use serde_json::json;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::events::Outgoing;
use super::ingest::Scene;
use super::merged::Merged;
use super::{ingest, sensors, Doing, Store, StoreError};

/// What a sensor is to become. `None` leaves as is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SensorEdit<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Its zone's name; made if it is new.
    pub zone: Option<&'a str>,
    /// Its subscription's name; made if it is new.
    pub subscription: Option<&'a str>,
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It is done.
    Done,
    /// Another sensor has the name.
    NameTaken,
    /// There is no such sensor.
    NotThere,
}

const DOING: &str = "editing a sensor";

impl Store {
    /// Names of the zones.
    ///
    /// # Errors
    /// The database fails.
    pub async fn zones(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT name FROM zones ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .doing("listing zones")
    }

    /// Changes a sensor.
    ///
    /// # Errors
    /// The database fails; nothing is changed then.
    pub async fn edit_sensor(
        &self,
        id: Uuid,
        edit: SensorEdit<'_>,
        by: Actor<'_>,
    ) -> Result<Edited, StoreError> {
        let Some(before) = self.sensor(id).await? else { return Ok(Edited::NotThere) };
        let id = id.to_string();
        let mut write = self.write(DOING).await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let mut changes = Vec::new();
        if let Some(name) = edit.name.filter(|n| *n != before.name) {
            let taken: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM sensors WHERE name = $1 AND deleted_at IS NULL")
                    .bind(name)
                    .fetch_one(write.on())
                    .await
                    .doing(DOING)?;
            if taken > 0 {
                return Ok(Edited::NameTaken);
            }
            set(write.on(), &id, "UPDATE sensors SET name = $1 WHERE id = $2", name).await?;
            changes.push(format!("name: {} → {name}", before.name));
        }
        if let Some(name) = edit.subscription.filter(|n| *n != before.subscription) {
            sensors::make_subscription(write.on(), name, by.at).await?;
            let text = "UPDATE sensors SET subscription_id = (SELECT id FROM subscriptions WHERE name = $1) WHERE id = $2";
            set(write.on(), &id, text, name).await?;
            changes.push(format!("subscription: {} → {name}", before.subscription));
        }
        if let Some(name) = edit.zone.filter(|n| *n != before.zone) {
            let zone = make_zone(write.on(), name).await?;
            set(write.on(), &id, "UPDATE sensors SET zone_id = $1 WHERE id = $2", &zone).await?;
            move_sightings(write.on(), &id, &zone, by, &mut outgoing).await?;
            changes.push(format!("zone: {} → {name}", before.zone));
        }
        if !changes.is_empty() {
            note(write.on(), by, Action::SensorEdited, &before.name, &changes.join("; ")).await?;
        }
        outgoing.keep(write.on(), by.at).await?;
        write.commit(DOING).await?;
        Ok(Edited::Done)
    }
}

async fn set(on: &mut AnyConnection, id: &str, text: &'static str, value: &str) -> Result<(), StoreError> {
    sqlx::query(text).bind(value).bind(id).execute(on).await.doing(DOING)?;
    Ok(())
}

async fn make_zone(on: &mut AnyConnection, name: &str) -> Result<String, StoreError> {
    // the update changes nothing; it makes the row come back whether or not it is new
    sqlx::query_scalar(
        "INSERT INTO zones (id, site_id, name) SELECT $1, id, $2 FROM sites WHERE name = $3 \
         ON CONFLICT (site_id, name) DO UPDATE SET name = excluded.name RETURNING id",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(name)
    .bind(sensors::SITE)
    .fetch_one(on)
    .await
    .doing("making a zone")
}

async fn move_sightings(
    on: &mut AnyConnection,
    sensor: &str,
    zone: &str,
    by: Actor<'_>,
    outgoing: &mut Outgoing,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT device_id, record FROM sightings WHERE sensor_id = $1")
        .bind(sensor)
        .fetch_all(&mut *on)
        .await
        .doing(DOING)?;
    let scene = Scene { sensor, zone, alone: false, merged: Merged::of(&mut *on, zone).await?, at: by.at };
    for row in rows {
        let left: String = row.try_get("device_id").doing(DOING)?;
        let record: String = row.try_get("record").doing(DOING)?;
        let Some(record) = ingest::read_record(&record) else { continue };
        let (device, _) = ingest::keep(on, &scene, &record).await?;
        let what = json!({ "sensor": sensor, "from": left });
        outgoing.device_now(on, "device.moved", &device, what, by).await?;
        if let Some(mac) = tidy(on, &left, by).await? {
            outgoing.device_gone(&left, &mac, Some(&device), by);
        }
    }
    Ok(())
}

/// Puts a device together again from the sightings it has left, or removes it where there are none: the address of one that
/// was removed.
pub(super) async fn tidy(
    on: &mut AnyConnection,
    device: &str,
    by: Actor<'_>,
) -> Result<Option<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT g.sensor_id, g.record, d.zone_id FROM sightings g JOIN devices d ON d.id = g.device_id \
         WHERE g.device_id = $1",
    )
    .bind(device)
    .fetch_all(&mut *on)
    .await
    .doing(DOING)?;
    let Some(first) = rows.first() else {
        return sqlx::query_scalar("DELETE FROM devices WHERE id = $1 RETURNING mac")
            .bind(device)
            .fetch_optional(on)
            .await
            .doing(DOING);
    };
    let sensor: String = first.try_get("sensor_id").doing(DOING)?;
    let zone: String = first.try_get("zone_id").doing(DOING)?;
    let record: String = first.try_get("record").doing(DOING)?;
    let record: Option<DeviceRecord> = ingest::read_record(&record);
    if let Some(record) = record {
        let merged = Merged::of(&mut *on, &zone).await?;
        let scene = Scene { sensor: &sensor, zone: &zone, alone: false, merged, at: by.at };
        ingest::keep(on, &scene, &record).await?;
    }
    Ok(None)
}
