//! The disk an image is made from: its size, where it holds data, and its bytes.
//!
//! Sizes and offsets are bytes. A disk is looked at in blocks of 1 MiB (a VHDX block; sixteen VMDK grains), numbered
//! from 0. One file per kind of source; [`Survey`] is the first look that tells which blocks hold
//! anything.

mod qcow2;
mod raw;
mod survey;

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use qcow2::Qcow2Disk;
pub use raw::RawDisk;
pub use survey::{block_hash, block_range, Block, ContentId, Survey};

/// Sector size in which disks are measured.
pub const SECTOR_BYTES: u64 = 512;
/// Unit of reading, of VHDX allocation and of parallel work.
pub const BLOCK_BYTES: u64 = 1 << 20;
/// Unit of VMDK allocation and compression.
pub const GRAIN_BYTES: u64 = 64 << 10;
/// Grains in a block.
pub const GRAINS_PER_BLOCK: u64 = BLOCK_BYTES / GRAIN_BYTES;
/// Largest disk: the VHDX format's own limit (MS-VHDX 2.2), far above what a VMDK file takes.
pub const MAX_DISK_BYTES: u64 = 64 << 40;

/// A source of disk content that several threads read at once.
pub trait Disk: Send + Sync {
    /// Length in bytes, as found when it was opened.
    fn size(&self) -> u64;

    /// The first range at or after `from` that may hold data; nothing when only holes follow.
    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, DiskError>;

    /// Fills `buffer` from `offset`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError>;

    /// Fails when the disk is no longer what it was when it was opened.
    fn check_unchanged(&self) -> Result<(), DiskError>;

    /// The error for "the block at `offset` differs from the first reading".
    fn changed_at(&self, offset: u64) -> DiskError;
}

/// Opens a disk: qcow2 by its signature, else raw.
///
/// A guest that writes the signature at the start of its raw disk can so have it read as qcow2; since images that refer
/// to other files are refused, it can give away nothing but itself.
pub fn open(path: &Path) -> Result<Box<dyn Disk>, DiskError> {
    let failed = |source| DiskError::Open { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    let mut head = Vec::new();
    if metadata.is_file() {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(qcow2::SIGNATURE.len() as u64).read_to_end(&mut head).map_err(failed)?;
    }
    Ok(if head == qcow2::SIGNATURE {
        Box::new(Qcow2Disk::open(path)?)
    } else {
        Box::new(RawDisk::open(path)?)
    })
}

/// Why a disk cannot be used.
#[derive(Debug, Error)]
pub enum DiskError {
    /// It cannot be opened or measured.
    #[error("cannot open disk {}", path.display())]
    Open {
        /// the file or device
        path: PathBuf,
        /// the cause
        #[source]
        source: std::io::Error,
    },
    /// A qcow2 that is only part of a disk.
    #[error("qcow2 {} keeps its content in another file; make it whole with `qemu-img convert -O qcow2 IN OUT`", path.display())]
    NotWhole {
        /// the file
        path: PathBuf,
    },
    /// A directory, pipe or terminal.
    #[error("{} is neither a file nor a block device", path.display())]
    NotADisk {
        /// the file
        path: PathBuf,
    },
    /// Its length is no whole number of sectors, or zero.
    #[error("disk {} is {actual} bytes long, not a positive multiple of 512; pad it with `truncate -s %512 FILE`", path.display())]
    Size {
        /// the file or device
        path: PathBuf,
        /// its length in bytes
        actual: u64,
    },
    /// Beyond [`MAX_DISK_BYTES`].
    #[error("disk {} is {actual} bytes long, over the limit of {MAX_DISK_BYTES}", path.display())]
    TooLarge {
        /// the file or device
        path: PathBuf,
        /// its length in bytes
        actual: u64,
    },
    /// An input or output error while reading.
    #[error("cannot read {length} bytes of disk {} at offset {offset}", path.display())]
    Read {
        /// the file or device
        path: PathBuf,
        /// byte offset
        offset: u64,
        /// bytes wanted
        length: usize,
        /// the cause
        #[source]
        source: std::io::Error,
    },
    /// It became shorter.
    #[error(
        "disk {} shrank from {expected} to {actual} bytes while it was read; stop whatever writes to it and start again",
        path.display()
    )]
    Shrank {
        /// the file or device
        path: PathBuf,
        /// bytes at opening
        expected: u64,
        /// bytes now
        actual: u64,
    },
    /// Its content changed.
    #[error("disk {} changed {place} while it was read; stop whatever writes to it and start again", path.display())]
    Changed {
        /// the file or device
        path: PathBuf,
        /// where, in words
        place: String,
    },
}

/// Whether all bytes are zero. Looks at 256 bytes at a time, which compilers turn into vector instructions.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(256).all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}
