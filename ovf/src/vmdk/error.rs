//! Why a VMDK cannot be read. Offsets are bytes from the start of the file.

use thiserror::Error;

use crate::source::SourceError;

/// Why a VMDK cannot be read.
#[derive(Debug, Error)]
pub enum VmdkError {
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Another file.
    #[error("not a streamOptimized VMDK: no \"KDMV\" signature at offset {offset}")]
    NotVmdk {
        /// where it was looked for
        offset: u64,
    },
    /// A variant of the format that does not travel in OVAs.
    #[error("{field} {actual} is not supported, only {supported}")]
    Unsupported {
        /// which header field
        field: &'static str,
        /// its value
        actual: u64,
        /// what is
        supported: &'static str,
    },
    /// A structure contradicts itself or another.
    #[error("damaged {what} at offset {offset}: {detail}")]
    Damaged {
        /// which structure
        what: &'static str,
        /// where
        offset: u64,
        /// what is wrong
        detail: String,
    },
    /// A grain beyond the disk's end was asked for.
    #[error("grain {number} lies beyond the disk's {grains} grains")]
    NoSuchGrain {
        /// the grain
        number: u64,
        /// how many there are
        grains: u64,
    },
}
