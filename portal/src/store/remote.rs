//! Settings for sensors, kept by where they hold, and what each sensor says it has of them.

use std::collections::BTreeMap;

use eyot_contract::{RemoteSetting, Timestamp};
use serde_json::Value;
use sqlx::AnyConnection;
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};
use crate::rules::remote::{Effective, Scope};

/// Longest value that the audit log repeats, in characters.
const MAX_TOLD: usize = 200;

/// What is set at one place.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which kind of place.
    pub scope: Scope,
    /// What it is called for programs: a site's or a zone's name, a sensor's id.
    pub target: String,
    /// What it is called for people.
    pub name: String,
    /// What is set there.
    pub settings: BTreeMap<String, Value>,
    /// When and by whom that was changed last.
    pub changed: Option<(Timestamp, String)>,
}

/// What a sensor has.
#[derive(Clone, Debug)]
pub struct SensorSettings {
    /// The sensor.
    pub sensor: Uuid,
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// What is to hold for it.
    pub effective: Effective,
    /// The version that it says is in force.
    pub in_force: Option<String>,
    /// What of that it refuses, and why.
    pub refused: BTreeMap<String, String>,
    /// When it said so first.
    pub told_at: Option<Timestamp>,
}

type SensorRow = (String, String, String, String, Option<String>, Option<String>, Option<i64>);

impl Store {
    /// Every place that settings can hold at, the widest first, each kind by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn setting_places(&self) -> Result<Vec<Place>, StoreError> {
        let doing = "reading the settings for sensors";
        let places: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT 'site', id, name FROM sites UNION ALL SELECT 'zone', id, name FROM zones \
             UNION ALL SELECT 'sensor', id, name FROM sensors WHERE deleted_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let kept: Vec<(String, String, String, String, i64, String)> = sqlx::query_as(
            "SELECT scope, target, name, value, changed_at, changed_by FROM remote_settings ORDER BY changed_at",
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let mut by_place: BTreeMap<(String, String), Place> = BTreeMap::new();
        for (kind, id, name) in places {
            let Some(scope) = Scope::parse(&kind) else { continue };
            let target = if scope == Scope::Sensor { id.clone() } else { name.clone() };
            let place = Place { scope, target, name, settings: BTreeMap::new(), changed: None };
            by_place.insert((kind, id), place);
        }
        for (scope, target, name, value, at, by) in kept {
            // what a deleted sensor had
            let Some(place) = by_place.get_mut(&(scope, target)) else { continue };
            place.settings.insert(name, read(&value)?);
            place.changed = Some((Timestamp(at), by));
        }
        let mut all: Vec<_> = by_place.into_values().collect();
        all.sort_by_cached_key(|place| (place.scope, place.name.to_lowercase(), place.target.clone()));
        Ok(all)
    }

    /// Sets what holds at a place, in the place of all that did. False if there is no such place.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_settings(
        &self,
        scope: Scope,
        target: &str,
        wanted: &[RemoteSetting],
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "changing the settings for sensors";
        let mut write = self.write(doing).await?;
        let Some((id, name)) = find(write.on(), scope, target).await? else { return Ok(false) };
        let kept: Vec<(String, String)> =
            sqlx::query_as("SELECT name, value FROM remote_settings WHERE scope = $1 AND target = $2")
                .bind(scope.name())
                .bind(&id)
                .fetch_all(write.on())
                .await
                .doing(doing)?;
        let before: BTreeMap<String, String> = kept.into_iter().collect();
        let after: BTreeMap<String, String> =
            wanted.iter().map(|one| (one.name().to_owned(), one.value().to_string())).collect();
        let mut changes = Vec::new();
        for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(value)) {
            sqlx::query(
                "INSERT INTO remote_settings (scope, target, name, value, changed_at, changed_by) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, target, name) DO UPDATE SET \
                 value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
            )
            .bind(scope.name())
            .bind(&id)
            .bind(name)
            .bind(value)
            .bind(by.at.0)
            .bind(by.name)
            .execute(write.on())
            .await
            .doing(doing)?;
            let was = before.get(name).map_or("not set".to_owned(), |value| short(value));
            changes.push(format!("{name}: {was} → {}", short(value)));
        }
        for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            sqlx::query("DELETE FROM remote_settings WHERE scope = $1 AND target = $2 AND name = $3")
                .bind(scope.name())
                .bind(&id)
                .bind(name)
                .execute(write.on())
                .await
                .doing(doing)?;
            changes.push(format!("{name}: {} → not set", short(value)));
        }
        if !changes.is_empty() {
            let subject = format!("{} {name}", scope.name());
            note(write.on(), by, Action::SettingsChanged, &subject, &changes.join("; ")).await?;
        }
        write.commit(doing).await?;
        Ok(true)
    }

    /// What is to hold for a sensor.
    ///
    /// # Errors
    /// The database fails.
    pub async fn effective_settings(&self, sensor: Uuid) -> Result<Effective, StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT r.scope, r.name, r.value FROM sensors s JOIN zones z ON z.id = s.zone_id JOIN remote_settings r \
             ON (r.scope = 'sensor' AND r.target = s.id) OR (r.scope = 'zone' AND r.target = z.id) \
             OR (r.scope = 'site' AND r.target = z.site_id) WHERE s.id = $1",
        )
        .bind(sensor.to_string())
        .fetch_all(&self.pool)
        .await
        .doing("reading a sensor's settings")?;
        let mut effective = Effective::default();
        for (scope, name, value) in rows {
            if let Some(scope) = Scope::parse(&scope) {
                effective.take(scope, &name, &read(&value)?);
            }
        }
        Ok(effective)
    }

    /// Notes what a sensor says it has. Nothing is written while it says the same.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_settings(
        &self,
        sensor: Uuid,
        in_force: Option<&str>,
        refused: &BTreeMap<String, String>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "noting a sensor's settings";
        let id = sensor.to_string();
        let refused = Value::from_iter(refused.clone()).to_string();
        let kept: Option<(Option<String>, Option<String>)> =
            sqlx::query_as("SELECT settings_version, settings_refused FROM sensors WHERE id = $1")
                .bind(&id)
                .fetch_optional(&self.pool)
                .await
                .doing(doing)?;
        if kept.is_some_and(|(version, known)| {
            version.as_deref() == in_force && known.as_ref() == Some(&refused)
        }) {
            return Ok(());
        }
        let mut write = self.write_beside_others(doing).await?;
        sqlx::query(
            "UPDATE sensors SET settings_version = $1, settings_refused = $2, settings_told_at = $3 WHERE id = $4",
        )
        .bind(in_force)
        .bind(&refused)
        .bind(at.0)
        .bind(&id)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }

    /// What each activated sensor is to have and has, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensor_settings(&self) -> Result<Vec<SensorSettings>, StoreError> {
        let places = self.setting_places().await?;
        let at = |scope, target: &str| places.iter().find(|p| p.scope == scope && p.target == target);
        let rows: Vec<SensorRow> = sqlx::query_as(
            "SELECT s.id, s.name, z.name, i.name, s.settings_version, s.settings_refused, s.settings_told_at \
             FROM sensors s JOIN zones z ON z.id = s.zone_id JOIN sites i ON i.id = z.site_id \
             WHERE s.deleted_at IS NULL AND s.enrolled_at IS NOT NULL ORDER BY lower(s.name), s.name",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading what sensors have of their settings")?;
        let mut by_sensor: BTreeMap<&str, &Place> = BTreeMap::new();
        for place in places.iter().filter(|place| place.scope == Scope::Sensor) {
            by_sensor.insert(&place.target, place);
        }
        let mut all = Vec::new();
        for (id, name, zone, site, in_force, refused, told_at) in rows {
            let mut effective = Effective::default();
            let own = by_sensor.get(id.as_str()).copied();
            for place in [at(Scope::Site, &site), at(Scope::Zone, &zone), own].into_iter().flatten() {
                for (name, value) in &place.settings {
                    effective.take(place.scope, name, value);
                }
            }
            all.push(SensorSettings {
                sensor: parse_id(&id)?,
                name,
                zone,
                effective,
                in_force,
                refused: refused.map(|text| read(&text)).transpose()?.unwrap_or_default(),
                told_at: told_at.map(Timestamp),
            });
        }
        Ok(all)
    }
}

/// A place's id and the name that people know it by.
async fn find(
    on: &mut AnyConnection,
    scope: Scope,
    target: &str,
) -> Result<Option<(String, String)>, StoreError> {
    sqlx::query_as(match scope {
        Scope::Site => "SELECT id, name FROM sites WHERE name = $1",
        Scope::Zone => "SELECT id, name FROM zones WHERE name = $1",
        Scope::Sensor => "SELECT id, name FROM sensors WHERE id = $1 AND deleted_at IS NULL",
    })
    .bind(target)
    .fetch_optional(on)
    .await
    .doing("looking for where settings hold")
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Content { what: "setting for sensors", source })
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
