//! Small things that are kept beside the database as JSON, for the next start: replaced whole, and no loss where they are
//! missing or damaged, because whoever wrote them finds them out again.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::Serialize;

/// What was kept beside this database under this name; the default where nothing can be read.
pub fn read<T: DeserializeOwned + Default>(database: &Path, name: &str) -> T {
    let text = fs::read(database.with_file_name(name)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps it.
///
/// # Errors
/// When the file cannot be written; the former stays.
pub fn keep<T: Serialize>(database: &Path, name: &str, what: &T) -> anyhow::Result<()> {
    let path = database.with_file_name(name);
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(what)?)
        .and_then(|()| fs::rename(&new, &path))
        .with_context(|| format!("{}: cannot be written", path.display()))
}
