//! Files that other programs write too: changed in place, under the record lock (fcntl) that they take.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg};
use nix::libc;

use super::HostError;

/// How often the lock is tried, and the time between two tries. Others hold it while they write a few kilobytes.
const TRIES: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(50);

/// Changes a file's content by `edit`; `None` leaves it alone. Says whether it was changed; a file that is not there is not.
pub(super) fn edit(path: &Path, edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<bool, HostError> {
    let change = || -> io::Result<bool> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(false)
            }
            Err(e) => return Err(e),
        };
        lock(&file)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let Some(new) = edit(&content) else { return Ok(false) };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&new)?;
        file.set_len(new.len() as u64)?;
        file.sync_all()?;
        // the lock goes with the descriptor
        Ok(true)
    };
    change().map_err(|e| HostError::new("changing", path.display().to_string(), e))
}

fn lock(file: &File) -> io::Result<()> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    for _ in 0..TRIES {
        // of the open file, not of the process: it excludes the others' locks all the same, and closing some other
        // descriptor of the same file does not drop it
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES) => std::thread::sleep(BETWEEN),
            Err(e) => return Err(e.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another program keeps it locked"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_waits_for_the_lock_and_keeps_the_inode() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool");
        assert!(!edit(&path, &|_| Some(vec![1])).unwrap() && !path.exists());
        std::fs::write(&path, b"one").unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let held = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        lock(&held).unwrap();
        let releasing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            std::fs::write(dir.path().join("pool"), b"two").unwrap();
            drop(held);
            dir
        });
        let seen = std::sync::Mutex::new(Vec::new());
        let changed = edit(&path, &|now| {
            seen.lock().unwrap().extend_from_slice(now);
            Some(b"x".to_vec())
        });
        assert!(changed.unwrap());
        let dir = releasing.join().unwrap();
        assert_eq!(*seen.lock().unwrap(), b"two", "what the other wrote under its lock is what is changed");
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        assert_eq!(std::fs::metadata(dir.path().join("pool")).unwrap().ino(), inode);
    }
}
