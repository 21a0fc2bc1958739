//! What happened to each device: written while reports are taken in and people decide, read newest first, kept for as long
//! as devices are (three months unless somebody says otherwise).
//!
//! First and latest frame stand in the device's row and alerts among the findings; they are not written a second time.

use std::collections::HashMap;

use eyot_contract::{DeviceRecord, MacAddr, Timestamp};
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::decisions::locked_of;
use super::{rows, Doing, Store, StoreError};
use crate::rules::changes::{changes, Kind, Known};

/// Events kept for one device and day; the last one says that there were more. Over 90 days that is at most 4,500 a device.
const MAX_EVENTS_A_DAY: i64 = 50;
/// Most events shown.
pub const MAX_SHOWN: usize = 500;
/// Events removed in one transaction.
const REMOVED_AT_ONCE: i64 = 10_000;
const DOING: &str = "writing what happened to a device";

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What, by its name for machines.
    pub kind: String,
    /// Particulars.
    pub detail: String,
    /// Who did or saw it.
    pub actor: String,
    /// The address it was about.
    pub mac: String,
}

impl Event {
    /// What, for people. A kind of a later version keeps its name.
    pub fn title(&self) -> &str {
        Kind::named(&self.kind).map_or(self.kind.as_str(), |kind| kind.title())
    }
}

/// What was known about the devices of a batch before it.
#[derive(Default)]
pub(super) struct Before {
    known: HashMap<MacAddr, Known>,
}

impl Before {
    /// Of the devices with these addresses in a zone.
    pub(super) async fn of(on: &mut AnyConnection, zone: &str, macs: &[MacAddr]) -> Result<Self, StoreError> {
        let mut known = HashMap::with_capacity(macs.len());
        let text = format!(
            "SELECT mac, ips, vlans, hostname, vendor, model, type, os, firmware, serial, last_seen, locked \
             FROM devices WHERE zone_id = $1 AND mac IN {}",
            rows::list(on, 2)
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(zone).bind(rows::bound(macs));
        for row in query.fetch_all(&mut *on).await.doing(DOING)? {
            let text = |name: &str| row.try_get::<Option<String>, _>(name).doing(DOING);
            let json = |source| StoreError::Content { what: "device", source };
            let mac: String = row.try_get("mac").doing(DOING)?;
            let Ok(mac) = mac.parse() else { continue };
            let texts = [
                (Kind::Hostname, text("hostname")?),
                (Kind::Vendor, text("vendor")?),
                (Kind::Model, text("model")?),
                (Kind::Type, text("type")?),
                (Kind::Os, text("os")?),
                (Kind::Firmware, text("firmware")?),
                (Kind::Serial, text("serial")?),
            ];
            let one = Known {
                ips: serde_json::from_str(&text("ips")?.unwrap_or_default()).map_err(json)?,
                vlans: serde_json::from_str(&text("vlans")?.unwrap_or_default()).map_err(json)?,
                texts: texts.to_vec(),
                last_seen: Timestamp(row.try_get("last_seen").doing(DOING)?),
                locked: locked_of(&text("locked")?.unwrap_or_default()),
            };
            known.insert(mac, one);
        }
        Ok(Self { known })
    }

    /// Whether a device with this address was there.
    pub(super) fn knows(&self, mac: MacAddr) -> bool {
        self.known.contains_key(&mac)
    }

    /// Writes what the record, now stored as this device, changed.
    pub(super) async fn tell(
        &mut self,
        on: &mut AnyConnection,
        device: &str,
        record: &DeviceRecord,
        sensor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.known.get(&record.mac);
        let told = before.map(|b| changes(b, record, at)).unwrap_or_default();
        let now = Known::of(record, before);
        for change in told {
            let mac = record.mac.to_string();
            let what = (change.kind, change.detail.as_str());
            write(&mut *on, device, &mac, change.at, what, sensor).await?;
        }
        self.known.insert(record.mac, now);
        Ok(())
    }
}

/// Writes one event, unless the device has had enough of them that day.
pub(super) async fn write(
    on: &mut AnyConnection,
    device: &str,
    mac: &str,
    at: Timestamp,
    (kind, detail): (Kind, &str),
    actor: &str,
) -> Result<(), StoreError> {
    let day = at.0.div_euclid(Timestamp::DAY) * Timestamp::DAY;
    let that_day: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM device_events WHERE device_id = $1 AND at >= $2 AND at < $3",
    )
    .bind(device)
    .bind(day)
    .bind(day + Timestamp::DAY)
    .fetch_one(&mut *on)
    .await
    .doing(DOING)?;
    let (kind, detail) = match that_day {
        MAX_EVENTS_A_DAY.. => return Ok(()),
        n if n == MAX_EVENTS_A_DAY - 1 => (Kind::Limit, ""),
        _ => (kind, detail),
    };
    sqlx::query(
        "INSERT INTO device_events (id, device_id, mac, at, kind, detail, actor) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(device)
    .bind(mac)
    .bind(at.0)
    .bind(kind.name())
    .bind(detail)
    .bind(actor)
    .execute(on)
    .await
    .doing(DOING)?;
    Ok(())
}

impl Store {
    /// What happened to a device, newest first: at most [`MAX_SHOWN`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn device_events(&self, device: Uuid) -> Result<Vec<Event>, StoreError> {
        let doing = "reading what happened to a device";
        // a report names its sensor by id, a person by name
        let text = format!(
            "SELECT e.at, e.kind, e.detail, COALESCE(s.name, e.actor) AS actor, e.mac FROM device_events e \
             LEFT JOIN sensors s ON s.id = e.actor WHERE e.device_id = $1 ORDER BY e.at DESC, e.id LIMIT {MAX_SHOWN}"
        );
        let rows: Vec<(i64, String, String, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(device.to_string())
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
        let event = |(at, kind, detail, actor, mac)| Event { at: Timestamp(at), kind, detail, actor, mac };
        Ok(rows.into_iter().map(event).collect())
    }

    /// Removes events older than the retention. How many.
    ///
    /// # Errors
    /// The database fails; what was removed before stays so.
    pub async fn remove_old_events(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "removing old events";
        let before = now.0 - self.retention_days().await? * Timestamp::DAY;
        let mut removed = 0;
        loop {
            let mut write = self.write(doing).await?;
            let gone = sqlx::query(
                "DELETE FROM device_events WHERE id IN (SELECT id FROM device_events WHERE at < $1 LIMIT $2)",
            )
            .bind(before)
            .bind(REMOVED_AT_ONCE)
            .execute(write.on())
            .await
            .doing(doing)?
            .rows_affected();
            write.commit(doing).await?;
            removed += gone;
            if gone == 0 {
                return Ok(removed);
            }
        }
    }
}
