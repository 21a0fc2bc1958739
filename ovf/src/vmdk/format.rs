//! Layout of a streamOptimized VMDK: header, markers, tables. Numbers are little-endian; offsets named "sector" count
//! 512-byte sectors from the start of the file, those named LBA count sectors of the guest's disk.
//!
//! Source: VMware, "Virtual Disk Format 5.0" (EN-000777), with two corrections that all known writers and readers
//! agree on: the version is 3, and grains are zlib streams (RFC 1950), not raw deflate.

use crate::source::{u16_at, u32_at, u64_at};

/// Sector, the unit of nearly everything, in bytes.
pub const SECTOR: usize = 512;
/// Grain in sectors.
pub const GRAIN_SECTORS: u64 = 128;
/// Grain in bytes.
pub const GRAIN_BYTES: usize = GRAIN_SECTORS as usize * SECTOR;
/// Entries of a grain table.
pub const TABLE_ENTRIES: usize = 512;
/// A grain table in sectors.
pub const TABLE_SECTORS: u64 = (TABLE_ENTRIES * 4 / SECTOR) as u64;
/// The sector at which the first grain of a file in stream layout stands.
pub const STREAM_OVERHEAD: u64 = 128;

/// "KDMV" as it stands in the file.
pub const MAGIC: u32 = 0x564d_444b;
/// Version of stream-optimized files; below 3, ESXi says "sparse VMDK version too old".
pub const VERSION: u32 = 3;
/// Flag: the newline detection bytes are valid.
pub const FLAG_NEWLINES: u32 = 1;
/// Flag: a redundant grain directory exists.
pub const FLAG_REDUNDANT: u32 = 1 << 1;
/// Flag: grain table entry 1 means "zeros".
pub const FLAG_ZERO_GRAINS: u32 = 1 << 2;
/// Flag: grains are compressed.
pub const FLAG_COMPRESSED: u32 = 1 << 16;
/// Flag: grains and tables have markers.
pub const FLAG_MARKERS: u32 = 1 << 17;
/// Grain directory offset that says "see the footer".
pub const DIRECTORY_AT_END: u64 = u64::MAX;
/// Compression algorithm: deflate.
pub const COMPRESSION_DEFLATE: u16 = 1;
/// '\n', ' ', '\r', '\n': shows whether a transfer in text mode damaged the file.
pub const NEWLINES: [u8; 4] = *b"\n \r\n";
/// Sector of the embedded descriptor.
pub const DESCRIPTOR_SECTOR: u64 = 1;
/// Room for the embedded descriptor in sectors.
pub const DESCRIPTOR_SECTORS: u64 = 20;

/// Bytes of a grain marker before the compressed data: LBA u64, size u32.
pub const GRAIN_MARKER: usize = 12;
/// Most bytes a compressed grain may claim. Stored blocks make it slightly longer than the grain; twice is what other
/// readers allow for.
pub const MAX_COMPRESSED: u32 = 2 * GRAIN_BYTES as u32;

/// Kinds of metadata markers: u64 sectors that follow, u32 zero, u32 kind, pad to a sector.
pub mod marker {
    /// end of stream; the whole sector is zero
    pub const END: u32 = 0;
    /// a grain table follows
    pub const TABLE: u32 = 1;
    /// the grain directory follows
    pub const DIRECTORY: u32 = 2;
    /// the footer follows
    pub const FOOTER: u32 = 3;
}

/// The sparse extent header, also used as footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// format version
    pub version: u32,
    /// `FLAG_…`
    pub flags: u32,
    /// disk size in sectors
    pub capacity: u64,
    /// sectors per grain
    pub grain_sectors: u64,
    /// sector of the descriptor
    pub descriptor_sector: u64,
    /// sectors of the descriptor
    pub descriptor_sectors: u64,
    /// entries per grain table
    pub table_entries: u32,
    /// sector of the redundant directory
    pub redundant_directory: u64,
    /// sector of the directory, or [`DIRECTORY_AT_END`]
    pub directory: u64,
    /// sector of the first grain
    pub overhead: u64,
    /// set while a file is being changed
    pub unclean: u8,
    /// newline detection bytes
    pub newlines: [u8; 4],
    /// compression algorithm
    pub compression: u16,
}

impl Header {
    /// The header of a file in stream layout.
    pub fn stream(capacity: u64) -> Self {
        Header {
            version: VERSION,
            flags: FLAG_NEWLINES | FLAG_COMPRESSED | FLAG_MARKERS,
            capacity,
            grain_sectors: GRAIN_SECTORS,
            descriptor_sector: DESCRIPTOR_SECTOR,
            descriptor_sectors: DESCRIPTOR_SECTORS,
            table_entries: TABLE_ENTRIES as u32,
            redundant_directory: 0,
            directory: DIRECTORY_AT_END,
            overhead: STREAM_OVERHEAD,
            unclean: 0,
            newlines: NEWLINES,
            compression: COMPRESSION_DEFLATE,
        }
    }

    /// As it stands in the file.
    pub fn encode(&self) -> [u8; SECTOR] {
        let mut s = [0u8; SECTOR];
        let mut put = |at: usize, bytes: &[u8]| s[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC.to_le_bytes());
        put(4, &self.version.to_le_bytes());
        put(8, &self.flags.to_le_bytes());
        put(12, &self.capacity.to_le_bytes());
        put(20, &self.grain_sectors.to_le_bytes());
        put(28, &self.descriptor_sector.to_le_bytes());
        put(36, &self.descriptor_sectors.to_le_bytes());
        put(44, &self.table_entries.to_le_bytes());
        put(48, &self.redundant_directory.to_le_bytes());
        put(56, &self.directory.to_le_bytes());
        put(64, &self.overhead.to_le_bytes());
        put(72, &[self.unclean]);
        put(73, &self.newlines);
        put(77, &self.compression.to_le_bytes());
        s
    }

    /// From a sector, or nothing when the magic is another.
    pub fn decode(s: &[u8]) -> Option<Self> {
        if s.len() < SECTOR || u32_at(s, 0) != MAGIC {
            return None;
        }
        Some(Header {
            version: u32_at(s, 4),
            flags: u32_at(s, 8),
            capacity: u64_at(s, 12),
            grain_sectors: u64_at(s, 20),
            descriptor_sector: u64_at(s, 28),
            descriptor_sectors: u64_at(s, 36),
            table_entries: u32_at(s, 44),
            redundant_directory: u64_at(s, 48),
            directory: u64_at(s, 56),
            overhead: u64_at(s, 64),
            unclean: s[72],
            newlines: [s[73], s[74], s[75], s[76]],
            compression: u16_at(s, 77),
        })
    }

    /// Grains of the disk, the last perhaps partial.
    pub fn grains(&self) -> u64 {
        self.capacity.div_ceil(GRAIN_SECTORS)
    }

    /// Grain tables, and so directory entries, of the disk.
    pub fn tables(&self) -> u64 {
        self.grains().div_ceil(TABLE_ENTRIES as u64)
    }

    /// Bytes of the guest's disk in grain `number`.
    pub fn grain_length(&self, number: u64) -> usize {
        let first = number.saturating_mul(GRAIN_SECTORS);
        self.capacity.saturating_sub(first).min(GRAIN_SECTORS) as usize * SECTOR
    }
}

/// A metadata marker's sector.
pub fn marker_sector(kind: u32, sectors: u64) -> [u8; SECTOR] {
    let mut s = [0u8; SECTOR];
    s[..8].copy_from_slice(&sectors.to_le_bytes());
    s[12..16].copy_from_slice(&kind.to_le_bytes());
    s
}

/// A sector at which a marker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Compressed data of `size` bytes follows in the same sector.
    Grain {
        /// first sector on the guest's disk
        lba: u64,
        /// compressed bytes
        size: u32,
    },
    /// Metadata of `sectors` sectors follows.
    Metadata {
        /// `marker::…`, or one not known
        kind: u32,
        /// sectors that follow
        sectors: u64,
    },
}

impl Marker {
    /// From a whole sector.
    pub fn decode(s: &[u8]) -> Self {
        match u32_at(s, 8) {
            0 => Marker::Metadata { kind: u32_at(s, 12), sectors: u64_at(s, 0) },
            size => Marker::Grain { lba: u64_at(s, 0), size },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_header_is_as_the_technote_draws_it() {
        let h = Header::stream(0x64000);
        let bytes = h.encode();
        let expected = "4b444d56030000000100030000400600000000008000000000000000010000000000000014000000\
                        00000000000200000000000000000000ffffffffffffffff8000000000000000000a200d0a0100";
        assert_eq!(hex::encode(&bytes[..79]), expected.replace(' ', ""));
        assert!(bytes[79..].iter().all(|&b| b == 0));
        assert_eq!(Header::decode(&bytes), Some(h));
        assert_eq!(Header::decode(&bytes[..511]), None);
        assert_eq!(Header::decode(&[0; 512]), None);
    }
}
