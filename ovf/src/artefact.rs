//! A file that appears under its final name complete or not at all.
//!
//! It is written beside its destination as `.NAME.partial`, synced, renamed, and the directory synced. The partial
//! file is removed when the writing fails or is given up; one that a kill left behind is taken over by the next run.
//! A lock on it keeps two runs from writing the same artefact at once. Not here: what is written.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Mode of images and checksums.
pub const PUBLIC_MODE: u32 = 0o644;
/// Mode of files that carry a secret, such as a seed with its token.
pub const PRIVATE_MODE: u32 = 0o600;

/// Why an artefact could not be written.
#[derive(Debug, Error)]
pub enum ArtefactError {
    /// The path names no file.
    #[error("{} is not a file name", path.display())]
    Name {
        /// the path
        path: PathBuf,
    },
    /// Another run holds the partial file.
    #[error("another run is writing {}; wait for it or choose another name", path.display())]
    Busy {
        /// the final path
        path: PathBuf,
    },
    /// A step failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// which step
        step: &'static str,
        /// on what
        path: PathBuf,
        /// the cause
        #[source]
        source: io::Error,
    },
}

/// A file being written. Dropped without [`commit`](Artefact::commit), it leaves nothing.
#[derive(Debug)]
pub struct Artefact {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl Artefact {
    /// Begins the file that will be at `path`, with this mode.
    pub fn create(path: &Path, mode: u32) -> Result<Self, ArtefactError> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(ArtefactError::Name { path: path.to_owned() });
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".partial");
        let partial = parent.join(hidden);
        let failed = |step| {
            let path = partial.clone();
            move |source| ArtefactError::Io { step, path, source }
        };
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(mode)
                .open(&partial)
                .map_err(failed("create"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(ArtefactError::Busy { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            }
            // Between opening and locking, the run that held it may have renamed or removed it; what is locked then is
            // somebody's finished file. Only a file that still has the partial name is ours.
            let ours = file.metadata().map_err(failed("examine"))?;
            match fs::symlink_metadata(&partial) {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {}
                _ => continue,
            }
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
                .map_err(failed("set the mode of"))?;
            file.set_len(0).map_err(failed("empty"))?;
            return Ok(Artefact { file, partial, path: path.to_owned(), committed: false });
        }
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what was written so far durable. [`commit`](Artefact::commit) does so too; this is for having it done meanwhile.
    pub fn sync(&self) -> Result<(), ArtefactError> {
        let failed = |source| ArtefactError::Io { step: "sync", path: self.partial.clone(), source };
        self.file.sync_all().map_err(failed)
    }

    /// Makes everything durable and gives the file its name, replacing an older one.
    pub fn commit(mut self) -> Result<(), ArtefactError> {
        let failed = |step, path: &Path| {
            let path = path.to_owned();
            move |source| ArtefactError::Io { step, path, source }
        };
        self.sync()?;
        fs::rename(&self.partial, &self.path).map_err(failed("rename", &self.partial))?;
        self.committed = true;
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("sync directory", parent))
    }
}

impl Drop for Artefact {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing better can be done about a failure here than the next run taking the file over.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

impl Write for Artefact {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Read for Artefact {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for Artefact {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ova");
        let mut given_up = Artefact::create(&path, PUBLIC_MODE).unwrap();
        given_up.write_all(b"half").unwrap();
        assert_eq!(names(dir.path()), [".a.ova.partial"]);
        drop(given_up);
        assert!(names(dir.path()).is_empty());

        fs::write(dir.path().join(".a.ova.partial"), "left by a kill, and longer").unwrap();
        let mut whole = Artefact::create(&path, PRIVATE_MODE).unwrap();
        whole.write_all(b"whole").unwrap();
        assert!(matches!(Artefact::create(&path, PUBLIC_MODE), Err(ArtefactError::Busy { .. })));
        whole.commit().unwrap();
        assert_eq!(names(dir.path()), ["a.ova"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn errors_name_the_step_and_the_place() {
        let error = Artefact::create(Path::new("/nonexistent/a.ova"), PUBLIC_MODE).unwrap_err();
        assert_eq!(error.to_string(), "cannot create /nonexistent/.a.ova.partial");
        assert!(matches!(Artefact::create(Path::new(".."), PUBLIC_MODE), Err(ArtefactError::Name { .. })));
    }
}
