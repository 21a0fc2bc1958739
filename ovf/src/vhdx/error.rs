//! Why a VHDX cannot be read. Offsets are bytes from the start of the file.

use thiserror::Error;

use crate::source::SourceError;

/// Why a VHDX cannot be read.
#[derive(Debug, Error)]
pub enum VhdxError {
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Another file.
    #[error("not a VHDX: no \"vhdxfile\" signature at offset 0")]
    NotVhdx,
    /// A kind of VHDX that is not read here.
    #[error("{what} is not supported: {detail}")]
    Unsupported {
        /// which part
        what: &'static str,
        /// why
        detail: String,
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
    /// A block beyond the disk's end was asked for.
    #[error("block {number} lies beyond the disk's {blocks} blocks")]
    NoSuchBlock {
        /// the block
        number: u64,
        /// how many there are
        blocks: u64,
    },
}
