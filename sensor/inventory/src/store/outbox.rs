//! What other destinations than the portal have not taken yet, each with its own place.
//!
//! A record is kept once, as message content, however many destinations wait for it: `content` holds the latest whole
//! record of each device and finding, `waiting` who has not been told. A newer record takes the older one's content and
//! keeps its place in every queue. [`Outbox::next`] turns a destination's oldest records into its next batch, which stays
//! as it is until it is acknowledged; content goes when nobody waits for it. Destinations do not hold up one another, nor
//! the portal, whose records wait in [`Spool`](super::Spool).

use std::path::Path;

use eyot_contract::{Content, MacAddr, SensorStatus, Timestamp};
use rusqlite::{params, Connection, OptionalExtension, TransactionBehavior};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{schema, Store, StoreError, MAX_SPOOLED};

/// Kinds of content, in the order in which they are given up when there is no room.
const HEALTH: i64 = 0;
const FINDING: i64 = 1;
const DEVICE: i64 = 2;

/// A destination's side of the store.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    destination: String,
    epoch: Uuid,
}

/// What is sent to a destination as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// 1, 2, 3… for each destination within its epoch.
    pub sequence: u64,
    /// When it was put together.
    pub sent: Timestamp,
    /// The records.
    pub records: Vec<Content>,
}

/// How a destination's queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxState {
    /// Records waiting.
    pub waiting: u64,
    /// Records in the batch that is being sent.
    pub in_flight: u64,
    /// Records given up since the destination was first configured: no room, or never accepted.
    pub dropped: u64,
    /// When the oldest waiting record was queued.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// Says who is to be told: the portal or not, and these others. What waits for others than those is given up.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn set_destinations(&mut self, portal: bool, others: &[&str]) -> Result<(), StoreError> {
        let failed = StoreError::step("note the destinations");
        self.portal = portal;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for name in others {
            transaction
                .execute("INSERT OR IGNORE INTO destination (name) VALUES (?1)", [name])
                .map_err(&failed)?;
        }
        let known: Vec<String> = {
            let mut select = transaction.prepare("SELECT name FROM destination").map_err(&failed)?;
            let rows = select.query_map([], |row| row.get(0)).map_err(&failed)?;
            rows.collect::<rusqlite::Result<_>>().map_err(&failed)?
        };
        for gone in known.iter().filter(|name| !others.contains(&name.as_str())) {
            for table in ["waiting WHERE destination", "sending WHERE destination", "destination WHERE name"]
            {
                transaction.execute(&format!("DELETE FROM {table} = ?1"), [gone]).map_err(&failed)?;
            }
        }
        transaction
            .execute("DELETE FROM content WHERE id NOT IN (SELECT id FROM waiting)", [])
            .map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }

    /// Queues how the sensor is for every destination but the portal, which asks for it otherwise.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn queue_health(&mut self, status: &SensorStatus) -> Result<(), StoreError> {
        self.queue(&[Content::Health { health: Box::new(status.clone()) }], status.at)
    }

    /// Queues these for every destination but the portal, all or none. A newer record of a device or finding takes the
    /// place of the one that waits.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn queue(&mut self, contents: &[Content], now: Timestamp) -> Result<(), StoreError> {
        self.queue_within(contents, now, MAX_SPOOLED)
    }

    fn queue_within(&mut self, contents: &[Content], now: Timestamp, most: u64) -> Result<(), StoreError> {
        let failed = StoreError::step("queue records");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for content in contents {
            let text = serde_json::to_string(content).map_err(|source| StoreError::Record { source })?;
            let (kind, key) = match content {
                Content::Health { health } => (HEALTH, health.at.0.to_string()),
                Content::Finding { finding } => (FINDING, finding.id.clone()),
                Content::Device { device } => (DEVICE, device.mac.to_string()),
            };
            put(&transaction, kind, &key, &text, now)?;
        }
        enforce_bound(&transaction, most)?;
        transaction.commit().map_err(&failed)
    }
}

impl Outbox {
    /// Opens the store's file for one destination, which [`Store::set_destinations`] has named.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(path: impl AsRef<Path>, destination: &str) -> Result<Self, StoreError> {
        let connection = schema::open(path.as_ref())?;
        let epoch: String = connection
            .query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
            .map_err(StoreError::step("read the epoch"))?;
        let epoch = Uuid::new_v5(&epoch.parse().unwrap_or_default(), destination.as_bytes());
        Ok(Self { connection, destination: destination.to_owned(), epoch })
    }

    /// The epoch of this destination's numbers.
    pub fn epoch(&self) -> Uuid {
        self.epoch
    }

    /// The batch to send now: the one that was not acknowledged yet, or a new one of at most `limit` records.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn next(&mut self, limit: usize, now: Timestamp) -> Result<Option<Outgoing>, StoreError> {
        let failed = StoreError::step("take a batch");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if let Some(batch) = sending(&transaction, &self.destination)? {
            return Ok(Some(batch));
        }
        let (mut ids, mut records) = (Vec::new(), Vec::new());
        {
            let mut select = transaction
                .prepare_cached(
                    "SELECT content.id, content.record FROM waiting JOIN content USING (id)
                     WHERE destination = ?1 ORDER BY queued_at, content.id LIMIT ?2",
                )
                .map_err(&failed)?;
            let mut rows = select.query(params![self.destination, limit.max(1) as i64]).map_err(&failed)?;
            while let Some(row) = rows.next().map_err(&failed)? {
                ids.push(row.get::<_, i64>(0).map_err(&failed)?);
                let text: String = row.get(1).map_err(&failed)?;
                records.push(serde_json::from_str(&text).map_err(|source| StoreError::Record { source })?);
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
        let sequence: i64 = transaction
            .query_row(
                "UPDATE destination SET sequence = sequence + 1 WHERE name = ?1 RETURNING sequence",
                [&self.destination],
                |row| row.get(0),
            )
            .map_err(&failed)?;
        let batch = Outgoing { sequence: sequence as u64, sent: now, records };
        keep(&transaction, &self.destination, &batch)?;
        for id in ids {
            transaction
                .prepare_cached("DELETE FROM waiting WHERE destination = ?1 AND id = ?2")
                .and_then(|mut s| s.execute(params![self.destination, id]))
                .and_then(|_| {
                    transaction.prepare_cached(
                        "DELETE FROM content WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM waiting WHERE id = ?1)",
                    )
                })
                .and_then(|mut s| s.execute([id]))
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        Ok(Some(batch))
    }

    /// The destination has everything of its batch in flight.
    ///
    /// # Errors
    /// When the database cannot be written; the batch will be sent again.
    pub fn acknowledge(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM sending WHERE destination = ?1", [&self.destination])
            .map(drop)
            .map_err(StoreError::step("forget an acknowledged batch"))
    }

    /// The record at this place of the batch in flight is never taken: it is given up, and counted. Those before it are
    /// there already, those after it were never sent, so that no message id means two records.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn give_up(&mut self, at: usize) -> Result<(), StoreError> {
        let failed = StoreError::step("give up a record");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let Some(mut batch) = sending(&transaction, &self.destination)? else { return Ok(()) };
        if at < batch.records.len() {
            batch.records.remove(at);
            keep(&transaction, &self.destination, &batch)?;
            transaction
                .execute("UPDATE destination SET dropped = dropped + 1 WHERE name = ?1", [&self.destination])
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// How the queue stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn state(&self) -> Result<OutboxState, StoreError> {
        let failed = StoreError::step("count a destination's queue");
        let in_flight =
            sending(&self.connection, &self.destination)?.map_or(0, |batch| batch.records.len() as u64);
        let (waiting, oldest) = self
            .connection
            .query_row(
                "SELECT count(*), min(queued_at) FROM waiting WHERE destination = ?1",
                [&self.destination],
                |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Option<i64>>(1)?.map(Timestamp))),
            )
            .map_err(&failed)?;
        let dropped: i64 = self
            .connection
            .query_row("SELECT dropped FROM destination WHERE name = ?1", [&self.destination], |row| {
                row.get(0)
            })
            .map_err(&failed)?;
        Ok(OutboxState { waiting, in_flight, dropped: dropped as u64, oldest })
    }
}

/// Queues a device's record, given as JSON.
pub fn put_device(
    connection: &Connection,
    mac: MacAddr,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    put(connection, DEVICE, &mac.to_string(), &format!("{{\"kind\":\"device\",\"device\":{text}}}"), now)
}

/// Queues a finding, given as JSON.
pub fn put_finding(connection: &Connection, id: &str, text: &str, now: Timestamp) -> Result<(), StoreError> {
    put(connection, FINDING, id, &format!("{{\"kind\":\"finding\",\"finding\":{text}}}"), now)
}

/// A device that was forgotten is not told of any more.
pub fn forget_device(connection: &Connection, mac: MacAddr) -> rusqlite::Result<()> {
    let key = params![DEVICE, mac.to_string()];
    connection
        .prepare_cached(
            "DELETE FROM waiting WHERE id IN (SELECT id FROM content WHERE kind = ?1 AND key = ?2)",
        )?
        .execute(key)?;
    connection.prepare_cached("DELETE FROM content WHERE kind = ?1 AND key = ?2")?.execute(key).map(drop)
}

/// Drops what is over the bound: health first, then findings, then devices, the oldest of each first.
pub fn enforce_bound(connection: &Connection, most: u64) -> Result<(), StoreError> {
    let failed = StoreError::step("bound a destination's queue");
    let kept: i64 =
        connection.query_row("SELECT count(*) FROM content", [], |row| row.get(0)).map_err(&failed)?;
    let excess = kept - most as i64;
    if excess <= 0 {
        return Ok(());
    }
    const WORST: &str = "SELECT id FROM content ORDER BY kind, id LIMIT ?1";
    let steps = [
        format!(
            "UPDATE destination SET dropped = dropped +
             (SELECT count(*) FROM waiting WHERE destination = name AND id IN ({WORST}))"
        ),
        format!("DELETE FROM waiting WHERE id IN ({WORST})"),
        format!("DELETE FROM content WHERE id IN ({WORST})"),
    ];
    for step in steps {
        connection.execute(&step, [excess]).map_err(&failed)?;
    }
    Ok(())
}

fn put(connection: &Connection, kind: i64, key: &str, text: &str, now: Timestamp) -> Result<(), StoreError> {
    let put = || -> rusqlite::Result<()> {
        let id: Option<i64> = connection
            .prepare_cached(
                "INSERT INTO content (kind, key, record) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM destination)
                 ON CONFLICT (kind, key) DO UPDATE SET record = excluded.record RETURNING id",
            )?
            .query_row(params![kind, key, text], |row| row.get(0))
            .optional()?;
        // one that waits already keeps its place
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO waiting (destination, id, queued_at) SELECT name, ?1, ?2 FROM destination
                 WHERE ?1 IS NOT NULL",
            )?
            .execute(params![id, now.0])
            .map(drop)
    };
    put().map_err(StoreError::step("queue a record"))
}

fn sending(connection: &Connection, destination: &str) -> Result<Option<Outgoing>, StoreError> {
    let text: Option<String> = connection
        .query_row("SELECT batch FROM sending WHERE destination = ?1", [destination], |row| row.get(0))
        .optional()
        .map_err(StoreError::step("look for the batch in flight"))?;
    text.map(|t| serde_json::from_str(&t).map_err(|source| StoreError::Record { source })).transpose()
}

fn keep(connection: &Connection, destination: &str, batch: &Outgoing) -> Result<(), StoreError> {
    let text = serde_json::to_string(batch).map_err(|source| StoreError::Record { source })?;
    connection
        .execute("INSERT OR REPLACE INTO sending (destination, batch) VALUES (?1, ?2)", [destination, &text])
        .map(drop)
        .map_err(StoreError::step("keep a batch"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn device(n: u8, frames: u64) -> (MacAddr, String) {
        let mac = MacAddr([0, 0, 0, 0, 0, n]);
        let text = format!(
            "{{\"mac\":\"{mac}\",\"ips\":[],\"confidence\":0.0,\"frames\":{frames},\"evidence\":[],
              \"first_seen\":\"2026-01-01T00:00:00Z\",\"last_seen\":\"2026-01-01T00:00:00Z\"}}"
        );
        (mac, text)
    }

    fn frames(batch: &Outgoing) -> Vec<(u8, u64)> {
        let frames = |c: &Content| match c {
            Content::Device { device } => (device.mac.0[5], device.frames),
            _ => (0, 0),
        };
        batch.records.iter().map(frames).collect()
    }

    fn finding(id: &str) -> eyot_contract::Finding {
        serde_json::from_value(serde_json::json!({
            "id": id, "kind": "port_scan", "severity": "low", "mac": null, "summary": "a scan", "count": 1,
            "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    fn put_device(store: &Store, n: u8, count: u64) {
        let (mac, text) = device(n, count);
        super::put_device(&store.connection, mac, &text, Timestamp(i64::from(n))).unwrap();
    }

    #[test]
    fn each_destination_has_its_own_place_and_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i.sqlite");
        let mut store = Store::open(&path).unwrap();
        put_device(&store, 9, 1);
        store.set_destinations(true, &["a", "b"]).unwrap();
        for n in 1..=3 {
            put_device(&store, n, 1);
        }
        let (mut a, mut b) = (Outbox::open(&path, "a").unwrap(), Outbox::open(&path, "b").unwrap());
        assert_ne!(a.epoch(), b.epoch());
        assert_eq!(a.epoch(), Outbox::open(&path, "a").unwrap().epoch());
        let first = a.next(2, Timestamp(9)).unwrap().unwrap();
        assert_eq!((first.sequence, frames(&first)), (1, vec![(1, 1), (2, 1)]));
        // newer content reaches who still waits, in its place, and those who were told, again
        put_device(&store, 1, 2);
        drop(a);
        let mut a = Outbox::open(&path, "a").unwrap();
        assert_eq!(a.next(9, Timestamp(10)).unwrap().unwrap(), first, "the same until it is acknowledged");
        a.acknowledge().unwrap();
        let second = a.next(9, Timestamp(11)).unwrap().unwrap();
        assert_eq!((second.sequence, frames(&second)), (2, vec![(1, 2), (3, 1)]));
        a.give_up(0).unwrap();
        assert_eq!(frames(&a.next(9, Timestamp(11)).unwrap().unwrap()), [(3, 1)]);
        a.acknowledge().unwrap();
        assert_eq!(a.next(9, Timestamp(12)).unwrap(), None);
        assert_eq!(a.state().unwrap(), OutboxState { waiting: 0, in_flight: 0, dropped: 1, oldest: None });
        assert_eq!(b.state().unwrap().waiting, 3);
        assert_eq!(frames(&b.next(9, Timestamp(12)).unwrap().unwrap()), [(1, 2), (2, 1), (3, 1)]);
        let left = |store: &Store| -> i64 {
            store.connection.query_row("SELECT count(*) FROM content", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(left(&store), 0);
        put_device(&store, 4, 1);
        store.set_destinations(true, &["b"]).unwrap();
        assert_eq!(left(&store), 1);
        store.set_destinations(true, &[]).unwrap();
        assert_eq!(left(&store), 0);
    }

    #[test]
    fn without_room_telemetry_goes_before_findings_and_those_before_devices() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i.sqlite");
        let mut store = Store::open(&path).unwrap();
        store.set_destinations(false, &["a", "b"]).unwrap();
        put_device(&store, 1, 1);
        put_device(&store, 2, 1);
        put_finding(&store.connection, "f", "{}", Timestamp(3)).unwrap();
        for at in 4..7 {
            store.queue_health(&SensorStatus { at: Timestamp(at), ..SensorStatus::default() }).unwrap();
        }
        let kinds = |store: &Store| -> Vec<i64> {
            let mut select = store.connection.prepare("SELECT kind FROM content ORDER BY id").unwrap();
            let rows = select.query_map([], |row| row.get(0)).unwrap();
            rows.map(|r| r.unwrap()).collect()
        };
        for (most, left, dropped) in [
            (6, vec![DEVICE, DEVICE, FINDING, HEALTH, HEALTH, HEALTH], 0),
            (4, vec![DEVICE, DEVICE, FINDING, HEALTH], 2),
            (2, vec![DEVICE, DEVICE], 4),
            (1, vec![DEVICE], 5),
        ] {
            enforce_bound(&store.connection, most).unwrap();
            assert_eq!(kinds(&store), left);
            for name in ["a", "b"] {
                assert_eq!(Outbox::open(&path, name).unwrap().state().unwrap().dropped, dropped);
            }
        }
        let mut a = Outbox::open(&path, "a").unwrap();
        assert_eq!(frames(&a.next(9, Timestamp(9)).unwrap().unwrap()), [(2, 1)], "the newest stays");
    }

    /// The same as `scripts/bench uplink` does with a month, in small: what it holds is bounded all the time, no device is
    /// lost, and what was given up is counted.
    #[test]
    fn hours_without_a_destination_cost_telemetry_and_old_findings_only() {
        const BOUND: u64 = 300;
        const DEVICES: u8 = 200;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i.sqlite");
        let mut store = Store::open(&path).unwrap();
        store.set_destinations(false, &["a"]).unwrap();
        let mut outbox = Outbox::open(&path, "a").unwrap();
        let (mut changes, mut others) = (0_u64, 0);
        for minute in 0..6 * 60 {
            let now = Timestamp::from_seconds(minute * 60);
            let mut contents: Vec<Content> = (0..20)
                .map(|_| {
                    let (_, text) = device((changes % u64::from(DEVICES)) as u8, changes);
                    changes += 1;
                    Content::Device { device: Box::new(serde_json::from_str(&text).unwrap()) }
                })
                .collect();
            contents.push(Content::Finding { finding: Box::new(finding(&format!("f{minute:04}"))) });
            others += 1;
            if minute % 5 == 0 {
                let status = SensorStatus { at: now, ..SensorStatus::default() };
                contents.push(Content::Health { health: Box::new(status) });
                others += 1;
            }
            store.queue_within(&contents, now, BOUND).unwrap();
            assert!(outbox.state().unwrap().waiting <= BOUND);
        }
        let state = outbox.state().unwrap();
        assert_eq!((state.waiting, state.dropped), (BOUND, others - (BOUND - u64::from(DEVICES))));
        let (mut latest, mut findings) = (Vec::new(), Vec::new());
        while let Some(batch) = outbox.next(64, Timestamp(0)).unwrap() {
            for content in batch.records {
                match content {
                    Content::Device { device } => latest.push((device.mac.0[5], device.frames)),
                    Content::Finding { finding } => findings.push(finding.id),
                    Content::Health { .. } => panic!("telemetry goes first"),
                }
            }
            outbox.acknowledge().unwrap();
        }
        latest.sort_unstable();
        let expected: Vec<_> =
            (0..DEVICES).map(|n| (n, changes - u64::from(DEVICES) + u64::from(n))).collect();
        assert_eq!(latest, expected, "the latest record of every device");
        let expected: Vec<_> = (260..360).map(|minute| format!("f{minute:04}")).collect();
        assert_eq!(findings, expected, "the newest");
    }
}
