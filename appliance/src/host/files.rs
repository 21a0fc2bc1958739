//! Files: atomic writes, overwriting in place, directories that appear at once.

#![allow(unsafe_code)] // renameat2 has no wrapper in glibc 2.27; the call is made by number, with two C strings and flags

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::{fchown, Gid, Group};

use super::{Access, HostError};

/// Larger files are not looked through: no copy of a seed is that large.
const MAX_SEARCHED_BYTES: u64 = 64 << 20;
/// The sensor's group, made by the package.
const SENSOR_GROUP: &str = "eyot-sensor";

impl Access {
    fn file_mode(self) -> u32 {
        match self {
            Self::Root => 0o600,
            Self::Sensor => 0o640,
            Self::Everyone => 0o644,
        }
    }

    fn dir_mode(self) -> u32 {
        match self {
            Self::Root => 0o700,
            Self::Sensor => 0o750,
            Self::Everyone => 0o711,
        }
    }

    /// The group to give; `None` where the package that makes it is not installed (then only root can read).
    fn group(self) -> io::Result<Option<Gid>> {
        match self {
            Self::Sensor => Ok(Group::from_name(SENSOR_GROUP)?.map(|g| g.gid)),
            _ => Ok(None),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, HostError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(error("reading", path, e)),
    }
}

pub(super) fn write(path: &Path, content: &[u8], access: Access) -> Result<bool, HostError> {
    let fail = |e| error("writing", path, e);
    if is_already(path, content, access).map_err(fail)? {
        return Ok(false);
    }
    let dir = parent(path);
    create_dirs(dir).map_err(fail)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".eyot-new");
    let temporary = PathBuf::from(temporary);
    let written = write_temporary(&temporary, content, access)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_dir(dir));
    if written.is_err() {
        // the error that matters is the first one
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| true).map_err(fail)
}

fn write_temporary(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    // 0600 from the first moment; opened up only once it is complete
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    if let Some(group) = access.group()? {
        fchown(&file, None, Some(group))?;
    }
    file.set_permissions(fs::Permissions::from_mode(access.file_mode()))?;
    file.sync_all()
}

fn is_already(path: &Path, content: &[u8], access: Access) -> io::Result<bool> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => found,
        _ => return Ok(false),
    };
    let group_fits = access.group()?.is_none_or(|g| g.as_raw() == found.gid());
    Ok(found.mode() & 0o777 == access.file_mode() && group_fits && fs::read(path)? == content)
}

pub(super) fn overwrite(path: &Path, content: &[u8]) -> Result<(), HostError> {
    let put = || -> io::Result<()> {
        // no truncation: the same blocks must be written, not others
        let mut file = OpenOptions::new().write(true).open(path)?;
        if file.metadata()?.len() != content.len() as u64 {
            return Err(io::Error::other("its length changed meanwhile"));
        }
        file.write_all(content)?;
        file.sync_all()
    };
    put().map_err(|e| error("overwriting", path, e))
}

pub(super) fn remove(path: &Path) -> Result<(), HostError> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(parent(path)).map_err(|e| error("removing", path, e)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(e) => Err(error("removing", path, e)),
    }
}

/// Symbolic links are not followed; what disappears meanwhile is left out.
pub(super) fn files_below(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), HostError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(error("listing", dir, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| error("listing", dir, e))?;
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.is_dir() {
            files_below(&entry.path(), found)?;
        } else if metadata.is_file() && metadata.len() <= MAX_SEARCHED_BYTES {
            found.push(entry.path());
        }
    }
    Ok(())
}

pub(super) fn make_dir(dir: &Path, access: Access) -> Result<(), HostError> {
    let make = || -> io::Result<()> {
        create_dirs(dir)?;
        let handle = File::open(dir)?;
        let found = handle.metadata()?;
        if let Some(group) = access.group()?.filter(|g| g.as_raw() != found.gid()) {
            fchown(&handle, None, Some(group))?;
        }
        if found.mode() & 0o777 != access.dir_mode() {
            handle.set_permissions(fs::Permissions::from_mode(access.dir_mode()))?;
            handle.sync_all()?;
        }
        Ok(())
    };
    make().map_err(|e| error("making directory", dir, e))
}

pub(super) fn replace_dir(new: &Path, old: &Path) -> Result<(), HostError> {
    let replace = || -> io::Result<()> {
        if !old.exists() {
            fs::rename(new, old)?;
            return sync_dir(parent(old));
        }
        exchange(new, old)?;
        sync_dir(parent(old))?;
        fs::remove_dir_all(new)?;
        sync_dir(parent(new))
    };
    replace().map_err(|e| error("putting in place", old, e))
}

fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    let a = CString::new(a.as_os_str().as_bytes())?;
    let b = CString::new(b.as_os_str().as_bytes())?;
    // SAFETY: both strings are NUL-terminated and outlive the call; the other arguments are plain numbers.
    let done = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            a.as_ptr(),
            libc::AT_FDCWD,
            b.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(super) fn link(link: &Path, target: &str) -> Result<bool, HostError> {
    let make = || -> io::Result<bool> {
        if fs::read_link(link).is_ok_and(|t| t == Path::new(target)) {
            return Ok(false);
        }
        create_dirs(parent(link))?;
        match fs::remove_file(link) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        std::os::unix::fs::symlink(target, link)?;
        Ok(true)
    };
    make().map_err(|e| error("linking", link, e))
}

/// Reads a small file of the kernel's, trimmed; `None` if it is not there or will not be read.
pub(super) fn kernel_text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

/// Makes a directory with its parents, 0755 whatever the umask of the service: files guard their own content.
fn create_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    create_dirs(parent(dir))?;
    fs::create_dir(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    sync_dir(parent(dir))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn error(step: &'static str, path: &Path, source: io::Error) -> HostError {
    HostError::new(step, path.display().to_string(), source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_content_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.txt");
        assert!(write(&path, b"one", Access::Root).unwrap());
        let first = fs::metadata(&path).unwrap();
        assert!(!write(&path, b"one", Access::Root).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino());
        assert!(write(&path, b"one", Access::Everyone).unwrap(), "another mode is a change");
        assert!(write(&path, b"two", Access::Everyone).unwrap());
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn overwriting_keeps_the_blocks_and_refuses_another_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, b"secret").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        overwrite(&path, b"xxxxxx").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino()),
            (b"xxxxxx".to_vec(), inode)
        );
        assert!(overwrite(&path, b"short").is_err());
    }

    #[test]
    fn a_directory_takes_the_place_of_another_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("next"), dir.path().join("now"));
        for content in ["one", "two"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join("f"), content).unwrap();
            replace_dir(&new, &old).unwrap();
            assert_eq!(fs::read_to_string(old.join("f")).unwrap(), content);
            assert!(!new.exists());
        }
    }
}
