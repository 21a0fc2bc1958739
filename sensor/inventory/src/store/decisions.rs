//! Decisions in the inventory's file. The command line and the console write them there; the running sensor looks at a
//! number that each of them raises, and reads them again when it has changed.

use eyot_contract::{Attribute, MacAddr, Timestamp};
use rusqlite::{params, Connection, OptionalExtension, TransactionBehavior};
use serde_json::Value;

use super::{address_of, number, Store, StoreError};
use crate::decisions::{Decision, DecisionError, Decisions, MAX_DECISIONS};
use crate::inventory::Inventory;

const MERGE: &str = "merge";
const SET: &str = "set";
const AUTHORIZED: &str = "authorized";
const DELETE: &str = "delete";

impl Store {
    /// Takes a decision. It holds at once here and within a second or two in a running sensor.
    ///
    /// # Errors
    /// When it is not possible, or SQLite cannot write.
    pub fn decide(&mut self, decision: &Decision, now: Timestamp) -> Result<(), StoreError> {
        let failed = StoreError::step("write a decision");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let held = read(&transaction)?;
        for mac in subjects(decision) {
            let known = transaction
                .query_row("SELECT 1 FROM device WHERE mac = ?1", [number(*mac)], |_| Ok(()))
                .optional()
                .map_err(&failed)?;
            if known.is_none() {
                return Err(DecisionError::Unknown(*mac).into());
            }
        }
        held.check(decision)?;
        let count: i64 =
            transaction.query_row("SELECT count(*) FROM decision", [], |row| row.get(0)).map_err(&failed)?;
        if count as u64 >= MAX_DECISIONS && !matches!(decision, Decision::Unmerge(_) | Decision::Unset(..)) {
            return Err(DecisionError::Full.into());
        }
        write(&transaction, decision, &held, now)
            .and_then(|()| {
                transaction
                    .execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'decisions'", [])
            })
            .map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }

    /// Brings the inventory up to the decisions in the file, if there are others than when this was last called.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn follow_decisions(&mut self, inventory: &mut Inventory) -> Result<(), StoreError> {
        let latest: String = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'decisions'", [], |row| row.get(0))
            .map_err(StoreError::step("look for decisions"))?;
        if self.decisions.as_deref() != Some(latest.as_str()) {
            inventory.follow(read(&self.connection)?);
            self.decisions = Some(latest);
        }
        Ok(())
    }
}

fn subjects(decision: &Decision) -> &[MacAddr] {
    match decision {
        Decision::Merge(macs) => macs,
        Decision::Unmerge(mac)
        | Decision::Set(mac, ..)
        | Decision::Unset(mac, _)
        | Decision::Authorize(mac, _)
        | Decision::Delete(mac) => std::slice::from_ref(mac),
    }
}

fn write(
    connection: &Connection,
    decision: &Decision,
    held: &Decisions,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let put = |kind: &str, mac: MacAddr, key: &str, value: &str| {
        connection
            .execute(
                "INSERT OR REPLACE INTO decision (kind, mac, key, value, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![kind, number(mac), key, value, now.0],
            )
            .map(drop)
    };
    let take = |kind: &str, mac: MacAddr, key: &str| {
        connection
            .execute(
                "DELETE FROM decision WHERE kind = ?1 AND mac = ?2 AND key = ?3",
                params![kind, number(mac), key],
            )
            .map(drop)
    };
    match decision {
        Decision::Merge(macs) => {
            let Some((primary, members)) = macs.split_first() else { return Ok(()) };
            members.iter().try_for_each(|member| put(MERGE, *member, "", &primary.to_string()))
        }
        Decision::Unmerge(mac) => {
            held.members(held.primary(*mac)).iter().try_for_each(|member| take(MERGE, *member, ""))
        }
        Decision::Set(mac, attribute, value) => put(SET, *mac, &name(*attribute), value.trim()),
        Decision::Unset(mac, attribute) => take(SET, *mac, &name(*attribute)),
        Decision::Authorize(mac, Some(yes)) => put(AUTHORIZED, *mac, "", if *yes { "yes" } else { "no" }),
        Decision::Authorize(mac, None) => take(AUTHORIZED, *mac, ""),
        Decision::Delete(mac) => put(DELETE, *mac, "", ""),
    }
}

/// Rows that a newer version wrote and this one does not understand are left alone.
pub fn read(connection: &Connection) -> Result<Decisions, StoreError> {
    let failed = StoreError::step("read the decisions");
    let mut decisions = Decisions::default();
    let mut select = connection.prepare("SELECT kind, mac, key, value, at FROM decision").map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let row = || -> rusqlite::Result<(String, i64, String, String, i64)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        let (kind, mac, key, value, at) = row().map_err(&failed)?;
        let mac = address_of(mac);
        match kind.as_str() {
            MERGE => {
                if let Ok(primary) = value.parse() {
                    decisions.merge(primary, mac);
                }
            }
            SET => {
                if let Ok(attribute) = serde_json::from_value::<Attribute>(Value::String(key)) {
                    decisions.set(mac, attribute, value);
                }
            }
            AUTHORIZED => decisions.authorize(mac, value == "yes"),
            DELETE => {
                decisions.deleted.insert(mac, Timestamp(at));
            }
            _ => {}
        }
    }
    Ok(decisions)
}

/// The attribute's name in the contract.
fn name(attribute: Attribute) -> String {
    serde_json::to_value(attribute).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
