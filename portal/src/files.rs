//! The portal's few files: secrets written whole or not at all, readable by the portal's user alone.
//!
//! Commands are often run by root while the service has a user of its own; whatever is created in a folder is given to
//! the folder's owner, so that the service can read what root has made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{fchown, DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError { doing, path: path.to_owned(), source }
}

/// Makes the data folder, mode 0700, if it is not there.
///
/// # Errors
/// The folder cannot be made.
pub fn make_data_folder(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder", path))
}

/// Writes a file with mode 0600 under its final name only once it is whole and on disk.
///
/// # Errors
/// The file cannot be written; nothing is left under either name.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = folder_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(name);
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        give_to_owner_of(folder, &file)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        failed("write", path)(source)
    })
}

/// Makes an empty file with mode 0600 if there is none: the database grows in it with the right owner and mode.
///
/// # Errors
/// The file cannot be made.
pub fn touch_private(path: &Path) -> Result<(), FileError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.and_then(|file| give_to_owner_of(folder_of(path), &file)).map_err(failed("make", path))
}

/// Takes the folder's lock: one process at a time creates what is missing. Released when dropped.
///
/// # Errors
/// The lock file cannot be made or locked.
pub fn lock(folder: &Path) -> Result<File, FileError> {
    let path = folder.join("lock");
    touch_private(&path)?;
    let file = File::open(&path).map_err(failed("open", &path))?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(file)
}

/// The file's text, or `None` where there is no such file.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path)(e)),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn give_to_owner_of(folder: &Path, file: &File) -> io::Result<()> {
    let (owner, mine) = (fs::metadata(folder)?, file.metadata()?);
    // only root can give files away, and a sticky /tmp that root owns must not take files from their user
    if mine.uid() == 0 && owner.uid() != 0 {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_whole_private_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        let error = write_private(&taken, b"x").unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
