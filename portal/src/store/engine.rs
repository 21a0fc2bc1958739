//! Which database: SQLite in the data folder, or the PostgreSQL that a file in it names.
//!
//! The choice is made once, before there is anything to keep, and stays with the folder, so that every command finds the
//! same database. The address may hold a password, so the file is private and the address is shown without it.

use std::path::Path;
use std::str::FromStr;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyPool, ConnectOptions, Executor};

use super::{Doing, StoreError};
use crate::files;

/// The file that names a PostgreSQL database.
const FILE: &str = "database";
/// SQLite's file.
const SQLITE: &str = "portal.db";
/// How long one waits for another process's write.
const BUSY_TIMEOUT_MS: u32 = 10_000;
/// Connections to the database: enough to keep a small machine's cores busy, few enough for PostgreSQL's default limit
/// of 100 to hold several replicas.
const MAX_CONNECTIONS: u32 = 16;

/// Why a database cannot be the portal's.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not an address of one.
    #[error("--db: this is not postgres://user@host[:port]/database; keep the password in PGPASSFILE or in the configuration file's key database")]
    Address,
    /// The folder has another one already.
    #[error("this data folder's portal keeps its data in {0}; a portal does not change its database (back it up and restore it into a new one)")]
    Other(String),
    /// The file.
    #[error(transparent)]
    File(#[from] files::FileError),
}

/// Memory that SQLite's one writing connection keeps pages in, in KiB: what a batch touches of a large inventory's indexes.
const WRITER_CACHE_KIB: u32 = 64 * 1024;
/// Pages of SQLite's log before they are written into its file: 32 MiB, so that a page that many batches touch is written once.
const CHECKPOINT_PAGES: u32 = 8_192;

/// The connections, and where they lead.
pub(super) struct Connected {
    pub pool: AnyPool,
    /// For transactions that write: the same ones, or on SQLite, which takes one writer, one of their own. It keeps the
    /// pages that it wrote; any other connection forgets its own when somebody writes.
    pub writing: AnyPool,
    pub engine: Engine,
}

/// The engine in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Makes the folder's portal keep its data in this PostgreSQL database.
///
/// # Errors
/// It is no address of one, or the folder has another already.
pub fn choose(folder: &Path, url: &str) -> Result<(), DatabaseError> {
    let given = parse(url).ok_or(DatabaseError::Address)?;
    let path = folder.join(FILE);
    if let Some(kept) = files::read_if_there(&path)? {
        let same = parse(kept.trim()).is_some_and(|kept| name_of(&kept) == name_of(&given));
        if !same {
            return Err(DatabaseError::Other(shown(kept.trim())));
        }
    } else if folder.join(SQLITE).exists() {
        return Err(DatabaseError::Other(SQLITE.to_owned()));
    }
    files::make_data_folder(folder)?;
    // written again although it is the same one: the password may be another
    Ok(files::write_private(&path, format!("{url}\n").as_bytes())?)
}

fn parse(url: &str) -> Option<PgConnectOptions> {
    let named = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = PgConnectOptions::from_str(url).ok().filter(|_| named)?;
    options.get_database().is_some().then_some(options)
}

fn name_of(options: &PgConnectOptions) -> (String, u16, String) {
    let database = options.get_database().unwrap_or_default().to_owned();
    (options.get_host().to_owned(), options.get_port(), database)
}

fn shown(url: &str) -> String {
    parse(url).map_or_else(
        || "a database whose address cannot be read".to_owned(),
        |options| {
            let (host, port, database) = name_of(&options);
            format!("PostgreSQL {host}:{port}/{database}")
        },
    )
}

/// Connects to the folder's database.
pub(super) async fn connect(folder: &Path) -> Result<Connected, StoreError> {
    sqlx::any::install_default_drivers();
    match files::read_if_there(&folder.join(FILE))? {
        Some(url) => {
            let pool = postgres(url.trim()).await?;
            Ok(Connected { writing: pool.clone(), pool, engine: Engine::Postgres })
        }
        None => {
            let pool = sqlite(folder, MAX_CONNECTIONS, None).await?;
            let writing = sqlite(folder, 1, Some(WRITER_CACHE_KIB)).await?;
            Ok(Connected { pool, writing, engine: Engine::Sqlite })
        }
    }
}

async fn postgres(url: &str) -> Result<AnyPool, StoreError> {
    let doing = "connecting to PostgreSQL";
    let options: AnyConnectOptions = url.parse().doing(doing)?;
    // its notices ("relation already exists, skipping") are for nobody
    let options = options.log_statements(tracing::log::LevelFilter::Off);
    AnyPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let settings = format!("SET lock_timeout = {BUSY_TIMEOUT_MS}");
                connection.execute(sqlx::AssertSqlSafe(settings)).await.map(drop)
            })
        })
        .connect_with(options)
        .await
        .doing(doing)
}

async fn sqlite(folder: &Path, connections: u32, cache: Option<u32>) -> Result<AnyPool, StoreError> {
    let doing = "opening it";
    let path = folder.join(SQLITE);
    {
        let _lock = files::lock(folder)?;
        files::touch_private(&path)?;
    }
    let options: AnyConnectOptions = url_of(&path).parse().doing(doing)?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let mut pragmas = format!(
                    "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
                );
                if let Some(kib) = cache {
                    pragmas.push_str(&format!(" PRAGMA cache_size = -{kib};"));
                }
                connection.execute(sqlx::AssertSqlSafe(pragmas)).await.map(drop)
            })
        })
        .connect_with(options)
        .await
        .doing(doing)
}

fn url_of(path: &Path) -> String {
    // a path may hold what a URL may not; sqlx decodes it again
    let mut url = String::from("sqlite://");
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                url.push(char::from(*byte))
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_keeps_its_database_and_shows_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let url = "postgres://eyot:s3cret@db.example:5433/portal";
        choose(folder.path(), url).unwrap();
        choose(folder.path(), "postgres://eyot:other@db.example:5433/portal").unwrap();
        let error = choose(folder.path(), "postgres://eyot:s3cret@elsewhere/portal").unwrap_err().to_string();
        assert!(error.contains("PostgreSQL db.example:5433/portal") && !error.contains("other"), "{error}");
        for wrong in ["mysql://x/y", "db.example", "postgres://eyot@db.example", ""] {
            assert!(matches!(choose(folder.path(), wrong), Err(DatabaseError::Address)), "{wrong}");
        }
    }

    #[test]
    fn a_folder_with_a_file_of_its_own_stays_with_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SQLITE), "").unwrap();
        let error = choose(folder.path(), "postgres://eyot@db.example/portal").unwrap_err();
        assert!(matches!(error, DatabaseError::Other(_)), "{error}");
    }
}
