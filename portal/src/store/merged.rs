//! Devices that people merged: two to ten of one zone become one, and can be taken apart again.
//!
//! The survivor keeps its id and what was decided about it. Of each absorbed device a row of `device_aliases` stays: it leads
//! later reports about its address to the survivor (`ingest` asks for it), and holds what undoing needs: the decisions
//! and times that no sighting tells. Sightings and events move along and carry their own address, so that they find their
//! way back.

use std::collections::{HashMap, HashSet};

use eyot_contract::{MacAddr, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::events::Outgoing;
use super::ingest::{self, Scene};
use super::{timeline, zones, Doing, Store, StoreError};
use crate::rules::changes::Kind;

/// Fewest devices merged in one go.
pub const MIN_MERGED: usize = 2;
/// Most devices merged in one go.
pub const MAX_MERGED: usize = 10;
const DOING: &str = "merging devices";

/// What is merged in a zone, by address.
#[derive(Clone, Default)]
pub(super) struct Merged {
    /// Absorbed address to the survivor's.
    absorbed: HashMap<MacAddr, MacAddr>,
    survivors: HashSet<MacAddr>,
    /// A device that comes back under its old id.
    restored: Option<(MacAddr, String)>,
}

impl Merged {
    pub(super) async fn of(on: &mut AnyConnection, zone: &str) -> Result<Self, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT a.mac, d.mac FROM device_aliases a JOIN devices d ON d.id = a.device_id WHERE a.zone_id = $1",
        )
        .bind(zone)
        .fetch_all(on)
        .await
        .doing("reading what is merged")?;
        let mut merged = Self::default();
        for (absorbed, own) in rows {
            if let (Ok(absorbed), Ok(own)) = (absorbed.parse(), own.parse()) {
                merged.absorbed.insert(absorbed, own);
                merged.survivors.insert(own);
            }
        }
        Ok(merged)
    }

    /// The address of the device that this address belongs to.
    pub(super) fn survivor_of(&self, mac: MacAddr) -> MacAddr {
        self.absorbed.get(&mac).copied().unwrap_or(mac)
    }

    /// Whether the address is part of a merged device.
    pub(super) fn concerns(&self, mac: MacAddr) -> bool {
        self.survivors.contains(&mac) || self.absorbed.contains_key(&mac)
    }

    /// The id under which a device of this address comes back.
    pub(super) fn id_for(&self, mac: MacAddr) -> Option<String> {
        self.restored.as_ref().filter(|(of, _)| *of == mac).map(|(_, id)| id.clone())
    }
}

/// What became of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// Done: into which device, and what undoing asks for.
    Done {
        /// The survivor.
        device: Uuid,
        /// The merge.
        merge: Uuid,
    },
    /// One of the devices is not there.
    NotThere,
    /// They are of different zones.
    Zones,
    /// The survivor is none of them.
    Survivor,
}

/// A device that was absorbed.
#[derive(Clone, Debug, Serialize)]
pub struct Absorbed {
    /// What it was called.
    pub name: String,
    /// Its address.
    pub mac: String,
    /// The merge that it was part of.
    pub merge: Uuid,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// What sightings cannot tell about a device once it is absorbed.
#[derive(Serialize, Deserialize)]
struct Kept {
    survivor_first_seen: i64,
    first_seen: i64,
    hostname: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    #[serde(rename = "type")]
    device_type: Option<String>,
    class: Option<String>,
    authorized: Option<i64>,
    importance: String,
    tags: String,
    location: String,
    notes: String,
    locked: String,
    decided: String,
    own_words: String,
}

/// A device as merging sees it.
struct Candidate {
    id: String,
    zone: String,
    mac: String,
    name: String,
    last_seen: i64,
    kept: Kept,
}

impl Store {
    /// Merges devices into one of them: `into`, or the one with the latest activity.
    ///
    /// # Errors
    /// The database fails; nothing is merged then.
    pub async fn merge_devices(
        &self,
        ids: &[Uuid],
        into: Option<Uuid>,
        by: Actor<'_>,
    ) -> Result<MergeOutcome, StoreError> {
        let mut write = self.write(DOING).await?;
        let mut devices = Vec::new();
        for id in ids {
            match read(write.on(), &id.to_string()).await? {
                Some(device) => devices.push(device),
                None => return Ok(MergeOutcome::NotThere),
            }
        }
        if devices.windows(2).any(|two| two[0].zone != two[1].zone) {
            return Ok(MergeOutcome::Zones);
        }
        let chosen = match into {
            Some(id) => ids.iter().position(|one| *one == id),
            None => (0..devices.len()).max_by_key(|at| devices[*at].last_seen),
        };
        let Some(chosen) = chosen else { return Ok(MergeOutcome::Survivor) };
        let device = ids[chosen];
        let survivor = devices.swap_remove(chosen);
        let merge = Uuid::new_v4();
        for one in &mut devices {
            one.kept.survivor_first_seen = survivor.kept.first_seen;
            absorb(write.on(), one, &survivor.id, merge, by).await?;
        }
        zones::tidy(write.on(), &survivor.id, by).await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        for one in &devices {
            outgoing.device_gone(&one.id, &one.mac, Some(&survivor.id), by);
        }
        let what = json!({ "merge": merge, "absorbed": devices.iter().map(|d| &d.id).collect::<Vec<_>>() });
        outgoing.device_now(write.on(), "device.merged", &survivor.id, what, by).await?;
        let names: Vec<_> = devices.iter().map(|d| format!("{} ({})", d.name, d.mac)).collect();
        let detail = names.join(", ");
        let what = (Kind::Merged, detail.as_str());
        timeline::write(write.on(), &survivor.id, &survivor.mac, by.at, what, by.name).await?;
        note(write.on(), by, Action::DevicesMerged, &survivor.name, &detail).await?;
        outgoing.keep(write.on(), by.at).await?;
        write.commit(DOING).await?;
        self.counts.forget();
        Ok(MergeOutcome::Done { device, merge })
    }

    /// Takes a merge apart: each device that it absorbed is there again, with what its address was reported to be since
    /// and what was decided about it before. How many came back; 0 if there is no such merge (any more).
    ///
    /// # Errors
    /// The database fails; nothing is changed then.
    pub async fn undo_merge(&self, merge: Uuid, by: Actor<'_>) -> Result<usize, StoreError> {
        let doing = "undoing a merge";
        let mut write = self.write(doing).await?;
        let rows: Vec<(String, String, String, String, String, String)> = sqlx::query_as(
            "SELECT a.absorbed_id, a.zone_id, a.mac, a.device_id, a.name, a.kept FROM device_aliases a \
             WHERE a.merge_id = $1 ORDER BY a.mac",
        )
        .bind(merge.to_string())
        .fetch_all(write.on())
        .await
        .doing(doing)?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        for (id, zone, mac, survivor, name, kept) in &rows {
            let kept: Kept = serde_json::from_str(kept)
                .map_err(|source| StoreError::Content { what: "merged device", source })?;
            restore(write.on(), id, zone, mac, survivor, &kept, by).await?;
            sqlx::query("UPDATE devices SET first_seen = $1 WHERE id = $2")
                .bind(kept.survivor_first_seen)
                .bind(survivor)
                .execute(write.on())
                .await
                .doing(doing)?;
            zones::tidy(write.on(), survivor, by).await?;
            let survivors: Option<(String, String)> =
                sqlx::query_as("SELECT COALESCE(hostname, mac), mac FROM devices WHERE id = $1")
                    .bind(survivor)
                    .fetch_optional(write.on())
                    .await
                    .doing(doing)?;
            let detail = format!("{name} ({mac})");
            if let Some((survivors_name, own)) = survivors {
                let what = (Kind::Unmerged, detail.as_str());
                timeline::write(write.on(), survivor, &own, by.at, what, by.name).await?;
                note(write.on(), by, Action::MergeUndone, &survivors_name, &detail).await?;
            }
            for one in [id, survivor] {
                let what = json!({ "merge": merge, "survivor": survivor });
                outgoing.device_now(write.on(), "device.unmerged", one, what, by).await?;
            }
        }
        outgoing.keep(write.on(), by.at).await?;
        write.commit(doing).await?;
        self.counts.forget();
        Ok(rows.len())
    }

    /// What was merged into a device, the latest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn absorbed(&self, device: Uuid) -> Result<Vec<Absorbed>, StoreError> {
        let rows: Vec<(String, String, String, i64, String)> = sqlx::query_as(
            "SELECT name, mac, merge_id, merged_at, merged_by FROM device_aliases WHERE device_id = $1 \
             ORDER BY merged_at DESC, mac",
        )
        .bind(device.to_string())
        .fetch_all(&self.pool)
        .await
        .doing("reading what is merged")?;
        rows.into_iter()
            .map(|(name, mac, merge, at, by)| {
                Ok(Absorbed { name, mac, merge: super::sensors::parse_id(&merge)?, at: Timestamp(at), by })
            })
            .collect()
    }

    /// The device that this one was merged into, if it was: old addresses in bookmarks lead on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn merged_into(&self, device: Uuid) -> Result<Option<Uuid>, StoreError> {
        let id: Option<String> =
            sqlx::query_scalar("SELECT device_id FROM device_aliases WHERE absorbed_id = $1")
                .bind(device.to_string())
                .fetch_optional(&self.pool)
                .await
                .doing("reading what is merged")?;
        id.as_deref().map(super::sensors::parse_id).transpose()
    }
}

async fn read(on: &mut AnyConnection, id: &str) -> Result<Option<Candidate>, StoreError> {
    let row = sqlx::query(
        "SELECT zone_id, mac, COALESCE(hostname, mac) AS name, first_seen, last_seen, hostname, vendor, model, type, class, \
         authorized, importance, tags, location, notes, locked, decided, own_words FROM devices WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(on)
    .await
    .doing(DOING)?;
    let Some(row) = row else { return Ok(None) };
    let text = |name: &str| row.try_get::<String, _>(name).doing(DOING);
    let maybe = |name: &str| row.try_get::<Option<String>, _>(name).doing(DOING);
    let number = |name: &str| row.try_get::<i64, _>(name).doing(DOING);
    let kept = Kept {
        survivor_first_seen: 0,
        first_seen: number("first_seen")?,
        hostname: maybe("hostname")?,
        vendor: maybe("vendor")?,
        model: maybe("model")?,
        device_type: maybe("type")?,
        class: maybe("class")?,
        authorized: row.try_get("authorized").doing(DOING)?,
        importance: text("importance")?,
        tags: text("tags")?,
        location: text("location")?,
        notes: text("notes")?,
        locked: text("locked")?,
        decided: text("decided")?,
        own_words: text("own_words")?,
    };
    Ok(Some(Candidate {
        id: id.to_owned(),
        zone: text("zone_id")?,
        mac: text("mac")?,
        name: text("name")?,
        last_seen: number("last_seen")?,
        kept,
    }))
}

async fn absorb(
    on: &mut AnyConnection,
    device: &Candidate,
    survivor: &str,
    merge: Uuid,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    let kept = serde_json::to_string(&device.kept)
        .map_err(|source| StoreError::Content { what: "merged device", source })?;
    sqlx::query(
        "INSERT INTO device_aliases (absorbed_id, zone_id, mac, parent_id, device_id, merge_id, merged_at, merged_by, \
         name, kept) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&device.id)
    .bind(&device.zone)
    .bind(&device.mac)
    .bind(survivor)
    .bind(merge.to_string())
    .bind(by.at.0)
    .bind(by.name)
    .bind(&device.name)
    .bind(kept)
    .execute(&mut *on)
    .await
    .doing(DOING)?;
    // what it had absorbed itself comes along
    for text in [
        "UPDATE device_aliases SET device_id = $1 WHERE device_id = $2",
        "UPDATE sightings SET device_id = $1 WHERE device_id = $2",
        "UPDATE device_events SET device_id = $1 WHERE device_id = $2",
    ] {
        sqlx::query(text).bind(survivor).bind(&device.id).execute(&mut *on).await.doing(DOING)?;
    }
    sqlx::query("DELETE FROM devices WHERE id = $1").bind(&device.id).execute(on).await.doing(DOING)?;
    Ok(())
}

/// Makes an absorbed device stand by itself again, with what it had absorbed.
async fn restore(
    on: &mut AnyConnection,
    id: &str,
    zone: &str,
    mac: &str,
    survivor: &str,
    kept: &Kept,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM device_aliases WHERE absorbed_id = $1")
        .bind(id)
        .execute(&mut *on)
        .await
        .doing(DOING)?;
    // its own address and those that came along with it
    let mut macs = vec![mac.to_owned()];
    let mut parents = vec![id.to_owned()];
    let mut below = Vec::new();
    while let Some(parent) = parents.pop() {
        let children: Vec<(String, String)> = sqlx::query_as(
            "SELECT absorbed_id, mac FROM device_aliases WHERE parent_id = $1 AND device_id = $2",
        )
        .bind(&parent)
        .bind(survivor)
        .fetch_all(&mut *on)
        .await
        .doing(DOING)?;
        for (child, mac) in children {
            macs.push(mac);
            parents.push(child.clone());
            below.push(child);
        }
    }
    let mut sightings = Vec::new();
    for mac in &macs {
        let some: Vec<(String, String)> = sqlx::query_as(
            "SELECT sensor_id, record FROM sightings WHERE device_id = $1 AND mac = $2 ORDER BY sensor_id",
        )
        .bind(survivor)
        .bind(mac)
        .fetch_all(&mut *on)
        .await
        .doing(DOING)?;
        sightings.extend(some);
    }
    let Ok(own) = mac.parse::<MacAddr>() else { return Ok(()) };
    let mut merged = Merged { restored: Some((own, id.to_owned())), ..Merged::default() };
    merged.absorbed.extend(macs[1..].iter().filter_map(|m| Some((m.parse().ok()?, own))));
    merged.survivors.extend((macs.len() > 1).then_some(own));
    for (at, (sensor, record)) in sightings.iter().enumerate() {
        let Some(record) = ingest::read_record(record) else { continue };
        let scene = Scene { sensor, zone, alone: false, merged: merged.clone(), at: by.at };
        ingest::keep(&mut *on, &scene, &record).await?;
        if at == 0 {
            // the device is there now, and only now can the others lead to it
            for child in &below {
                sqlx::query("UPDATE device_aliases SET device_id = $1 WHERE absorbed_id = $2")
                    .bind(id)
                    .bind(child)
                    .execute(&mut *on)
                    .await
                    .doing(DOING)?;
            }
        }
    }
    for mac in &macs {
        sqlx::query(
            "UPDATE device_events SET device_id = $1 WHERE device_id = $2 AND mac = $3 \
             AND EXISTS (SELECT 1 FROM devices WHERE id = $1)",
        )
        .bind(id)
        .bind(survivor)
        .bind(mac)
        .execute(&mut *on)
        .await
        .doing(DOING)?;
    }
    decide_again(on, id, kept).await
}

/// Gives a restored device back what people had decided about it.
async fn decide_again(on: &mut AnyConnection, id: &str, kept: &Kept) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET locked = $1, decided = $2, authorized = $3, importance = $4, tags = $5, location = $6, \
         notes = $7, own_words = $8, \
         hostname = CASE WHEN $1 LIKE '%|hostname|%' THEN $9 ELSE hostname END, \
         vendor = CASE WHEN $1 LIKE '%|vendor|%' THEN $10 ELSE vendor END, \
         model = CASE WHEN $1 LIKE '%|model|%' THEN $11 ELSE model END, \
         type = CASE WHEN $1 LIKE '%|type|%' THEN $12 ELSE type END, \
         class = CASE WHEN $1 LIKE '%|type|%' THEN $13 ELSE class END, \
         first_seen = CASE WHEN first_seen < $14 THEN first_seen ELSE $14 END WHERE id = $15",
    )
    .bind(&kept.locked)
    .bind(&kept.decided)
    .bind(kept.authorized)
    .bind(&kept.importance)
    .bind(&kept.tags)
    .bind(&kept.location)
    .bind(&kept.notes)
    .bind(&kept.own_words)
    .bind(&kept.hostname)
    .bind(&kept.vendor)
    .bind(&kept.model)
    .bind(&kept.device_type)
    .bind(&kept.class)
    .bind(kept.first_seen)
    .bind(id)
    .execute(on)
    .await
    .doing(DOING)?;
    Ok(())
}
