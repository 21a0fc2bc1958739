//! Bundles carried here by hand: what is in one is stored as a batch over the wire is, in one transaction and once.
//!
//! Unlike batches, bundles come in any order and long after, perhaps beside a connection that works again. Each is
//! therefore remembered by its number, and a record is left out if the sensor has told of something newer meanwhile.

use eyot_contract::{DeviceBatch, DeviceRecord, Finding, Timestamp};
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action};
use super::ingest::{read_record, take_in};
use super::{Actor, Doing, Store, StoreError};

/// Most bundles listed.
const MAX_LISTED: i64 = 100;

const DOING: &str = "storing a bundle";

/// What became of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// Stored now.
    Stored {
        /// Device records stored.
        devices: usize,
        /// Findings stored.
        findings: usize,
        /// Records left out because newer ones were known.
        older: usize,
    },
    /// Was stored before; nothing was changed.
    Repeated,
}

/// An imported bundle as listed.
#[derive(Clone, Debug, FromRow)]
pub struct KeptBundle {
    /// The sensor's id.
    pub sensor_id: String,
    /// The sensor's name.
    pub sensor: String,
    /// Its number.
    pub sequence: i64,
    /// When it was put together, in µs.
    pub created_at: i64,
    /// When it was imported, in µs.
    pub imported_at: i64,
    /// By whom.
    pub imported_by: String,
    /// Device records stored.
    pub devices: i64,
    /// Findings stored.
    pub findings: i64,
    /// Records left out.
    pub older: i64,
}

impl Store {
    /// Stores what a sensor's bundle carries, unless that was done before. `batch.sent` is when it was put together.
    ///
    /// # Errors
    /// The database fails; nothing of the bundle is kept.
    pub async fn import(
        &self,
        sensor: Uuid,
        batch: DeviceBatch,
        by: Actor<'_>,
    ) -> Result<Imported, StoreError> {
        let sensor = sensor.to_string();
        let mut write = self.write_beside_others(DOING).await?;
        if !claim(write.on(), &sensor, &batch, by).await? {
            return Ok(Imported::Repeated);
        }
        let all = batch.devices.len() + batch.findings.len();
        let batch = without_older(write.on(), &sensor, batch).await?;
        let (devices, findings) = (batch.devices.len(), batch.findings.len());
        let older = all - devices - findings;
        take_in(write.on(), &sensor, &batch, by.at).await?;
        // the sensor lived then; somebody who brings old bundles says nothing about how it is now
        sqlx::query("UPDATE sensors SET last_contact = $1 WHERE id = $2 AND (last_contact IS NULL OR last_contact < $1)")
            .bind(batch.sent.0.min(by.at.0))
            .bind(&sensor)
            .execute(write.on())
            .await
            .doing(DOING)?;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        sqlx::query(
            "UPDATE bundles SET devices = $1, findings = $2, older = $3 WHERE sensor_id = $4 AND epoch = $5 AND sequence = $6",
        )
        .bind(count(devices))
        .bind(count(findings))
        .bind(count(older))
        .bind(&sensor)
        .bind(batch.epoch.to_string())
        .bind(sequence(&batch))
        .execute(write.on())
        .await
        .doing(DOING)?;
        let name: String = sqlx::query_scalar("SELECT name FROM sensors WHERE id = $1")
            .bind(&sensor)
            .fetch_one(write.on())
            .await
            .doing(DOING)?;
        let detail = format!(
            "bundle {} of {}: {devices} devices, {findings} findings, {older} older than what was known",
            batch.sequence, batch.sent
        );
        note(write.on(), by, Action::BundleImported, &name, &detail).await?;
        write.commit(DOING).await?;
        Ok(Imported::Stored { devices, findings, older })
    }

    /// The bundles imported last, the latest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn bundles(&self) -> Result<Vec<KeptBundle>, StoreError> {
        sqlx::query_as(
            "SELECT b.sensor_id, s.name AS sensor, b.sequence, b.created_at, b.imported_at, b.imported_by, b.devices, \
             b.findings, b.older FROM bundles b JOIN sensors s ON s.id = b.sensor_id \
             ORDER BY b.imported_at DESC, b.epoch, b.sequence DESC LIMIT $1",
        )
        .bind(MAX_LISTED)
        .fetch_all(&self.pool)
        .await
        .doing("listing bundles")
    }
}

/// Whether this bundle is here for the first time. Whoever imports it at the same moment waits for the answer.
async fn claim(
    on: &mut AnyConnection,
    sensor: &str,
    batch: &DeviceBatch,
    by: Actor<'_>,
) -> Result<bool, StoreError> {
    let claimed = sqlx::query(
        "INSERT INTO bundles (sensor_id, epoch, sequence, created_at, imported_at, imported_by, devices, findings, older) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0) ON CONFLICT (sensor_id, epoch, sequence) DO NOTHING",
    )
    .bind(sensor)
    .bind(batch.epoch.to_string())
    .bind(sequence(batch))
    .bind(batch.sent.0)
    .bind(by.at.0)
    .bind(by.name)
    .execute(on)
    .await
    .doing(DOING)?;
    Ok(claimed.rows_affected() > 0)
}

fn sequence(batch: &DeviceBatch) -> i64 {
    i64::try_from(batch.sequence).unwrap_or(i64::MAX)
}

async fn without_older(
    on: &mut AnyConnection,
    sensor: &str,
    batch: DeviceBatch,
) -> Result<DeviceBatch, StoreError> {
    let DeviceBatch { epoch, sequence, sent, devices, findings } = batch;
    let mut newer = DeviceBatch { epoch, sequence, sent, devices: Vec::new(), findings: Vec::new() };
    for record in devices {
        if device_seen(on, sensor, &record).await?.is_none_or(|known| known <= record.last_seen) {
            newer.devices.push(record);
        }
    }
    for finding in findings {
        if finding_seen(on, sensor, &finding).await?.is_none_or(|known| known <= finding.last_seen) {
            newer.findings.push(finding);
        }
    }
    Ok(newer)
}

/// When this sensor has seen the device last, as far as it has told.
async fn device_seen(
    on: &mut AnyConnection,
    sensor: &str,
    record: &DeviceRecord,
) -> Result<Option<Timestamp>, StoreError> {
    let text: Option<String> =
        sqlx::query_scalar("SELECT record FROM sightings WHERE sensor_id = $1 AND mac = $2")
            .bind(sensor)
            .bind(record.mac.to_string())
            .fetch_optional(on)
            .await
            .doing(DOING)?;
    Ok(text.and_then(|t| read_record(&t)).map(|r| r.last_seen))
}

async fn finding_seen(
    on: &mut AnyConnection,
    sensor: &str,
    finding: &Finding,
) -> Result<Option<Timestamp>, StoreError> {
    let seen: Option<i64> =
        sqlx::query_scalar("SELECT last_seen FROM findings WHERE sensor_id = $1 AND name = $2")
            .bind(sensor)
            .bind(finding.id.replace('\0', ""))
            .fetch_optional(on)
            .await
            .doing(DOING)?;
    Ok(seen.map(Timestamp))
}
