//! The inventory on disk: SQLite in WAL mode, written in batches.
//!
//! The inventory in memory is the master; [`Store::save`] writes what changed in one transaction, so that a kill at any
//! moment leaves the file as it was after some save. Records for the portal are put into the spool in the same
//! transaction that notes them as reported. [`Spool`] is the uplink's own connection to the same file,
//! [`Outbox`] that of each other destination.

mod decisions;
mod findings;
mod outbox;
mod schema;
mod spool;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use eyot_contract::{Interval, MacAddr, Timestamp};
use eyot_dissect::Field;
use rusqlite::{params, Connection, Transaction, TransactionBehavior};

pub use findings::LearntRow;
pub use outbox::{Outbox, OutboxState, Outgoing};
pub use spool::{Spool, SpoolState, MAX_SPOOLED};

use crate::addresses::{Address, AddressSource};
use crate::decisions::DecisionError;
use crate::device::{Changed, Device};
use crate::facts::StoredFact;
use crate::inventory::Inventory;
use crate::peers::Peers;

/// Why the inventory cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made.
    #[error("{}: cannot be created or written", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// SQLite does not open it.
    #[error("{}: cannot be opened as an inventory; if it is damaged, move it away and restart the sensor", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// Another version made it.
    #[error("{}: has schema version {found}, this program knows {known}; use the version of eyot-sensor that made it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Our version.
        known: i64,
    },
    /// Some later step failed.
    #[error("cannot {step} in the inventory database")]
    Step {
        /// What was being done.
        step: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A decision is not possible.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A stored record cannot be read back.
    #[error("a record in the spool is damaged")]
    Record {
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    fn open(path: &Path, source: rusqlite::Error) -> Self {
        Self::Open { path: path.to_owned(), source }
    }

    fn step(step: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Step { step, source }
    }
}

/// The inventory's file.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Number of the decisions that the inventory follows.
    decisions: Option<String>,
    /// Whether the portal is to be told.
    portal: bool,
}

impl Store {
    /// Opens the file, or makes it, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made or is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open(path.as_ref())?, decisions: None, portal: true })
    }

    /// Opens an existing file for looking, also beside a running sensor.
    ///
    /// # Errors
    /// When it is not there or is something else.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_read_only(path.as_ref())?, decisions: None, portal: true })
    }

    /// Everything in it.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn load(&self) -> Result<Inventory, StoreError> {
        let mut inventory = Inventory::new();
        self.read(&mut inventory).map_err(StoreError::step("read the devices"))?;
        inventory.follow(decisions::read(&self.connection)?);
        Ok(inventory)
    }

    /// Writes what changed: with `everything`, also of devices that were merely seen again. Records of the devices in
    /// `report` are put into the spool and noted as reported at `now`. All of it or nothing.
    ///
    /// # Errors
    /// When SQLite cannot write; nothing is lost from memory then, and the next save tries again.
    pub fn save(
        &mut self,
        inventory: &mut Inventory,
        everything: bool,
        report: &[MacAddr],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let least = if everything { Changed::Activity } else { Changed::Learnt };
        let changed: Vec<MacAddr> =
            inventory.devices().filter(|d| d.unsaved >= least).map(Device::mac).collect();
        if changed.is_empty() && report.is_empty() && inventory.forgotten.is_empty() {
            return Ok(());
        }
        let failed = StoreError::step("save the devices");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for mac in &inventory.forgotten {
            for table in ["device", "address", "fact", "spool", "decision"] {
                transaction
                    .prepare_cached(&format!("DELETE FROM {table} WHERE mac = ?1"))
                    .and_then(|mut s| s.execute([number(*mac)]))
                    .map_err(&failed)?;
            }
            outbox::forget_device(&transaction, *mac).map_err(&failed)?;
        }
        for device in changed.iter().filter_map(|mac| inventory.device(*mac)) {
            write(&transaction, device).map_err(&failed)?;
        }
        for record in report.iter().filter_map(|mac| inventory.record(*mac)) {
            let text = serde_json::to_string(&record).map_err(|source| StoreError::Record { source })?;
            if self.portal {
                spool::put(&transaction, record.mac, &text, now)?;
            }
            outbox::put_device(&transaction, record.mac, &text, now)?;
            transaction
                .prepare_cached("UPDATE device SET reported_at = ?2 WHERE mac = ?1")
                .and_then(|mut s| s.execute([number(record.mac), now.0]))
                .map_err(&failed)?;
        }
        spool::enforce_bound(&transaction)?;
        outbox::enforce_bound(&transaction, MAX_SPOOLED)?;
        transaction.commit().map_err(&failed)?;

        inventory.forgotten.clear();
        for mac in changed {
            let Some(device) = inventory.device_mut(mac) else { continue };
            device.unsaved = Changed::No;
            device.facts_removed = false;
            device.facts.all_saved();
            device.addresses.all_saved();
        }
        let told: Vec<MacAddr> = report
            .iter()
            .flat_map(|mac| inventory.decisions().members(*mac))
            .chain(report)
            .copied()
            .collect();
        for mac in &told {
            let Some(device) = inventory.device_mut(*mac) else { continue };
            device.unreported = Changed::No;
            device.reported_at = Some(now);
        }
        Ok(())
    }

    fn read(&self, inventory: &mut Inventory) -> rusqlite::Result<()> {
        let mut addresses = self
            .connection
            .prepare("SELECT ip, vlan, source, sent, first_seen, last_seen FROM address WHERE mac = ?1")?;
        let mut facts = self
            .connection
            .prepare("SELECT field, value, first_seen, last_seen, count, weak FROM fact WHERE mac = ?1")?;
        let mut devices = self.connection.prepare(
            "SELECT mac, first_seen, last_seen, frames, bytes, vlans, protocols, router, reported_at, identity,
             flows, present_since, intervals, peers
             FROM device",
        )?;
        let mut rows = devices.query([])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            let mut device = Device::new(address_of(key), Timestamp(row.get(1)?));
            device.last_seen = Timestamp(row.get(2)?);
            device.frames = row.get::<_, i64>(3)? as u64;
            device.bytes = row.get::<_, i64>(4)? as u64;
            let (vlans, protocols): (String, String) = (row.get(5)?, row.get(6)?);
            for vlan in vlans.split(',').filter_map(|v| v.parse().ok()) {
                device.add_vlan(vlan);
            }
            for name in protocols.split(',') {
                device.protocols.insert(name);
            }
            if row.get::<_, bool>(7)? {
                device.addresses.restore_router();
            }
            device.reported_at = row.get::<_, Option<i64>>(8)?.map(Timestamp);
            device.stored_identity = Some(row.get(9)?);
            device.flows = row.get::<_, i64>(10)? as u64;
            device.present_since = row.get::<_, Option<i64>>(11)?.map_or(device.first_seen, Timestamp);
            device.intervals = intervals(&row.get::<_, String>(12)?);
            device.peers = Peers::stored(&row.get::<_, String>(13)?);
            let mut rows = addresses.query([key])?;
            while let Some(row) = rows.next()? {
                let (ip, source): (String, String) = (row.get(0)?, row.get(2)?);
                let (Ok(ip), Some(source)) = (ip.parse(), AddressSource::from_name(&source)) else {
                    continue;
                };
                device.addresses.restore(Address {
                    ip,
                    vlan: row.get(1)?,
                    source,
                    sent: row.get(3)?,
                    first_seen: Timestamp(row.get(4)?),
                    last_seen: Timestamp(row.get(5)?),
                    unsaved: false,
                });
            }
            let mut rows = facts.query([key])?;
            while let Some(row) = rows.next()? {
                // a field of a newer version stays in the file and is not used
                let Some(field) = Field::from_name(&row.get::<_, String>(0)?) else { continue };
                let fact = StoredFact {
                    value: row.get::<_, String>(1)?.into(),
                    first_seen: Timestamp(row.get(2)?),
                    last_seen: Timestamp(row.get(3)?),
                    count: row.get::<_, i64>(4)? as u64,
                    weak: row.get(5)?,
                    unsaved: false,
                };
                device.facts.restore(field, fact);
            }
            device.unsaved = Changed::No;
            device.unreported = if device.reported_at.is_some() { Changed::No } else { Changed::Learnt };
            inventory.restore(device);
        }
        Ok(())
    }
}

fn write(transaction: &Transaction<'_>, device: &Device) -> rusqlite::Result<()> {
    let mac = number(device.mac);
    let vlans: Vec<String> = device.vlans.iter().map(u16::to_string).collect();
    let protocols: Vec<&str> = device.protocols.names().collect();
    let intervals: Vec<String> =
        device.intervals.iter().map(|i| format!("{}-{}", i.from.0, i.to.0)).collect();
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO device
             (mac, first_seen, last_seen, frames, bytes, vlans, protocols, router, reported_at, identity,
              flows, present_since, intervals, peers)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            mac,
            device.first_seen.0,
            device.last_seen.0,
            device.frames as i64,
            device.bytes as i64,
            vlans.join(","),
            protocols.join(","),
            device.is_router(),
            device.reported_at.map(|t| t.0),
            device.identity_digest(),
            device.flows as i64,
            device.present_since.0,
            intervals.join(","),
            device.peers.to_store(),
        ])?;
    if device.addresses.removed {
        transaction.prepare_cached("DELETE FROM address WHERE mac = ?1")?.execute([mac])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO address (mac, ip, vlan, source, sent, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for a in device.addresses().iter().filter(|a| a.unsaved || device.addresses.removed) {
        insert.execute(params![
            mac,
            a.ip.to_string(),
            a.vlan,
            a.source.name(),
            a.sent,
            a.first_seen.0,
            a.last_seen.0
        ])?;
    }
    if device.facts_removed {
        transaction.prepare_cached("DELETE FROM fact WHERE mac = ?1")?.execute([mac])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO fact (mac, field, value, first_seen, last_seen, count, weak)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (field, f) in device.facts().filter(|(_, f)| f.unsaved || device.facts_removed) {
        insert.execute(params![
            mac,
            field.name(),
            &*f.value,
            f.first_seen.0,
            f.last_seen.0,
            f.count as i64,
            f.weak
        ])?;
    }
    Ok(())
}

/// `from-to`, joined by commas. Times before 1970, which would have a sign, are given up.
fn intervals(text: &str) -> Vec<Interval> {
    let one = |part: &str| {
        let (from, to) = part.split_once('-')?;
        Some(Interval { from: Timestamp(from.parse().ok()?), to: Timestamp(to.parse().ok()?) })
    };
    text.split(',').filter_map(one).collect()
}

/// A MAC address as the tables' key.
fn number(mac: MacAddr) -> i64 {
    mac.0.iter().fold(0, |n, byte| n << 8 | i64::from(*byte))
}

fn address_of(number: i64) -> MacAddr {
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    MacAddr([a, b, c, d, e, f])
}
