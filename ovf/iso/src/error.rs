//! What can go wrong when a volume is written or read. Offsets are bytes from the start of the volume.

use std::io;

use thiserror::Error;

/// Why a volume could not be laid out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// The label does not fit the volume identifier fields.
    #[error("volume label {label:?} must be 1 to 16 printable ASCII characters")]
    Label {
        /// the label as given
        label: String,
    },
    /// A directory record counts years from 1900 in one byte, so ends with 2155.
    #[error("volume date {unix_seconds} s after 1970 lies beyond the year 2155")]
    Date {
        /// the date as given, seconds since 1970-01-01T00:00:00Z
        unix_seconds: u64,
    },
    /// The name cannot be carried by Joliet and Rock Ridge alike.
    #[error("file name {name:?} must be 1 to {max} printable ASCII characters without any of * / : ; ? \\", max = crate::MAX_NAME_CHARS)]
    Name {
        /// the name as given
        name: String,
    },
    /// Two files of one name.
    #[error("file name {name:?} is given twice")]
    Duplicate {
        /// the name
        name: String,
    },
    /// More files than a flat seed volume holds.
    #[error("the volume holds at most {limit} files")]
    TooManyFiles {
        /// the bound
        limit: usize,
    },
    /// One directory record describes at most 4 GiB - 1 byte.
    #[error("file {name:?} is {actual} bytes long, over the limit of {limit}")]
    TooLarge {
        /// the file's name
        name: String,
        /// its length in bytes
        actual: u64,
        /// the bound in bytes
        limit: u64,
    },
}

/// Why a volume could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The device or file gave an error, or ended early.
    #[error("cannot read {needed} bytes of {what} at offset {offset}")]
    Io {
        /// what was being read
        what: &'static str,
        /// byte offset
        offset: u64,
        /// how many bytes were wanted
        needed: u64,
        /// the cause
        #[source]
        source: io::Error,
    },
    /// There is no primary volume descriptor at 32 KiB.
    #[error("not an ISO 9660 volume: no \"CD001\" signature at offset {offset}")]
    NotIso {
        /// byte offset at which it was looked for
        offset: u64,
    },
    /// A logical block size other than 2048 bytes.
    #[error("logical block size {actual} is not supported, only 2048")]
    BlockSize {
        /// the size found, in bytes
        actual: u16,
    },
    /// A structure contradicts itself.
    #[error("damaged {what} at offset {offset}: {detail}")]
    Damaged {
        /// which structure
        what: &'static str,
        /// byte offset
        offset: u64,
        /// what is wrong with it
        detail: &'static str,
    },
    /// A bound that keeps a hostile volume from using up memory.
    #[error("{what} is {actual}, over the limit of {limit}")]
    Limit {
        /// what is bounded
        what: &'static str,
        /// the amount found
        actual: u64,
        /// the bound
        limit: u64,
    },
    /// The volume has no file of this name.
    #[error("no file {name:?} on the volume labelled {label:?}")]
    NoSuchFile {
        /// the name asked for
        name: String,
        /// the volume's label
        label: String,
    },
}
