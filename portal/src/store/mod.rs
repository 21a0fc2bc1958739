//! What the portal remembers. One SQL text for SQLite (a file in the data folder) and PostgreSQL, through sqlx's `Any`.
//!
//! `Any` knows few types, so times are microseconds (i64), identifiers and JSON are text. Every statement uses `$N`
//! placeholders and `ON CONFLICT`, which both engines read alike. Callers pass the time; nothing here reads a clock.
//!
//! PostgreSQL may have several portals in front of it; transactions that must not meet take its advisory lock. Its text
//! must sort as bytes do (`LC_COLLATE 'C'`), as SQLite's does.
//!
//! SQLite takes one writer at a time. Writers queue at a lock of this process rather than at SQLite's own, which would
//! have them sleep and poll; other processes (the command line) are met by the busy timeout. A write transaction starts
//! as one (`BEGIN IMMEDIATE`), for a reading transaction that turns to writing can be refused without any wait. Commits
//! are synced to disk before they return: the sensor forgets what the portal has acknowledged.

mod access;
mod activations;
mod audit;
mod bundles;
mod counts;
mod cves;
mod decisions;
mod devices;
mod engine;
mod events;
mod exposure;
mod findings;
mod grouping;
mod ingest;
mod merged;
#[cfg(feature = "oidc")]
mod oidc;
mod peers;
mod plans;
mod preferences;
mod products;
mod remote;
mod rows;
mod sensors;
mod software;
mod tally;
mod threats;
mod timeline;
mod tokens;
mod views;
mod zones;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use counts::Counts;
use engine::{Connected, Engine};

use crate::files::{self, FileError};

pub use access::{User, UserRemoval};
pub use activations::Activation;
pub use audit::{Actor, AuditEntry};
pub use bundles::{Imported, KeptBundle};
pub use cves::{ListSizes, Portion};
pub use decisions::{Decisions, MAX_EDITED};
pub use devices::{Choices, Column, Device, DevicePage, DeviceQuery, Order, Sighting};
pub use engine::{choose as choose_database, DatabaseError};
pub use events::Event as ToldEvent;
pub use exposure::{AffectedDevice, AffectedProduct, ExposureOrder, ExposurePage, ExposureQuery, KeptCve};
pub use findings::{FindingPage, FindingQuery, Followed, KeptFinding, Status, Suppression, MAX_CHANGED};
pub use grouping::Grouping;
pub use merged::{Absorbed, MergeOutcome, MAX_MERGED, MIN_MERGED};
#[cfg(feature = "oidc")]
pub use oidc::{Account as OidcAccount, SignIn as OidcSignIn};
pub use peers::KnownPeer;
pub use plans::current as current_plan;
pub use products::Matched;
pub use remote::{Place as SettingPlace, SensorSettings};
pub use sensors::{Certificate, NewSensor, Sensor, SensorDeletion, SITE};
pub use software::{KeptPackage, RolledOut, Rollout, RolloutChange, SensorSoftware};
pub use tally::Tally;
pub use threats::{KeptList, ListChange, SensorThreats};
pub use timeline::{Event, MAX_SHOWN as MAX_EVENTS_SHOWN};
pub use tokens::{ApiToken, NewToken};
pub use views::{NewView, View, ViewKept, MAX_VIEWS};
pub use zones::{Edited, SensorEdit};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// PostgreSQL's lock for what changes rarely and must see a still database (enrolments, zones, plans): batches of devices
/// hold it together, everything else alone. The number means nothing else anywhere.
const LOCK: i64 = 0x6579_6f74;

/// How long a database may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(5);

/// A database operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file or its folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// A statement.
    #[error("the portal's database failed while {doing}")]
    Query {
        /// What the statement was for.
        doing: &'static str,
        /// What the engine says.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("the portal's database cannot be brought to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Something stored does not parse.
    #[error("the portal's database holds a {what} that this version cannot read")]
    Content {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Attaches to a database error what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Query { doing, source })
    }
}

/// The store. Clones share one pool.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    /// Where transactions that write begin.
    writing: AnyPool,
    engine: Engine,
    writer: Arc<Mutex<()>>,
    counts: Counts,
}

/// A write transaction, undone unless committed.
pub(crate) struct Write {
    transaction: Transaction<'static, Any>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Store {
    /// Opens the store of a data folder, making or updating it as needed: SQLite there, or the PostgreSQL that was chosen
    /// for the folder ([`choose_database`]).
    ///
    /// # Errors
    /// The database cannot be made, reached or brought up to date.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let absolute = std::path::absolute(folder).map_err(sqlx::Error::Io).doing("finding its folder")?;
        let folder = absolute.as_path();
        let Connected { pool, writing, engine } = engine::connect(folder).await?;
        let doing = "opening it";
        {
            // two processes that meet a new database must not both create the tables; PostgreSQL's migrations lock
            // themselves, and this does them no harm
            let folder = folder.to_owned();
            let _lock = tokio::task::spawn_blocking(move || files::lock(&folder))
                .await
                .map_err(|e| sqlx::Error::Io(std::io::Error::other(e)))
                .doing(doing)??;
            MIGRATIONS.run(&pool).await.map_err(StoreError::Migrate)?;
        }
        Ok(Self { pool, writing, engine, writer: Arc::default(), counts: Counts::default() })
    }

    /// Closes every connection, folding SQLite's log back into its file.
    pub async fn close(&self) {
        self.writing.close().await;
        self.pool.close().await;
    }

    /// A transaction that no other one runs beside.
    pub(crate) async fn write(&self, doing: &'static str) -> Result<Write, StoreError> {
        self.begin("SELECT pg_advisory_xact_lock($1)", doing).await
    }

    /// A transaction that others of its kind may run beside, where the engine can do that.
    pub(crate) async fn write_beside_others(&self, doing: &'static str) -> Result<Write, StoreError> {
        self.begin("SELECT pg_advisory_xact_lock_shared($1)", doing).await
    }

    async fn begin(&self, lock: &'static str, doing: &'static str) -> Result<Write, StoreError> {
        match self.engine {
            Engine::Sqlite => {
                let turn = self.writer.clone().lock_owned().await;
                let transaction = self.writing.begin_with("BEGIN IMMEDIATE").await.doing(doing)?;
                Ok(Write { transaction, _turn: Some(turn) })
            }
            Engine::Postgres => {
                let mut transaction = self.writing.begin().await.doing(doing)?;
                sqlx::query(lock).bind(LOCK).execute(&mut *transaction).await.doing(doing)?;
                Ok(Write { transaction, _turn: None })
            }
        }
    }

    /// Whether the database answers, within a few seconds.
    ///
    /// # Errors
    /// It does not.
    pub async fn answers(&self) -> Result<(), StoreError> {
        let doing = "asking whether it is there";
        let asked = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM sites").fetch_one(&self.pool);
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(answer) => answer.map(drop).doing(doing),
            Err(_) => Err(sqlx::Error::PoolTimedOut).doing(doing),
        }
    }

    /// One fact about the portal itself.
    ///
    /// # Errors
    /// The database fails.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM facts WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .doing("reading a fact")
    }

    /// Sets a fact.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let doing = "keeping a fact";
        let mut write = self.write(doing).await?;
        sqlx::query("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(name)
            .bind(value)
            .execute(write.on())
            .await
            .doing(doing)?;
        write.commit(doing).await
    }
}

impl Write {
    /// The connection to run statements on.
    pub(crate) fn on(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.transaction
    }

    /// Makes it last.
    pub(crate) async fn commit(self, doing: &'static str) -> Result<(), StoreError> {
        self.transaction.commit().await.doing(doing)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn facts_outlive_the_process_and_odd_paths_work() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a b%20?#ü");
        files::make_data_folder(&odd).unwrap();
        let store = Store::open(&odd).await.unwrap();
        assert_eq!(store.fact("address").await.unwrap(), None);
        store.set_fact("address", "one").await.unwrap();
        store.set_fact("address", "two").await.unwrap();
        store.close().await;
        let store = Store::open(&odd).await.unwrap();
        assert_eq!(store.fact("address").await.unwrap().as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn a_write_that_is_not_committed_never_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        {
            let mut write = store.write("testing").await.unwrap();
            sqlx::query("INSERT INTO facts (name, value) VALUES ('x', 'y')")
                .execute(write.on())
                .await
                .unwrap();
        }
        assert_eq!(store.fact("x").await.unwrap(), None);
        store.set_fact("x", "z").await.unwrap();
    }
}
