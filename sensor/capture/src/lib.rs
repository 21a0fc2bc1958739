//! Frames from a NIC ring, a capture file or a test, behind one trait.
//!
//! [`Source`] lends frames in batches to a callback; nothing is copied and nothing is allocated per frame. [`live`] reads a
//! network interface through libpcap, [`file`] reads pcap and pcapng files, [`memory`] reads what a test wrote down.
//! What a frame means is not known here: the bytes are lent as they came.

mod frame;
mod source;

#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "live")]
pub mod live;
pub mod memory;

pub use frame::{Frame, LinkType};
pub use source::{Pulled, Source, SourceError, Statistics, Stop};
