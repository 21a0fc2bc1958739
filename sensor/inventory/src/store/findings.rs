//! Findings and what was learnt of a network, kept in the inventory's file so that one save holds both.

use eyot_contract::{Finding, Timestamp};
use rusqlite::{params, Connection, TransactionBehavior};

use super::{outbox, Store, StoreError, MAX_SPOOLED};

/// Something that is usual on this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearntRow {
    /// What kind of thing: the findings' own word.
    pub kind: String,
    /// Which.
    pub key: String,
    /// What it is like.
    pub value: String,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
}

impl Store {
    /// Every finding, latest first.
    ///
    /// # Errors
    /// When SQLite cannot read, or a finding of this version cannot be read back.
    pub fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        read(&self.connection, "SELECT record FROM finding ORDER BY last_seen DESC, id LIMIT ?1", i64::MAX)
    }

    /// Everything that was learnt.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn learnt(&self) -> Result<Vec<LearntRow>, StoreError> {
        let rows = || {
            let mut select =
                self.connection.prepare("SELECT kind, key, value, first_seen, last_seen FROM learnt")?;
            let rows = select.query_map([], |row| {
                Ok(LearntRow {
                    kind: row.get(0)?,
                    key: row.get(1)?,
                    value: row.get(2)?,
                    first_seen: Timestamp(row.get(3)?),
                    last_seen: Timestamp(row.get(4)?),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().map_err(StoreError::step("read what was learnt"))
    }

    /// Writes changed findings (with `true`, also queues them for the portal), takes out the removed ones, writes what
    /// was learnt. All of it or nothing.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn save_findings(
        &mut self,
        changed: &[(&Finding, bool)],
        removed: &[String],
        learnt: &[LearntRow],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if changed.is_empty() && removed.is_empty() && learnt.is_empty() {
            return Ok(());
        }
        let failed = StoreError::step("save the findings");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for id in removed {
            transaction
                .prepare_cached("DELETE FROM finding WHERE id = ?1")
                .and_then(|mut s| s.execute([id]))
                .map_err(&failed)?;
        }
        for (finding, report) in changed {
            let text = serde_json::to_string(finding).map_err(|source| StoreError::Record { source })?;
            // one that waits already keeps its place
            transaction
                .prepare_cached(
                    "INSERT INTO finding (id, last_seen, queued_at, record) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen, record = excluded.record,
                     queued_at = coalesce(queued_at, excluded.queued_at)",
                )
                .and_then(|mut s| {
                    s.execute(params![
                        finding.id,
                        finding.last_seen.0,
                        (*report && self.portal).then_some(now.0),
                        text
                    ])
                })
                .map_err(&failed)?;
            if *report {
                outbox::put_finding(&transaction, &finding.id, &text, now)?;
            }
        }
        for row in learnt {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO learnt (kind, key, value, first_seen, last_seen)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .and_then(|mut s| {
                    s.execute(params![row.kind, row.key, row.value, row.first_seen.0, row.last_seen.0])
                })
                .map_err(&failed)?;
        }
        outbox::enforce_bound(&transaction, MAX_SPOOLED)?;
        transaction.commit().map_err(&failed)
    }
}

/// Findings that wait to be reported, longest waiting first.
pub fn queued(connection: &Connection, limit: usize) -> Result<Vec<Finding>, StoreError> {
    read(
        connection,
        "SELECT record FROM finding WHERE queued_at IS NOT NULL ORDER BY queued_at, id LIMIT ?1",
        limit as i64,
    )
}

/// They are on their way.
pub fn take_off_the_queue(connection: &Connection, findings: &[Finding]) -> Result<(), StoreError> {
    set_queued(connection, findings, None)
}

/// They came back.
pub fn put_on_the_queue(
    connection: &Connection,
    findings: &[Finding],
    at: Timestamp,
) -> Result<(), StoreError> {
    set_queued(connection, findings, Some(at.0))
}

fn set_queued(connection: &Connection, findings: &[Finding], at: Option<i64>) -> Result<(), StoreError> {
    for finding in findings {
        connection
            .prepare_cached("UPDATE finding SET queued_at = ?2 WHERE id = ?1")
            .and_then(|mut s| s.execute(params![finding.id, at]))
            .map_err(StoreError::step("queue findings"))?;
    }
    Ok(())
}

/// A finding whose kind this version does not know (the file was used by a newer one) stays where it is.
fn read(connection: &Connection, query: &str, limit: i64) -> Result<Vec<Finding>, StoreError> {
    let failed = StoreError::step("read the findings");
    let mut select = connection.prepare_cached(query).map_err(&failed)?;
    let texts = select.query_map([limit], |row| row.get::<_, String>(0)).map_err(&failed)?;
    let mut findings = Vec::new();
    for text in texts {
        if let Ok(finding) = serde_json::from_str(&text.map_err(&failed)?) {
            findings.push(finding);
        }
    }
    Ok(findings)
}
