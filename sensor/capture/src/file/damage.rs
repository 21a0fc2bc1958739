//! What can be wrong with a capture file, with the byte at which it is.

use std::io;
use std::path::PathBuf;

/// Why a file gives no frames at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system does not give it to us.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{}: the file is empty; give a pcap or pcapng capture", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Something else.
    #[error(
        "{}: not a capture file (byte 0 begins with {found}); give a pcap or pcapng capture, plain or compressed with gzip or zstd",
        path.display()
    )]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Its first bytes, hexadecimal.
        found: String,
    },
    /// It begins like a capture and ends before the first record could begin.
    #[error(
        "{}: the file ends at byte {length}, inside its header of {needed} bytes; copy it again from where it was recorded",
        path.display()
    )]
    HeaderCutShort {
        /// The file.
        path: PathBuf,
        /// Bytes there are.
        length: usize,
        /// Bytes the header takes.
        needed: usize,
    },
    /// Compressed, and the compression is broken from the start.
    #[error("{}: compressed, but cannot be unpacked; copy it again from where it was recorded", path.display())]
    Compression {
        /// The file.
        path: PathBuf,
        /// What the unpacker says.
        #[source]
        source: io::Error,
    },
}

/// Where and why reading stopped before the end of a file. Offsets count uncompressed bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends inside a record: the usual end of a capture that was interrupted.
    #[error("ends inside the record at byte {offset} ({needed} bytes needed, {got} there)")]
    CutShort {
        /// Where the record begins.
        offset: u64,
        /// Its length.
        needed: u64,
        /// What is there of it.
        got: u64,
    },
    /// A length that no record can have.
    #[error("the record at byte {offset} claims a length of {length} bytes (at most {limit} can be)")]
    Length {
        /// Where the record begins.
        offset: u64,
        /// What it claims.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// A pcapng block whose two lengths differ, or whose length is not one.
    #[error("the block at byte {offset} is inconsistent (length {first} at its head, {second} at its end)")]
    Block {
        /// Where the block begins.
        offset: u64,
        /// Length at its head.
        first: u32,
        /// Length at its end.
        second: u32,
    },
    /// A pcapng section header with an unknown byte order.
    #[error("the section header at byte {offset} has no byte order (magic {magic:08x})")]
    Section {
        /// Where the block begins.
        offset: u64,
        /// What stands in the magic's place.
        magic: u32,
    },
    /// The compression breaks off.
    #[error("the compressed data is damaged after byte {offset} of the capture: {reason}")]
    Compression {
        /// Bytes unpacked before.
        offset: u64,
        /// What the unpacker says.
        reason: String,
    },
}
