//! What people decide about devices: values of their own, whether a device may be here, deletion; and the removal of
//! devices that nobody has seen for long.
//!
//! A field that a person set is locked: reports go on and do not change it until somebody releases it; then the sightings
//! say again what it is.

use std::collections::BTreeMap;

use eyot_contract::{DeviceRecord, DeviceType, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::events::Outgoing;
use super::ingest::read_record;
use super::{timeline, Doing, Store, StoreError};
use crate::rules::changes::Kind;
use crate::rules::consolidation::{consolidate, merge};
use crate::rules::decisions::Edit;

/// Most devices changed in one go.
pub const MAX_EDITED: usize = 1_000;
/// Devices removed in one transaction.
const REMOVED_AT_ONCE: i64 = 5_000;
/// Fact: days after which an unseen device is removed.
const RETENTION: &str = "device_retention_days";
/// Unless somebody says otherwise.
const RETENTION_DAYS: i64 = 90;

/// Who decided something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// Account or token.
    pub by: String,
    /// The moment.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// What people decided about a device.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Decisions {
    /// Whether it may be here.
    pub authorized: Option<bool>,
    /// `low`, `normal` or `high`.
    pub importance: String,
    /// Tags, ascending.
    pub tags: Vec<String>,
    /// Where it stands.
    pub location: String,
    /// What people wrote.
    pub notes: String,
    /// Fields that reports do not change.
    pub locked: Vec<String>,
    /// Who set which field.
    pub decided: BTreeMap<String, Decided>,
}

const DOING: &str = "changing devices";

impl Store {
    /// Changes devices. How many there were.
    ///
    /// # Errors
    /// The database fails; nothing is changed then.
    pub async fn edit_devices(&self, ids: &[Uuid], edit: &Edit, by: Actor<'_>) -> Result<u64, StoreError> {
        let mut write = self.write(DOING).await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let mut changed = 0;
        for id in ids.iter().take(MAX_EDITED) {
            let id = id.to_string();
            if let Some(name) = edit_one(write.on(), &id, edit, by).await? {
                changed += 1;
                let fields = edit.fields();
                note(write.on(), by, Action::DeviceEdited, &name, &fields.join(", ")).await?;
                let what = json!({ "fields": fields });
                outgoing.device_now(write.on(), "device.edited", &id, what, by).await?;
            }
        }
        outgoing.keep(write.on(), by.at).await?;
        write.commit(DOING).await?;
        self.counts.forget();
        Ok(changed)
    }

    /// Deletes devices. One that is still there comes back with its next report. How many there were.
    ///
    /// # Errors
    /// The database fails; nothing is deleted then.
    pub async fn delete_devices(&self, ids: &[Uuid], by: Actor<'_>) -> Result<u64, StoreError> {
        let doing = "deleting devices";
        let mut write = self.write(doing).await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let mut deleted = 0;
        for id in ids.iter().take(MAX_EDITED) {
            let id = id.to_string();
            let gone: Option<(String, String)> =
                sqlx::query_as("DELETE FROM devices WHERE id = $1 RETURNING COALESCE(hostname, mac), mac")
                    .bind(&id)
                    .fetch_optional(write.on())
                    .await
                    .doing(doing)?;
            if let Some((name, mac)) = gone {
                deleted += 1;
                note(write.on(), by, Action::DeviceDeleted, &name, "").await?;
                outgoing.device_gone(&id, &mac, None, by);
            }
        }
        outgoing.keep(write.on(), by.at).await?;
        write.commit(doing).await?;
        self.counts.forget();
        Ok(deleted)
    }

    /// Days after which a device that no sensor has seen is removed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retention_days(&self) -> Result<i64, StoreError> {
        let kept = self.fact(RETENTION).await?;
        Ok(kept.and_then(|days| days.parse().ok()).unwrap_or(RETENTION_DAYS))
    }

    /// Sets it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_retention_days(&self, days: i64, by: Actor<'_>) -> Result<(), StoreError> {
        let doing = "changing the retention";
        let mut write = self.write(doing).await?;
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(RETENTION)
        .bind(days.to_string())
        .execute(write.on())
        .await
        .doing(doing)?;
        note(write.on(), by, Action::RetentionChanged, "device inventory", &format!("{days} days")).await?;
        write.commit(doing).await
    }

    /// Removes devices that no sensor has seen for that long. How many.
    ///
    /// # Errors
    /// The database fails; what was removed before stays so.
    pub async fn remove_unseen(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "removing unseen devices";
        let days = self.retention_days().await?;
        let before = now.0 - days * Timestamp::DAY;
        let by = Actor { name: "retention", at: now };
        let mut removed = 0;
        loop {
            let mut write = self.write(doing).await?;
            let gone: Vec<(String, String)> = sqlx::query_as(
                "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE last_seen < $1 LIMIT $2) RETURNING id, mac",
            )
            .bind(before)
            .bind(REMOVED_AT_ONCE)
            .fetch_all(write.on())
            .await
            .doing(doing)?;
            if gone.is_empty() {
                return Ok(removed);
            }
            let detail = format!("{} devices not seen for {days} days", gone.len());
            note(write.on(), by, Action::DevicesExpired, "device inventory", &detail).await?;
            let mut outgoing = Outgoing::begin(write.on()).await?;
            for (id, mac) in &gone {
                outgoing.device_gone(id, mac, None, by);
            }
            outgoing.keep(write.on(), now).await?;
            write.commit(doing).await?;
            removed += gone.len() as u64;
        }
    }
}

/// Changes one device; its name, if it is there.
async fn edit_one(
    on: &mut AnyConnection,
    id: &str,
    edit: &Edit,
    by: Actor<'_>,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT COALESCE(hostname, mac) AS name, mac, locked, decided, hostname, vendor, model, type, class, authorized, \
         importance, tags, location, notes FROM devices WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *on)
    .await
    .doing(DOING)?;
    let Some(row) = row else { return Ok(None) };
    let text = |column: &str| row.try_get::<Option<String>, _>(column).doing(DOING);
    let reported = reported(on, id).await?;
    let mut locked = locked_of(&text("locked")?.unwrap_or_default());
    let mut decided: BTreeMap<String, Decided> =
        serde_json::from_str(&text("decided")?.unwrap_or_default()).unwrap_or_default();
    for field in edit.fields() {
        decided.insert(field.to_owned(), Decided { by: by.name.to_owned(), at: by.at });
    }
    let mut value_of =
        |name: &'static str, given: &Option<String>, kept: Option<String>, found: Option<String>| {
            match given.as_deref() {
                None => kept,
                // an empty value gives the field back to what sensors say
                Some("") => {
                    locked.retain(|l| l != name);
                    decided.remove(name);
                    found
                }
                Some(value) => {
                    if !locked.iter().any(|l| l == name) {
                        locked.push(name.to_owned());
                    }
                    Some(value.to_owned())
                }
            }
        };
    let found = reported.as_ref();
    let hostname =
        value_of("hostname", &edit.name, text("hostname")?, found.and_then(|r| r.hostname.clone()));
    let vendor = value_of("vendor", &edit.vendor, text("vendor")?, found.and_then(|r| r.vendor.clone()));
    let model = value_of("model", &edit.model, text("model")?, found.and_then(|r| r.model.clone()));
    let type_found = found.and_then(|r| r.device_type).map(|t| t.name().to_owned());
    let device_type = value_of("type", &edit.device_type, text("type")?, type_found);
    let class = match edit.device_type {
        Some(_) => {
            let of_type =
                device_type.as_deref().and_then(|t| t.parse::<DeviceType>().ok()).map(|t| t.class());
            of_type.or(found.and_then(|r| r.class)).map(|c| c.name().to_owned())
        }
        None => text("class")?,
    };
    let mut authorized: Option<i64> = row.try_get("authorized").doing(DOING)?;
    if let Some(said) = edit.authorized {
        authorized = said.map(i64::from);
        locked.retain(|l| l != "authorized");
        if said.is_some() {
            locked.push("authorized".to_owned());
        }
    }
    let kept = |given: &Option<String>, column: &str| -> Result<String, StoreError> {
        Ok(match given {
            Some(value) => value.clone(),
            None => text(column)?.unwrap_or_default(),
        })
    };
    let mut tags: Vec<String> = serde_json::from_str(&text("tags")?.unwrap_or_default()).unwrap_or_default();
    if let Some(given) = &edit.tags {
        tags.clone_from(given);
    }
    tags.extend(edit.add_tags.iter().cloned());
    tags.sort_unstable();
    tags.dedup();
    let (location, notes) = (kept(&edit.location, "location")?, kept(&edit.notes, "notes")?);
    let own = |name: &str, value: &Option<String>| match locked.iter().any(|l| l == name) {
        true => value.clone().unwrap_or_default().replace('_', " "),
        false => String::new(),
    };
    let words = [
        own("hostname", &hostname),
        own("vendor", &vendor),
        own("model", &model),
        own("type", &device_type),
        tags.join("\n"),
        location.clone(),
        notes.clone(),
    ]
    .join("\n")
    .to_lowercase();
    let locked = if locked.is_empty() { String::new() } else { format!("|{}|", locked.join("|")) };
    let json = |source| StoreError::Content { what: "device's decisions", source };
    sqlx::query(
        "UPDATE devices SET hostname = $1, vendor = $2, model = $3, type = $4, class = $5, authorized = $6, \
         importance = $7, tags = $8, location = $9, notes = $10, locked = $11, decided = $12, own_words = $13, \
         updated_at = $14 WHERE id = $15",
    )
    .bind(hostname)
    .bind(vendor)
    .bind(model)
    .bind(device_type)
    .bind(class)
    .bind(authorized)
    .bind(kept(&edit.importance, "importance")?)
    .bind(serde_json::to_string(&tags).map_err(json)?)
    .bind(location)
    .bind(notes)
    .bind(locked)
    .bind(serde_json::to_string(&decided).map_err(json)?)
    .bind(words)
    .bind(by.at.0)
    .bind(id)
    .execute(&mut *on)
    .await
    .doing(DOING)?;
    let (mac, fields) = (text("mac")?.unwrap_or_default(), edit.fields().join(", "));
    timeline::write(on, id, &mac, by.at, (Kind::Edited, &fields), by.name).await?;
    text("name")
}

/// What the sensors together say about a device.
async fn reported(on: &mut AnyConnection, id: &str) -> Result<Option<DeviceRecord>, StoreError> {
    let records: Vec<String> = sqlx::query_scalar("SELECT record FROM sightings WHERE device_id = $1")
        .bind(id)
        .fetch_all(&mut *on)
        .await
        .doing(DOING)?;
    let records: Vec<_> = records.iter().filter_map(|text| read_record(text)).collect();
    let mac: Option<String> = sqlx::query_scalar("SELECT mac FROM devices WHERE id = $1")
        .bind(id)
        .fetch_optional(on)
        .await
        .doing(DOING)?;
    Ok(match mac.and_then(|mac| mac.parse().ok()) {
        Some(own) => merge(own, records),
        None => consolidate(&records),
    })
}

/// The fields in `|hostname|vendor|`.
pub(super) fn locked_of(text: &str) -> Vec<String> {
    text.split('|').filter(|f| !f.is_empty()).map(str::to_owned).collect()
}
