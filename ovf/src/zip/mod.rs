//! A ZIP archive around one image, for VHDX files that travel by download: a VHDX is never sparse on disk, and copying
//! its zeros about is what a ZIP saves.
//!
//! [`ZipWriter`] writes one member with deflate, in ZIP64 form when it is large. What it is given in the course of a pass
//! is already compressed by the pass's threads, grain by grain, for VMDK and ZIP together; [`splice`] makes one deflate
//! stream of the pieces. Reading archives is left to others: every system has a reader.

mod format;
mod splice;
mod writer;

pub use splice::{splice, STREAM_END};
pub use writer::{BlockOut, ZipWriter};
