//! Threat lists, and which version of all of them together each sensor has.
//!
//! Each change moves a fact on, by which a portal notices that the text it has put together for sensors is out of date,
//! whichever portal in front of the database made the change.

use std::collections::BTreeSet;

use eyot_contract::Timestamp;
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};
use crate::rules::threats::{ThreatList, MAX_ENTRIES, MAX_LISTS};

/// Fact: changes with the lists.
const CHANGED: &str = "threat_lists_changed";
/// How much of the SHA-256 names a version.
const VERSION: usize = 12;

/// A list as kept.
#[derive(Clone, Debug, FromRow)]
pub struct KeptList {
    /// Its name.
    pub name: String,
    /// Version of its content.
    pub version: String,
    /// `plain` or `stix`.
    pub format: String,
    /// Entries in it.
    pub count: i64,
    /// What the upload held that is not compared with.
    pub left_out: i64,
    /// 1 while sensors are given it.
    pub active: i64,
    /// When it was uploaded, in µs.
    pub added_at: i64,
    /// By whom.
    pub added_by: String,
}

/// What to do with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// Give it to sensors.
    Activate,
    /// Keep it from them.
    Deactivate,
    /// Forget it.
    Remove,
}

/// What a sensor has of the lists.
#[derive(Clone, Debug)]
pub struct SensorThreats {
    /// The sensor.
    pub sensor: Uuid,
    /// Its name.
    pub name: String,
    /// The version it said it has, or has fetched since.
    pub version: Option<String>,
    /// When it last asked.
    pub asked_at: Option<Timestamp>,
}

impl Store {
    /// Every list, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn threat_lists(&self) -> Result<Vec<KeptList>, StoreError> {
        sqlx::query_as(
            "SELECT name, version, format, count, left_out, active, added_at, added_by FROM threat_lists ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the threat lists")
    }

    /// Keeps a list under a name, in the place of the one that had it. `Err` says why not.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_threat_list(
        &self,
        name: &str,
        list: &ThreatList,
        by: Actor<'_>,
    ) -> Result<Result<String, String>, StoreError> {
        let doing = "keeping a threat list";
        let mut text = String::new();
        for (entry, until) in &list.entries {
            text.push_str(entry);
            if let Some(until) = until {
                text.push_str(&format!("\t{}", until.0));
            }
            text.push('\n');
        }
        let mut version = crate::secret::hash(text.as_bytes());
        version.truncate(VERSION);
        let mut write = self.write(doing).await?;
        let (lists, entries): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM threat_lists WHERE name <> $1",
        )
        .bind(name)
        .fetch_one(write.on())
        .await
        .doing(doing)?;
        if lists >= MAX_LISTS {
            return Ok(Err(format!("there are {MAX_LISTS} lists already; remove one first")));
        }
        let count = i64::try_from(list.entries.len()).unwrap_or(i64::MAX);
        let room = i64::try_from(MAX_ENTRIES).unwrap_or(i64::MAX) - entries;
        if count > room {
            return Ok(Err(format!(
                "the list has {count} entries, and beside the other lists there is room for {room}; sensors take {MAX_ENTRIES} in all"
            )));
        }
        sqlx::query(
            "INSERT INTO threat_lists (id, name, version, format, entries, count, left_out, active, added_at, added_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9) ON CONFLICT (name) DO UPDATE SET version = excluded.version, \
             format = excluded.format, entries = excluded.entries, count = excluded.count, left_out = excluded.left_out, \
             added_at = excluded.added_at, added_by = excluded.added_by",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(name)
        .bind(&version)
        .bind(list.format.name())
        .bind(&text)
        .bind(count)
        .bind(list.left_out)
        .bind(by.at.0)
        .bind(by.name)
        .execute(write.on())
        .await
        .doing(doing)?;
        changed(write.on()).await?;
        note(write.on(), by, Action::ThreatListAdded, name, &format!("version {version}, {count} entries"))
            .await?;
        write.commit(doing).await?;
        Ok(Ok(version))
    }

    /// Turns a list on or off, or removes it. False if there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn change_threat_list(
        &self,
        name: &str,
        change: ListChange,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "changing a threat list";
        let (text, action, detail) = match change {
            ListChange::Activate => {
                ("UPDATE threat_lists SET active = 1 WHERE name = $1", Action::ThreatListSwitched, "on")
            }
            ListChange::Deactivate => {
                ("UPDATE threat_lists SET active = 0 WHERE name = $1", Action::ThreatListSwitched, "off")
            }
            ListChange::Remove => ("DELETE FROM threat_lists WHERE name = $1", Action::ThreatListRemoved, ""),
        };
        let mut write = self.write(doing).await?;
        let done = sqlx::query(text).bind(name).execute(write.on()).await.doing(doing)?.rows_affected();
        if done == 0 {
            return Ok(false);
        }
        changed(write.on()).await?;
        note(write.on(), by, action, name, detail).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// What changes with the lists.
    ///
    /// # Errors
    /// The database fails.
    pub async fn threats_changed(&self) -> Result<String, StoreError> {
        Ok(self.fact(CHANGED).await?.unwrap_or_default())
    }

    /// The entries of all active lists that hold at this moment.
    ///
    /// # Errors
    /// The database fails.
    pub async fn threat_entries(&self, now: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        let texts: Vec<String> = sqlx::query_scalar("SELECT entries FROM threat_lists WHERE active = 1")
            .fetch_all(&self.pool)
            .await
            .doing("reading the threat lists")?;
        let mut all = BTreeSet::new();
        for text in texts {
            for line in text.lines() {
                let (entry, until) = line.split_once('\t').map_or((line, None), |(e, u)| (e, Some(u)));
                let over = until.and_then(|u| u.parse().ok()).is_some_and(|until: i64| until <= now.0);
                if !over {
                    all.insert(entry.to_owned());
                }
            }
        }
        Ok(all)
    }

    /// Notes that a sensor asked, and the version it has if that is known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_threats(
        &self,
        sensor: Uuid,
        version: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "noting a sensor's threat list";
        let mut write = self.write_beside_others(doing).await?;
        sqlx::query(
            "UPDATE sensors SET threat_version = COALESCE($1, threat_version), threat_asked_at = $2 WHERE id = $3",
        )
        .bind(version)
        .bind(at.0)
        .bind(sensor.to_string())
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }

    /// What each activated sensor has, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensor_threats(&self) -> Result<Vec<SensorThreats>, StoreError> {
        let rows: Vec<(String, String, Option<String>, Option<i64>)> = sqlx::query_as(
            "SELECT id, name, threat_version, threat_asked_at FROM sensors \
             WHERE deleted_at IS NULL AND enrolled_at IS NOT NULL ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading what sensors have of the threat lists")?;
        let read = |(id, name, version, asked): (String, String, Option<String>, Option<i64>)| {
            Ok(SensorThreats { sensor: parse_id(&id)?, name, version, asked_at: asked.map(Timestamp) })
        };
        rows.into_iter().map(read).collect()
    }
}

async fn changed(on: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(CHANGED)
    .bind(Uuid::new_v4().to_string())
    .execute(on)
    .await
    .doing("noting that the threat lists changed")?;
    Ok(())
}
