//! A raw disk: a plain file, sparse or not, or a block device. Holes are found with SEEK_DATA and SEEK_HOLE
//! (lseek(2)) and never read.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{lseek64, Whence};

use super::{Disk, DiskError, MAX_DISK_BYTES, SECTOR_BYTES};

/// An opened raw disk.
#[derive(Debug)]
pub struct RawDisk {
    path: PathBuf,
    file: File,
    size: u64,
    /// Modification time in seconds and nanoseconds, which a regular file's writer cannot help changing.
    modified: Option<(i64, i64)>,
}

impl RawDisk {
    /// Opens `path` for reading.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let opened = |source| DiskError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(opened)?;
        let metadata = file.metadata().map_err(opened)?;
        let kind = metadata.file_type();
        let (size, modified) = if kind.is_file() {
            (metadata.len(), Some((metadata.mtime(), metadata.mtime_nsec())))
        } else if kind.is_block_device() {
            (end_of(&file).map_err(opened)?, None)
        } else {
            return Err(DiskError::NotADisk { path: path.to_owned() });
        };
        if size == 0 || !size.is_multiple_of(SECTOR_BYTES) {
            return Err(DiskError::Size { path: path.to_owned(), actual: size });
        }
        if size > MAX_DISK_BYTES {
            return Err(DiskError::TooLarge { path: path.to_owned(), actual: size });
        }
        Ok(RawDisk { path: path.to_owned(), file, size, modified })
    }

    fn read_failed(&self, offset: u64, length: usize, source: std::io::Error) -> DiskError {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            if let Ok(actual) = end_of(&self.file) {
                return DiskError::Shrank { path: self.path.clone(), expected: self.size, actual };
            }
        }
        DiskError::Read { path: self.path.clone(), offset, length, source }
    }

    fn seek(&self, from: u64, whence: Whence) -> Result<Option<u64>, DiskError> {
        match lseek64(&self.file, from as i64, whence) {
            Ok(at) => Ok(Some(at as u64)),
            // beyond the last data, or beyond the end
            Err(Errno::ENXIO) => Ok(None),
            // the file system knows no holes: everything from here on may be data
            Err(Errno::EINVAL | Errno::ENOTSUP) => {
                Ok(Some(if matches!(whence, Whence::SeekData) { from } else { self.size }))
            }
            Err(errno) => Err(self.read_failed(from, 0, errno.into())),
        }
    }
}

fn end_of(file: &File) -> std::io::Result<u64> {
    Ok(lseek64(file, 0, Whence::SeekEnd)? as u64)
}

impl Disk for RawDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, DiskError> {
        if from >= self.size {
            return Ok(None);
        }
        let Some(start) = self.seek(from, Whence::SeekData)?.filter(|&at| at < self.size) else {
            return Ok(None);
        };
        let end = self.seek(start, Whence::SeekHole)?.unwrap_or(self.size).min(self.size);
        Ok(Some(start..end))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(|e| self.read_failed(offset, buffer.len(), e))
    }

    fn check_unchanged(&self) -> Result<(), DiskError> {
        let actual = end_of(&self.file).map_err(|e| self.read_failed(0, 0, e))?;
        if actual < self.size {
            return Err(DiskError::Shrank { path: self.path.clone(), expected: self.size, actual });
        }
        let metadata = self.file.metadata().map_err(|e| self.read_failed(0, 0, e))?;
        if actual != self.size {
            return Err(DiskError::Changed { path: self.path.clone(), place: "its size".to_owned() });
        }
        if self.modified.is_some_and(|at| at != (metadata.mtime(), metadata.mtime_nsec())) {
            return Err(DiskError::Changed {
                path: self.path.clone(),
                place: "its modification time".to_owned(),
            });
        }
        Ok(())
    }

    fn changed_at(&self, offset: u64) -> DiskError {
        DiskError::Changed { path: self.path.clone(), place: format!("at offset {offset}") }
    }
}
