//! Software for sensors: the packages themselves (in the database, so that every portal in front of it has them), what
//! each zone is to have, and each sensor's word about it.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::{SoftwareAttempt, Timestamp};
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};
use crate::rules::software::Believed;

/// Bytes of a package in one row.
const PART: usize = 768 * 1024;
/// Most packages kept: every architecture in a few versions.
const MAX_PACKAGES: i64 = 32;

/// A package as kept.
#[derive(Clone, Debug, FromRow)]
pub struct KeptPackage {
    /// Its name.
    pub file: String,
    /// Its version.
    pub version: String,
    /// Debian's name for the machines it is for.
    pub architecture: String,
    /// Its length.
    pub bytes: i64,
    /// Its SHA-256.
    pub sha256: String,
    /// What is signed, where it is not the package itself.
    pub sums: Option<String>,
    /// The signature.
    pub signature: String,
    /// What the signature says besides.
    pub comment: String,
    /// When it was uploaded, in µs.
    pub added_at: i64,
    /// By whom.
    pub added_by: String,
}

/// What a zone is to have.
#[derive(Clone, Debug, FromRow)]
pub struct Rollout {
    /// The zone's name.
    pub zone: String,
    /// The version.
    pub version: String,
    /// The one before.
    pub previous: Option<String>,
    /// When that was decided, in µs.
    pub changed_at: i64,
    /// By whom.
    pub changed_by: String,
}

/// How far a sensor is.
#[derive(Clone, Debug)]
pub struct SensorSoftware {
    /// The sensor.
    pub sensor: Uuid,
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// What it has.
    pub version: Option<String>,
    /// Debian's name for its machine's kind, once it has said so.
    pub architecture: Option<String>,
    /// What its zone is to have.
    pub wanted: Option<String>,
    /// Its latest attempt, and when it spoke of it.
    pub attempt: Option<(SoftwareAttempt, Timestamp)>,
}

/// What to do about a zone's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutChange<'a> {
    /// It is to have this one.
    To(&'a str),
    /// It is to have the one before.
    Back,
    /// It is to stay as it is, whatever that is.
    End,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolledOut {
    /// It is decided.
    Done,
    /// There is no such zone.
    NoZone,
    /// There is no package of this version.
    NoPackage,
    /// There is nothing to go back to, or to end.
    Nothing,
}

type SensorRow = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

impl Store {
    /// Every package, the latest upload first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn software(&self) -> Result<Vec<KeptPackage>, StoreError> {
        sqlx::query_as(
            "SELECT file, version, architecture, bytes, sha256, sums, signature, comment, added_at, added_by \
             FROM software ORDER BY added_at DESC, file",
        )
        .fetch_all(&self.pool)
        .await
        .doing("listing software")
    }

    /// Keeps a package that is believed. `Err` says why not: a name stands for the same bytes for ever.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_software(
        &self,
        file: &str,
        package: &[u8],
        sums: Option<&str>,
        signature: &str,
        believed: &Believed,
        by: Actor<'_>,
    ) -> Result<Result<(), String>, StoreError> {
        let doing = "keeping software";
        let mut write = self.write(doing).await?;
        let known: Option<String> = sqlx::query_scalar("SELECT sha256 FROM software WHERE file = $1")
            .bind(file)
            .fetch_optional(write.on())
            .await
            .doing(doing)?;
        match known {
            Some(sha256) if sha256 == believed.sha256 => return Ok(Ok(())),
            Some(_) => {
                return Ok(Err(format!("{file} is here already with another content; remove it first")))
            }
            None => {}
        }
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM software").fetch_one(write.on()).await.doing(doing)?;
        if count >= MAX_PACKAGES {
            return Ok(Err(format!("there are {MAX_PACKAGES} packages already; remove one first")));
        }
        sqlx::query(
            "INSERT INTO software (file, version, architecture, bytes, sha256, sums, signature, comment, added_at, \
             added_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(file)
        .bind(&believed.version)
        .bind(&believed.architecture)
        .bind(i64::try_from(package.len()).unwrap_or(i64::MAX))
        .bind(&believed.sha256)
        .bind(sums)
        .bind(signature)
        .bind(&believed.comment)
        .bind(by.at.0)
        .bind(by.name)
        .execute(write.on())
        .await
        .doing(doing)?;
        for (part, bytes) in (0_i64..).zip(package.chunks(PART)) {
            sqlx::query("INSERT INTO software_parts (file, part, content) VALUES ($1, $2, $3)")
                .bind(file)
                .bind(part)
                .bind(STANDARD.encode(bytes))
                .execute(write.on())
                .await
                .doing(doing)?;
        }
        note(write.on(), by, Action::SoftwareAdded, file, &format!("SHA-256 {}", believed.sha256)).await?;
        write.commit(doing).await?;
        Ok(Ok(()))
    }

    /// Removes a package. False if there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_software(&self, file: &str, by: Actor<'_>) -> Result<bool, StoreError> {
        let doing = "removing software";
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM software_parts WHERE file = $1")
            .bind(file)
            .execute(write.on())
            .await
            .doing(doing)?;
        let gone = sqlx::query("DELETE FROM software WHERE file = $1")
            .bind(file)
            .execute(write.on())
            .await
            .doing(doing)?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::SoftwareRemoved, file, "").await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// A part of a package, the first being 0; none after the last.
    ///
    /// # Errors
    /// The database fails.
    pub async fn software_part(&self, file: &str, part: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "reading software";
        let text: Option<String> =
            sqlx::query_scalar("SELECT content FROM software_parts WHERE file = $1 AND part = $2")
                .bind(file)
                .bind(part)
                .fetch_optional(&self.pool)
                .await
                .doing(doing)?;
        text.map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|e| sqlx::Error::Decode(Box::new(e)))
            .doing(doing)
    }

    /// What zones are to have, by zone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn rollouts(&self) -> Result<Vec<Rollout>, StoreError> {
        sqlx::query_as(
            "SELECT z.name AS zone, r.version, r.previous, r.changed_at, r.changed_by FROM rollouts r \
             JOIN zones z ON z.id = r.zone_id ORDER BY lower(z.name)",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading roll-outs")
    }

    /// Decides what a zone is to have.
    ///
    /// # Errors
    /// The database fails.
    pub async fn roll_out(
        &self,
        zone: &str,
        change: RolloutChange<'_>,
        by: Actor<'_>,
    ) -> Result<RolledOut, StoreError> {
        let doing = "changing a roll-out";
        let mut write = self.write(doing).await?;
        let id: Option<String> = sqlx::query_scalar("SELECT id FROM zones WHERE name = $1")
            .bind(zone)
            .fetch_optional(write.on())
            .await
            .doing(doing)?;
        let Some(id) = id else { return Ok(RolledOut::NoZone) };
        let known: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT version, previous FROM rollouts WHERE zone_id = $1")
                .bind(&id)
                .fetch_optional(write.on())
                .await
                .doing(doing)?;
        let (present, before) = known.map_or((None, None), |(version, previous)| (Some(version), previous));
        let next = match change {
            RolloutChange::To(version) => Some(version.to_owned()),
            RolloutChange::Back if before.is_none() => return Ok(RolledOut::Nothing),
            RolloutChange::Back => before,
            RolloutChange::End if present.is_none() => return Ok(RolledOut::Nothing),
            RolloutChange::End => None,
        };
        let detail = |next: &str| format!("{} → {next}", present.as_deref().unwrap_or("none"));
        match &next {
            None => {
                sqlx::query("DELETE FROM rollouts WHERE zone_id = $1")
                    .bind(&id)
                    .execute(write.on())
                    .await
                    .doing(doing)?;
                note(write.on(), by, Action::RolloutChanged, zone, &detail("none")).await?;
            }
            Some(version) if Some(version) == present.as_ref() => return Ok(RolledOut::Done),
            Some(version) => {
                if !has_package(write.on(), version).await? {
                    return Ok(RolledOut::NoPackage);
                }
                sqlx::query(
                    "INSERT INTO rollouts (zone_id, version, previous, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (zone_id) DO UPDATE SET version = excluded.version, previous = excluded.previous, \
                     changed_at = excluded.changed_at, changed_by = excluded.changed_by",
                )
                .bind(&id)
                .bind(version)
                .bind(present.as_deref())
                .bind(by.at.0)
                .bind(by.name)
                .execute(write.on())
                .await
                .doing(doing)?;
                note(write.on(), by, Action::RolloutChanged, zone, &detail(version)).await?;
            }
        }
        write.commit(doing).await?;
        Ok(RolledOut::Done)
    }

    /// What a sensor's zone is to have.
    ///
    /// # Errors
    /// The database fails.
    pub async fn wanted_software(&self, sensor: Uuid) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT r.version FROM rollouts r JOIN sensors s ON s.zone_id = r.zone_id WHERE s.id = $1",
        )
        .bind(sensor.to_string())
        .fetch_optional(&self.pool)
        .await
        .doing("reading what a sensor is to have")
    }

    /// Notes a sensor's word. Nothing is written while it says the same.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_software(
        &self,
        sensor: Uuid,
        version: &str,
        architecture: &str,
        attempt: Option<&SoftwareAttempt>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        type Kept = (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);
        let doing = "noting a sensor's software";
        let id = sensor.to_string();
        let said: Kept = (
            Some(version.to_owned()),
            Some(architecture.to_owned()),
            attempt.map(|a| a.version.clone()),
            attempt.map(|a| a.step.clone()),
            attempt.and_then(|a| a.reason.clone()),
        );
        let kept: Option<Kept> = sqlx::query_as(
            "SELECT version, architecture, attempt_version, attempt_step, attempt_reason FROM sensors WHERE id = $1",
        )
        .bind(&id)
        .fetch_optional(&self.pool)
        .await
        .doing(doing)?;
        if kept.as_ref() == Some(&said) {
            return Ok(());
        }
        let mut write = self.write_beside_others(doing).await?;
        sqlx::query(
            "UPDATE sensors SET version = $1, architecture = $2, attempt_version = $3, attempt_step = $4, \
             attempt_reason = $5, attempt_at = $6 WHERE id = $7",
        )
        .bind(said.0)
        .bind(said.1)
        .bind(said.2)
        .bind(said.3)
        .bind(said.4)
        .bind(at.0)
        .bind(&id)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }

    /// How far each activated sensor is, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensor_software(&self) -> Result<Vec<SensorSoftware>, StoreError> {
        let rows: Vec<SensorRow> = sqlx::query_as(
            "SELECT s.id, s.name, z.name, s.version, s.architecture, r.version, s.attempt_version, s.attempt_step, \
             s.attempt_reason, s.attempt_at FROM sensors s JOIN zones z ON z.id = s.zone_id \
             LEFT JOIN rollouts r ON r.zone_id = s.zone_id \
             WHERE s.deleted_at IS NULL AND s.enrolled_at IS NOT NULL ORDER BY lower(s.name), s.name",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading what software sensors have")?;
        let read =
            |(id, name, zone, version, architecture, wanted, attempted, step, reason, at): SensorRow| {
                let attempt = attempted.zip(step).zip(at);
                Ok(SensorSoftware {
                    sensor: parse_id(&id)?,
                    name,
                    zone,
                    version,
                    architecture,
                    wanted,
                    attempt: attempt.map(|((version, step), at)| {
                        (SoftwareAttempt { version, step, reason }, Timestamp(at))
                    }),
                })
            };
        rows.into_iter().map(read).collect()
    }
}

async fn has_package(on: &mut AnyConnection, version: &str) -> Result<bool, StoreError> {
    let packages: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM software WHERE version = $1")
        .bind(version)
        .fetch_one(on)
        .await
        .doing("looking for software")?;
    Ok(packages > 0)
}
