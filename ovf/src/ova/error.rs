//! Why an OVA cannot be read or written. Offsets are bytes from the start of the archive.

use thiserror::Error;

use super::signature::SignatureError;
use crate::ovf::{DescriptorError, ProfileError};
use crate::source::SourceError;
use crate::vmdk::VmdkError;

/// Why an OVA cannot be read or written.
#[derive(Debug, Error)]
pub enum OvaError {
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Not a tar archive, or damaged.
    #[error("no tar header at offset {offset}: {detail}")]
    Archive {
        /// where
        offset: u64,
        /// what is wrong
        detail: &'static str,
    },
    /// A bound that keeps a hostile archive from using up memory.
    #[error("{what} is {actual}, over the limit of {limit}")]
    Limit {
        /// what is bounded
        what: &'static str,
        /// the amount
        actual: u64,
        /// the bound
        limit: u64,
    },
    /// A member that must be there.
    #[error("the archive has no {0} member")]
    Missing(&'static str),
    /// The descriptor.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The disk.
    #[error(transparent)]
    Vmdk(#[from] VmdkError),
    /// The choices for a new OVA.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The certificate.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}
