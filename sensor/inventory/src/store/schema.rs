//! The tables, and opening the file they are in.
//!
//! MAC addresses are 48-bit integers, times microseconds since 1970 (UTC). Protocol and field names are the dissector's,
//! so that a newer version which knows more of them reads older files and the other way round. Identities are not stored:
//! they are made again from the facts, by the rules of the version that reads them. A file of an older version is brought
//! to the present one, step by step, in one transaction.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::StoreError;

/// Version of the tables below, kept in the file's `user_version`.
const SCHEMA_VERSION: i64 = STEPS.len() as i64;
/// What makes each version of the one before.
const STEPS: [&str; 4] = [TABLES, FINDINGS_AND_DECISIONS, DESTINATIONS, PEERS];
/// How long a writer waits for the other one (inventory, uplink).
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE device (
    mac INTEGER PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    vlans TEXT NOT NULL,
    protocols TEXT NOT NULL,
    router INTEGER NOT NULL,
    identity INTEGER NOT NULL,
    reported_at INTEGER
);
CREATE TABLE address (
    mac INTEGER NOT NULL,
    ip TEXT NOT NULL,
    vlan INTEGER,
    source TEXT NOT NULL,
    sent INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (mac, ip)
) WITHOUT ROWID;
CREATE TABLE fact (
    mac INTEGER NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    count INTEGER NOT NULL,
    weak INTEGER NOT NULL,
    PRIMARY KEY (mac, field, value)
) WITHOUT ROWID;
-- records that the portal has not been sent yet: the latest of each device, in the order in which they were queued
CREATE TABLE spool (
    mac INTEGER PRIMARY KEY,
    queued_at INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX spool_order ON spool (queued_at, mac);
-- the batch that is being sent; at most one row
CREATE TABLE flight (
    sequence INTEGER PRIMARY KEY,
    batch TEXT NOT NULL
);
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// Since version 2.
const FINDINGS_AND_DECISIONS: &str = "
ALTER TABLE device ADD COLUMN flows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN present_since INTEGER;
-- closed stretches of presence, `from-to`, joined by commas
ALTER TABLE device ADD COLUMN intervals TEXT NOT NULL DEFAULT '';
-- whole findings as the portal is told them; queued_at: waits to be reported since then
CREATE TABLE finding (
    id TEXT PRIMARY KEY,
    last_seen INTEGER NOT NULL,
    queued_at INTEGER,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX finding_order ON finding (queued_at) WHERE queued_at IS NOT NULL;
-- what is usual on this network: servers, types of devices, since when it is being watched
CREATE TABLE learnt (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
-- what people decided about devices; the rows are made by the command line and the console, the sensor follows them
CREATE TABLE decision (
    kind TEXT NOT NULL,
    mac INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, mac, key)
) WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('decisions', '0');
";

/// Since version 3: destinations besides the portal, whose records go on waiting in `spool` and `finding`.
const DESTINATIONS: &str = "
CREATE TABLE destination (
    name TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- message content that some destination waits for, once; kind: in the order in which it is given up
CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX content_worth ON content (kind, id);
CREATE TABLE waiting (
    destination TEXT NOT NULL,
    id INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    PRIMARY KEY (destination, id)
) WITHOUT ROWID;
CREATE INDEX waiting_order ON waiting (destination, queued_at, id);
CREATE INDEX waiting_content ON waiting (id);
-- the batch that is being sent to each destination
CREATE TABLE sending (
    destination TEXT PRIMARY KEY,
    batch TEXT NOT NULL
) WITHOUT ROWID;
";

/// Since version 4: whom a device sends to, a line each: address, bytes, time, port, 1 for a service of its own, protocol.
const PEERS: &str = "ALTER TABLE device ADD COLUMN peers TEXT NOT NULL DEFAULT '';";

/// Opens the file for writing and brings it to the present schema.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    // made here rather than by SQLite so that nobody else may read it
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
    let failed = |source| StoreError::open(path, source);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    // a batch number that the portal has seen must not be forgotten by a power cut
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let found = version(&transaction).map_err(failed)?;
    let Some(steps) = usize::try_from(found).ok().and_then(|done| STEPS.get(done..)) else {
        return Err(StoreError::Version { path: path.to_owned(), found, known: SCHEMA_VERSION });
    };
    for (number, step) in steps.iter().enumerate() {
        transaction.execute_batch(step).map_err(failed)?;
        if found == 0 && number == 0 {
            for (key, value) in
                [("epoch", Uuid::new_v4().to_string()), ("sequence", "0".into()), ("dropped", "0".into())]
            {
                transaction
                    .execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [key, &value])
                    .map_err(failed)?;
            }
        }
    }
    if !steps.is_empty() {
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// Opens the file for reading beside a running sensor.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::open(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    match version(&connection).map_err(failed)? {
        SCHEMA_VERSION => Ok(connection),
        found => Err(StoreError::Version { path: path.to_owned(), found, known: SCHEMA_VERSION }),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
