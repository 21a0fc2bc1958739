//! What the portal has not acknowledged yet.
//!
//! The spool holds the latest record of each device that waits to be told about: a newer record of the same device takes
//! the place of the older one, since each is whole. Findings travel in the same batches; they wait where they are kept,
//! with a note that they do. [`Spool::next`] turns the oldest records into a batch with the next
//! sequence number and keeps that batch, byte for byte, until [`Spool::acknowledge`]; after a crash the same number
//! carries the same content again, and the portal, which remembers numbers, counts it once.
//!
//! State of a record, each step one transaction:
//!
//! ```text
//! reported ──> spool ──next──> flight ──acknowledge──> gone
//!                ^                │
//!                └────return──────┘   (the portal found the batch too large or unreadable)
//! ```

use std::path::Path;

use eyot_contract::{DeviceBatch, DeviceRecord, MacAddr, Timestamp, MAX_BATCH_DEVICES, MAX_BATCH_FINDINGS};
use rusqlite::{params, Connection, OptionalExtension, TransactionBehavior};
use uuid::Uuid;

use super::{findings, number, schema, StoreError};

/// Most records that wait; the oldest is dropped for a new one, and counted.
pub const MAX_SPOOLED: u64 = 100_000;

/// The uplink's side of the store.
#[derive(Debug)]
pub struct Spool {
    connection: Connection,
}

/// How full the spool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolState {
    /// Records waiting.
    pub waiting: u64,
    /// Records in the batch that is being sent.
    pub in_flight: u64,
    /// Records dropped since the spool was made: no room, or refused by the portal one by one.
    pub dropped: u64,
    /// When the oldest waiting record was queued.
    pub oldest: Option<Timestamp>,
    /// Number of the latest batch.
    pub sequence: u64,
}

impl Spool {
    /// Opens the store's file for sending.
    ///
    /// # Errors
    /// As [`Store::open`](super::Store::open).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open(path.as_ref())? })
    }

    /// The batch to send now: the one that was not acknowledged yet, or a new one of at most `limit` records. `None` when
    /// nothing waits.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn next(&mut self, limit: usize, now: Timestamp) -> Result<Option<DeviceBatch>, StoreError> {
        let failed = StoreError::step("take a batch");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if let Some(batch) = in_flight(&transaction)? {
            return Ok(Some(batch));
        }
        let limit = limit.clamp(1, MAX_BATCH_DEVICES);
        let (mut keys, mut devices) = (Vec::new(), Vec::new());
        {
            let mut select = transaction
                .prepare_cached("SELECT mac, record FROM spool ORDER BY queued_at, mac LIMIT ?1")
                .map_err(&failed)?;
            let mut rows = select.query([limit as i64]).map_err(&failed)?;
            while let Some(row) = rows.next().map_err(&failed)? {
                keys.push(row.get::<_, i64>(0).map_err(&failed)?);
                let text: String = row.get(1).map_err(&failed)?;
                devices.push(
                    serde_json::from_str::<DeviceRecord>(&text)
                        .map_err(|source| StoreError::Record { source })?,
                );
            }
        }
        let told = findings::queued(&transaction, limit.min(MAX_BATCH_FINDINGS))?;
        if devices.is_empty() && told.is_empty() {
            return Ok(None);
        }
        let sequence = count(&transaction, "sequence").map_err(&failed)? + 1;
        let epoch: String = transaction
            .query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
            .map_err(&failed)?;
        let batch = DeviceBatch {
            epoch: epoch.parse::<Uuid>().unwrap_or_default(),
            sequence,
            sent: now,
            devices,
            findings: told,
        };
        let text = serde_json::to_string(&batch).map_err(|source| StoreError::Record { source })?;
        transaction
            .execute("INSERT INTO flight (sequence, batch) VALUES (?1, ?2)", params![sequence as i64, text])
            .map_err(&failed)?;
        for key in keys {
            transaction
                .prepare_cached("DELETE FROM spool WHERE mac = ?1")
                .and_then(|mut s| s.execute([key]))
                .map_err(&failed)?;
        }
        findings::take_off_the_queue(&transaction, &batch.findings)?;
        set_count(&transaction, "sequence", sequence).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(Some(batch))
    }

    /// The portal has stored everything up to this number.
    ///
    /// # Errors
    /// When the database cannot be written; the batch will be sent again, which does no harm.
    pub fn acknowledge(&mut self, sequence: u64) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM flight WHERE sequence <= ?1", [sequence as i64])
            .map(drop)
            .map_err(StoreError::step("forget an acknowledged batch"))
    }

    /// The portal will not take the batch as it is. Its records go back to wait, for smaller batches; a batch of a single
    /// record has nowhere to go and is dropped. How many records were dropped.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn give_back(&mut self) -> Result<u64, StoreError> {
        let failed = StoreError::step("take back a batch");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let Some(batch) = in_flight(&transaction)? else { return Ok(0) };
        // findings go back to wait too, unless one of them stands alone
        let alone = batch.devices.len() + batch.findings.len() == 1;
        let dropped = u64::from(alone);
        if dropped == 0 {
            for record in &batch.devices {
                let text = serde_json::to_string(record).map_err(|source| StoreError::Record { source })?;
                // a newer record of the same device may have been queued meanwhile: that one stays
                transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO spool (mac, queued_at, record) VALUES (?1, ?2, ?3)",
                    )
                    .and_then(|mut s| s.execute(params![number(record.mac), batch.sent.0, text]))
                    .map_err(&failed)?;
            }
            findings::put_on_the_queue(&transaction, &batch.findings, batch.sent)?;
        } else {
            add_dropped(&transaction, dropped).map_err(&failed)?;
        }
        transaction.execute("DELETE FROM flight", []).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(dropped)
    }

    /// How full it is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn state(&self) -> Result<SpoolState, StoreError> {
        let failed = StoreError::step("count the spool");
        let in_flight = in_flight(&self.connection)?
            .map_or(0, |batch| (batch.devices.len() + batch.findings.len()) as u64);
        let (waiting, oldest) = self
            .connection
            .query_row(
                "SELECT count(*), min(queued_at) FROM
                 (SELECT queued_at FROM spool
                  UNION ALL SELECT queued_at FROM finding WHERE queued_at IS NOT NULL)",
                [],
                |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Option<i64>>(1)?.map(Timestamp))),
            )
            .map_err(&failed)?;
        Ok(SpoolState {
            waiting,
            in_flight,
            dropped: count(&self.connection, "dropped").map_err(&failed)?,
            oldest,
            sequence: count(&self.connection, "sequence").map_err(&failed)?,
        })
    }
}

/// Queues a device's record, given as JSON. A record already waiting keeps its place in the queue, with the new content.
pub fn put(connection: &Connection, mac: MacAddr, text: &str, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO spool (mac, queued_at, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (mac) DO UPDATE SET record = excluded.record",
        )
        .and_then(|mut s| s.execute(params![number(mac), now.0, text]))
        .map(drop)
        .map_err(StoreError::step("queue a record"))
}

/// Drops the oldest records beyond the bound.
pub fn enforce_bound(connection: &Connection) -> Result<(), StoreError> {
    let failed = StoreError::step("bound the spool");
    let waiting: i64 =
        connection.query_row("SELECT count(*) FROM spool", [], |row| row.get(0)).map_err(&failed)?;
    let excess = waiting - MAX_SPOOLED as i64;
    if excess > 0 {
        connection
            .execute(
                "DELETE FROM spool WHERE mac IN (SELECT mac FROM spool ORDER BY queued_at, mac LIMIT ?1)",
                [excess],
            )
            .and_then(|_| add_dropped(connection, excess as u64))
            .map_err(&failed)?;
    }
    Ok(())
}

fn in_flight(connection: &Connection) -> Result<Option<DeviceBatch>, StoreError> {
    let text: Option<String> = connection
        .query_row("SELECT batch FROM flight ORDER BY sequence LIMIT 1", [], |row| row.get(0))
        .optional()
        .map_err(StoreError::step("look for the batch in flight"))?;
    text.map(|t| serde_json::from_str(&t).map_err(|source| StoreError::Record { source })).transpose()
}

fn count(connection: &Connection, key: &str) -> rusqlite::Result<u64> {
    let text: String =
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?;
    text.parse().map_err(|_| rusqlite::Error::InvalidQuery)
}

fn set_count(connection: &Connection, key: &str, value: u64) -> rusqlite::Result<()> {
    connection.execute("UPDATE meta SET value = ?2 WHERE key = ?1", [key, &value.to_string()]).map(drop)
}

fn add_dropped(connection: &Connection, more: u64) -> rusqlite::Result<()> {
    set_count(connection, "dropped", count(connection, "dropped")? + more)
}
