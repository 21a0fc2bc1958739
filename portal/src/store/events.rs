//! Events for others: what changed, in the order in which it was committed, and how far each destination has got.
//!
//! An event is part of the change's own transaction. Its number comes from a counter that is taken last, and whose row
//! is locked until the commit, so numbers become visible in their order: a reader that has read up to one has missed
//! nothing before it, with however many portals writing. Where no destination is set up, nothing is written.
//!
//! A destination's cursor moves only after it has acknowledged: after a failure anywhere the events come again. One
//! portal of several tells a destination at a time; a claim that is not renewed falls to another.

use eyot_contract::{DeviceRecord, Finding, Timestamp};
use serde_json::{json, Value};
use sqlx::{AnyConnection, FromRow};

use super::audit::Actor;
use super::rows::{self, Holds};
use super::{devices, Doing, Store, StoreError};

/// How long events are kept that some destination has not acknowledged, in µs (7 days).
const KEPT: i64 = 7 * Timestamp::DAY;

const EVENTS: rows::Columns =
    &[("seq", Holds::Whole), ("at", Holds::Whole), ("kind", Holds::Text), ("body", Holds::Text)];

/// An event as kept.
#[derive(Clone, Debug, FromRow)]
pub struct Event {
    /// Its number.
    pub seq: i64,
    /// When, in µs.
    pub at: i64,
    /// What happened, by one of the names in docs/outlets.md.
    pub kind: String,
    /// What, as JSON.
    pub body: String,
}

impl Event {
    /// As it is told: one JSON object with number, time and kind in front.
    pub fn told(&self) -> Value {
        let mut told = json!({ "seq": self.seq, "at": Timestamp(self.at), "kind": self.kind });
        if let (Value::Object(told), Ok(Value::Object(body))) = (&mut told, serde_json::from_str(&self.body))
        {
            told.extend(body);
        }
        told
    }
}

/// Events of one transaction, until they are numbered.
#[derive(Default)]
pub(super) struct Outgoing(Option<Vec<(&'static str, Value)>>);

impl Outgoing {
    /// Listens only where there is a destination.
    pub(super) async fn begin(on: &mut AnyConnection) -> Result<Self, StoreError> {
        let outlets: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outlets")
            .fetch_one(on)
            .await
            .doing("looking for destinations of events")?;
        Ok(Self((outlets > 0).then(Vec::new)))
    }

    /// A device was stored.
    pub(super) fn device(&mut self, new: bool, sensor: &str, id: &str, record: &DeviceRecord) {
        if let Some(events) = &mut self.0 {
            let kind = if new { "device.new" } else { "device.changed" };
            events.push((kind, json!({ "id": id, "sensor": sensor, "device": record })));
        }
    }

    /// A finding was stored.
    pub(super) fn finding(&mut self, new: bool, hidden: bool, sensor: &str, id: &str, finding: &Finding) {
        if let Some(events) = &mut self.0 {
            let kind = if new { "finding.new" } else { "finding.changed" };
            let definition = finding.kind.definition();
            events.push((
                kind,
                json!({
                    "id": id, "sensor": sensor, "category": definition.category.name(), "title": definition.title,
                    "technique": definition.technique, "remedy": definition.remedy, "suppressed": hidden,
                    "finding": finding
                }),
            ));
        }
    }

    /// People changed a device: told as it is now, with what they did.
    pub(super) async fn device_now(
        &mut self,
        on: &mut AnyConnection,
        kind: &'static str,
        id: &str,
        what: Value,
        by: Actor<'_>,
    ) -> Result<(), StoreError> {
        let Some(events) = &mut self.0 else { return Ok(()) };
        let Some(device) = devices::one(on, id).await? else { return Ok(()) };
        let mut body =
            json!({ "id": id, "by": by.name, "device": device.record, "decisions": device.decisions });
        if let (Value::Object(body), Value::Object(what)) = (&mut body, what) {
            body.extend(what);
        }
        events.push((kind, body));
        Ok(())
    }

    /// A device is not there any more: deleted, or part of another.
    pub(super) fn device_gone(&mut self, id: &str, mac: &str, into: Option<&str>, by: Actor<'_>) {
        self.told_by_people("device.deleted", json!({ "id": id, "mac": mac, "merged_into": into }), by);
    }

    /// People did something else.
    pub(super) fn told_by_people(&mut self, kind: &'static str, mut body: Value, by: Actor<'_>) {
        if let Some(events) = &mut self.0 {
            body["by"] = by.name.into();
            events.push((kind, body));
        }
    }

    /// Numbers and keeps them. The last thing before the commit: others wait for the counter from here on.
    pub(super) async fn keep(self, on: &mut AnyConnection, at: Timestamp) -> Result<(), StoreError> {
        let doing = "keeping events";
        let Some(events) = self.0.filter(|events| !events.is_empty()) else { return Ok(()) };
        let count = events.len() as i64;
        let last: i64 = sqlx::query_scalar(
            "UPDATE counters SET value = value + $1 WHERE name = 'events' RETURNING value",
        )
        .bind(count)
        .fetch_one(&mut *on)
        .await
        .doing(doing)?;
        let row = |(seq, (kind, body)): (i64, (&str, Value))| {
            json!([seq, at.0, kind, body.to_string().replace("\\u0000", "")])
        };
        let all = (last - count + 1..).zip(events).map(row);
        let text = format!(
            "INSERT INTO events ({}) SELECT * FROM {} WHERE true",
            rows::names(EVENTS),
            rows::from(on, EVENTS)
        );
        sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(Value::from_iter(all).to_string())
            .execute(&mut *on)
            .await
            .doing(doing)?;
        Ok(())
    }
}

impl Store {
    /// Makes these the destinations there are. A new one begins with what happens from now on; one that is gone is
    /// forgotten, and nothing is kept for it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_outlets(&self, names: &[String]) -> Result<(), StoreError> {
        let doing = "setting up destinations";
        let mut write = self.write(doing).await?;
        let kept: Vec<String> =
            sqlx::query_scalar("SELECT name FROM outlets").fetch_all(write.on()).await.doing(doing)?;
        for gone in kept.iter().filter(|name| !names.contains(name)) {
            sqlx::query("DELETE FROM outlets WHERE name = $1")
                .bind(gone)
                .execute(write.on())
                .await
                .doing(doing)?;
        }
        for name in names {
            sqlx::query(
                "INSERT INTO outlets (name, seq, failures, error) SELECT $1, value, 0, '' FROM counters \
                 WHERE name = 'events' ON CONFLICT (name) DO NOTHING",
            )
            .bind(name)
            .execute(write.on())
            .await
            .doing(doing)?;
        }
        write.commit(doing).await
    }

    /// Claims a destination for so long, or claims it anew. The number up to which it has acknowledged, or `None` where
    /// another portal has it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim_outlet(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let doing = "claiming a destination";
        let mut write = self.write_beside_others(doing).await?;
        let seq = sqlx::query_scalar(
            "UPDATE outlets SET holder = $1, held_until = $2 WHERE name = $3 AND (holder IS NULL OR holder = $1 \
             OR held_until < $4) RETURNING seq",
        )
        .bind(holder)
        .bind(until.0)
        .bind(name)
        .bind(now.0)
        .fetch_optional(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await?;
        Ok(seq)
    }

    /// Events after a number, in order.
    ///
    /// # Errors
    /// The database fails.
    pub async fn events_after(&self, seq: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        sqlx::query_as("SELECT seq, at, kind, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .doing("reading events")
    }

    /// What became of an attempt: acknowledged up to a number, and why it went no further if it did not. A claim that was
    /// lost meanwhile moves nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_delivery(
        &self,
        name: &str,
        holder: &str,
        seq: i64,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "noting a delivery";
        let mut write = self.write_beside_others(doing).await?;
        sqlx::query(
            "UPDATE outlets SET delivered_at = CASE WHEN seq < $1 THEN $2 ELSE delivered_at END, \
             seq = CASE WHEN seq < $1 THEN $1 ELSE seq END, failures = CASE WHEN $3 = '' THEN 0 ELSE failures + 1 END, \
             error = $3 WHERE name = $4 AND holder = $5",
        )
        .bind(seq)
        .bind(now.0)
        .bind(error.unwrap_or_default())
        .bind(name)
        .bind(holder)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }

    /// Removes events that every destination has acknowledged, and those that are a week old.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_events(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "removing told events";
        let mut write = self.write_beside_others(doing).await?;
        let done = sqlx::query(
            "DELETE FROM events WHERE at < $1 OR seq <= (SELECT COALESCE(MIN(seq), $2) FROM outlets)",
        )
        .bind(now.0 - KEPT)
        .bind(i64::MAX)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await?;
        Ok(done.rows_affected())
    }
}
