//! A qcow2 disk, read through the `imago` crate. Only images that are whole in themselves: one with a backing file or an
//! external data file is refused rather than followed, because the header that names those files is not to be trusted.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use imago::qcow2::Qcow2;
use imago::{FormatAccess, Mapping};

use super::{Disk, DiskError, MAX_DISK_BYTES, SECTOR_BYTES};

/// "QFI" and 0xfb at the start of the file.
pub const SIGNATURE: &[u8; 4] = b"QFI\xfb";

/// An opened qcow2.
pub struct Qcow2Disk {
    path: PathBuf,
    image: FormatAccess<imago::file::File>,
    size: u64,
    /// of the file as opened, to notice changes
    state: FileState,
}

/// Length and modification time (seconds, nanoseconds) of the file.
type FileState = (u64, i64, i64);

impl Qcow2Disk {
    /// Opens `path` for reading.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let failed = |source| DiskError::Open { path: path.to_owned(), source };
        let state = state_of(path).map_err(failed)?;
        let qcow2: Qcow2<imago::file::File> = Qcow2::open_path(path, false).map_err(failed)?;
        if qcow2.implicit_backing_file().is_some() || qcow2.requires_external_data_file() {
            return Err(DiskError::NotWhole { path: path.to_owned() });
        }
        let image = FormatAccess::new(qcow2);
        let size = image.size();
        if size == 0 || !size.is_multiple_of(SECTOR_BYTES) {
            return Err(DiskError::Size { path: path.to_owned(), actual: size });
        }
        if size > MAX_DISK_BYTES {
            return Err(DiskError::TooLarge { path: path.to_owned(), actual: size });
        }
        Ok(Qcow2Disk { path: path.to_owned(), image, size, state })
    }

    fn failed(&self, offset: u64, length: usize) -> impl FnOnce(io::Error) -> DiskError + '_ {
        move |source| DiskError::Read { path: self.path.clone(), offset, length, source }
    }
}

fn state_of(path: &Path) -> io::Result<FileState> {
    let metadata = File::open(path)?.metadata()?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

impl Disk for Qcow2Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, DiskError> {
        let mut at = from;
        while at < self.size {
            let (mapping, length) = self.image.get_mapping(at, self.size - at).map_err(self.failed(at, 0))?;
            let end = at.saturating_add(length).min(self.size);
            match mapping {
                // A mapping that goes nowhere would be asked for for ever.
                _ if end <= at => return Ok(Some(at..self.size)),
                Mapping::Zero { .. } | Mapping::Eof { .. } => at = end,
                _ => return Ok(Some(at..end)),
            }
        }
        Ok(None)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let length = buffer.len();
        self.image.read(buffer, offset).map_err(self.failed(offset, length))
    }

    fn check_unchanged(&self) -> Result<(), DiskError> {
        let now = state_of(&self.path).map_err(self.failed(0, 0))?;
        if now != self.state {
            let place = "its size or modification time".to_owned();
            return Err(DiskError::Changed { path: self.path.clone(), place });
        }
        Ok(())
    }

    fn changed_at(&self, offset: u64) -> DiskError {
        DiskError::Changed { path: self.path.clone(), place: format!("at offset {offset}") }
    }
}
