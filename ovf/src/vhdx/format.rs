//! Layout of a VHDX: where the structures stand, their signatures, identifiers and fields. Numbers are little-endian,
//! offsets and lengths are bytes, GUIDs are stored with their first three fields little-endian.
//!
//! Source: \[MS-VHDX\] sections 2.1 to 2.6.

use uuid::{uuid, Uuid};

use crate::source::{u16_at, u32_at, u64_at};

/// Alignment of everything after the header section.
pub const MIB: u64 = 1 << 20;
/// Length of the slot of each structure in the header section.
pub const SLOT: u64 = 64 << 10;

/// File type identifier: signature, then the creator as 512 bytes of UTF-16.
pub const FILE_SIGNATURE: &[u8; 8] = b"vhdxfile";
/// Bytes of the creator field.
pub const CREATOR_BYTES: usize = 512;
/// Who writes; shown by tools.
pub const CREATOR: &str = "Eyot";

/// Where the two headers stand.
pub const HEADER_OFFSETS: [u64; 2] = [SLOT, 2 * SLOT];
/// Bytes covered by a header's checksum.
pub const HEADER_BYTES: usize = 4096;
/// Header signature.
pub const HEADER_SIGNATURE: &[u8; 4] = b"head";
/// Format version.
pub const HEADER_VERSION: u16 = 1;

/// Where the two region tables stand.
pub const REGION_TABLE_OFFSETS: [u64; 2] = [3 * SLOT, 4 * SLOT];
/// Bytes covered by a region table's checksum.
pub const REGION_TABLE_BYTES: usize = SLOT as usize;
/// Region table signature.
pub const REGION_SIGNATURE: &[u8; 4] = b"regi";
/// Most entries of a region table (MS-VHDX 2.2.3.1).
pub const MAX_REGIONS: u32 = 2047;
/// Region: block allocation table.
pub const REGION_BAT: Uuid = uuid!("2dc27766-f623-4200-9d64-115e9bfd4a08");
/// Region: metadata.
pub const REGION_METADATA: Uuid = uuid!("8b7ca206-4790-4b9a-b8fe-575f050f886e");
/// Region flag: a reader that does not know it must refuse the file.
pub const REGION_REQUIRED: u32 = 1;

/// Metadata table signature.
pub const METADATA_SIGNATURE: &[u8; 8] = b"metadata";
/// Bytes of the metadata table; items start after it.
pub const METADATA_TABLE_BYTES: usize = SLOT as usize;
/// Most metadata items (MS-VHDX 2.6.1.1).
pub const MAX_METADATA: u16 = 2047;
/// Metadata flag: about the virtual disk rather than the file.
pub const METADATA_VIRTUAL_DISK: u32 = 2;
/// Metadata flag: a reader that does not know it must refuse the file.
pub const METADATA_REQUIRED: u32 = 4;

/// Item: block size u32, flags u32.
pub const ITEM_FILE_PARAMETERS: Uuid = uuid!("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
/// Item: disk size u64.
pub const ITEM_DISK_SIZE: Uuid = uuid!("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
/// Item: the disk's identity, a GUID (SCSI page 83).
pub const ITEM_DISK_ID: Uuid = uuid!("beca12ab-b2e6-4523-93ef-c309e000c746");
/// Item: logical sector size u32.
pub const ITEM_LOGICAL_SECTOR: Uuid = uuid!("8141bf1d-a96f-4709-ba47-f233a8faab5f");
/// Item: physical sector size u32.
pub const ITEM_PHYSICAL_SECTOR: Uuid = uuid!("cda348c7-445d-4471-9cc9-e9885251c556");
/// Item: where the parent is; only differencing disks have it.
pub const ITEM_PARENT_LOCATOR: Uuid = uuid!("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
/// File parameter flag: all blocks stay allocated (a fixed disk).
pub const PARAMETER_FIXED: u32 = 1;
/// File parameter flag: a differencing disk.
pub const PARAMETER_HAS_PARENT: u32 = 2;

/// Smallest and largest block size.
pub const BLOCK_SIZES: std::ops::RangeInclusive<u64> = MIB..=256 * MIB;
/// Largest disk.
pub const MAX_DISK: u64 = 64 << 40;

/// States of a payload block: the low three bits of its table entry.
pub mod state {
    /// never written; zeros when there is no parent
    pub const NOT_PRESENT: u8 = 0;
    /// content undefined
    pub const UNDEFINED: u8 = 1;
    /// zeros
    pub const ZERO: u8 = 2;
    /// unmapped by the guest
    pub const UNMAPPED: u8 = 3;
    /// in the file; 7, partly present, is only for disks with a parent
    pub const FULLY_PRESENT: u8 = 6;
}

/// Sector sizes a disk can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectorSize {
    /// 512 bytes
    B512,
    /// 4096 bytes
    B4096,
}

impl SectorSize {
    /// In bytes.
    pub fn bytes(self) -> u32 {
        match self {
            SectorSize::B512 => 512,
            SectorSize::B4096 => 4096,
        }
    }
}

/// One table entry: state and file offset, which is a multiple of 1 MiB.
pub fn bat_entry(state: u8, offset: u64) -> u64 {
    debug_assert!(offset.is_multiple_of(MIB));
    offset | u64::from(state)
}

/// State and file offset of a table entry.
pub fn split_bat_entry(entry: u64) -> (u8, u64) {
    ((entry & 7) as u8, entry & !(MIB - 1))
}

/// Payload blocks after which the table has one sector bitmap slot (MS-VHDX 2.5).
pub fn chunk_ratio(logical_sector: u64, block: u64) -> u64 {
    (1 << 23) * logical_sector / block
}

/// Entries of the table of a disk without a parent that has `blocks` payload blocks.
pub fn bat_entries(blocks: u64, ratio: u64) -> u64 {
    blocks + blocks.saturating_sub(1) / ratio
}

/// Index in the table of payload block `number`.
pub fn bat_index(number: u64, ratio: u64) -> u64 {
    number + number / ratio
}

/// A GUID at `at`; nil beyond the end.
pub fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    let raw = bytes.get(at..at + 16).and_then(|b| b.try_into().ok()).unwrap_or([0; 16]);
    Uuid::from_bytes_le(raw)
}

/// Writes CRC-32C of `bytes` with a zero checksum field into that field, which is at 4 in all structures.
pub fn seal(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let crc = crc32c::crc32c(bytes);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Whether the checksum field is right.
pub fn is_sealed(bytes: &[u8]) -> bool {
    let head = crc32c::crc32c(&bytes[..4]);
    let zeroed = crc32c::crc32c_append(head, &[0; 4]);
    crc32c::crc32c_append(zeroed, &bytes[8..]) == u32_at(bytes, 4)
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// the higher valid one counts
    pub sequence: u64,
    /// changes when the file is opened for writing
    pub file_write: Uuid,
    /// changes when the disk's content changes
    pub data_write: Uuid,
    /// not nil: the log must be replayed
    pub log: Uuid,
    /// log format, 0
    pub log_version: u16,
    /// [`HEADER_VERSION`]
    pub version: u16,
    /// bytes of the log
    pub log_length: u32,
    /// where the log stands
    pub log_offset: u64,
}

impl Header {
    /// As it stands in the file, sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut b = vec![0u8; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| b[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, HEADER_SIGNATURE);
        put(8, &self.sequence.to_le_bytes());
        put(16, &self.file_write.to_bytes_le());
        put(32, &self.data_write.to_bytes_le());
        put(48, &self.log.to_bytes_le());
        put(64, &self.log_version.to_le_bytes());
        put(66, &self.version.to_le_bytes());
        put(68, &self.log_length.to_le_bytes());
        put(72, &self.log_offset.to_le_bytes());
        seal(&mut b);
        b
    }

    /// From [`HEADER_BYTES`] bytes; nothing when signature or checksum are wrong.
    pub fn decode(b: &[u8]) -> Option<Self> {
        if b.len() != HEADER_BYTES || !b.starts_with(HEADER_SIGNATURE) || !is_sealed(b) {
            return None;
        }
        Some(Header {
            sequence: u64_at(b, 8),
            file_write: guid_at(b, 16),
            data_write: guid_at(b, 32),
            log: guid_at(b, 48),
            log_version: u16_at(b, 64),
            version: u16_at(b, 66),
            log_length: u32_at(b, 68),
            log_offset: u64_at(b, 72),
        })
    }
}

/// An entry of the region table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// what it is
    pub kind: Uuid,
    /// where it stands
    pub offset: u64,
    /// its length
    pub length: u32,
    /// whether readers must know it
    pub required: bool,
}

/// A region table, sealed.
pub fn encode_regions(regions: &[Region]) -> Vec<u8> {
    let mut b = vec![0u8; REGION_TABLE_BYTES];
    b[..4].copy_from_slice(REGION_SIGNATURE);
    b[8..12].copy_from_slice(&(regions.len() as u32).to_le_bytes());
    for (entry, region) in b[16..].chunks_exact_mut(32).zip(regions) {
        entry[..16].copy_from_slice(&region.kind.to_bytes_le());
        entry[16..24].copy_from_slice(&region.offset.to_le_bytes());
        entry[24..28].copy_from_slice(&region.length.to_le_bytes());
        entry[28..32].copy_from_slice(&u32::from(region.required).to_le_bytes());
    }
    seal(&mut b);
    b
}

/// The regions of a table; nothing when signature, checksum or count are wrong.
pub fn decode_regions(b: &[u8]) -> Option<Vec<Region>> {
    let count = u32_at(b, 8);
    if b.len() != REGION_TABLE_BYTES
        || !b.starts_with(REGION_SIGNATURE)
        || !is_sealed(b)
        || count > MAX_REGIONS
    {
        return None;
    }
    let region = |e: &[u8]| Region {
        kind: guid_at(e, 0),
        offset: u64_at(e, 16),
        length: u32_at(e, 24),
        required: u32_at(e, 28) & REGION_REQUIRED != 0,
    };
    Some(b[16..].chunks_exact(32).take(count as usize).map(region).collect())
}

/// An entry of the metadata table; `offset` counts from the start of the metadata region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// what it is
    pub kind: Uuid,
    /// where its data stands
    pub offset: u32,
    /// its length
    pub length: u32,
    /// `METADATA_…`
    pub flags: u32,
}

/// A metadata table followed by its items' data, from the first byte after the table on.
pub fn encode_metadata(items: &[(Uuid, u32, Vec<u8>)]) -> Vec<u8> {
    let mut b = vec![0u8; METADATA_TABLE_BYTES];
    b[..8].copy_from_slice(METADATA_SIGNATURE);
    b[10..12].copy_from_slice(&(items.len() as u16).to_le_bytes());
    let mut data = Vec::new();
    for (entry, (kind, flags, bytes)) in b[32..].chunks_exact_mut(32).zip(items) {
        entry[..16].copy_from_slice(&kind.to_bytes_le());
        entry[16..20].copy_from_slice(&((METADATA_TABLE_BYTES + data.len()) as u32).to_le_bytes());
        entry[20..24].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        entry[24..28].copy_from_slice(&flags.to_le_bytes());
        data.extend_from_slice(bytes);
    }
    b.extend(data);
    b
}

/// The items of a metadata table; nothing when signature or count are wrong.
pub fn decode_metadata(b: &[u8]) -> Option<Vec<Item>> {
    let count = u16_at(b, 10);
    if b.len() < METADATA_TABLE_BYTES || !b.starts_with(METADATA_SIGNATURE) || count > MAX_METADATA {
        return None;
    }
    let item = |e: &[u8]| Item {
        kind: guid_at(e, 0),
        offset: u32_at(e, 16),
        length: u32_at(e, 20),
        flags: u32_at(e, 24),
    };
    Some(b[32..METADATA_TABLE_BYTES].chunks_exact(32).take(usize::from(count)).map(item).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn structures_are_read_back_and_damage_is_seen() {
        let header = Header {
            sequence: 7,
            file_write: REGION_BAT,
            data_write: REGION_METADATA,
            log: Uuid::nil(),
            log_version: 0,
            version: 1,
            log_length: 1 << 20,
            log_offset: MIB,
        };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        // MS-VHDX 2.1: GUIDs are in mixed-endian form
        assert_eq!(&bytes[16..20], &[0x66, 0x77, 0xc2, 0x2d]);
        bytes[100] ^= 1;
        assert_eq!(Header::decode(&bytes), None);

        let regions = [Region { kind: REGION_BAT, offset: 3 * MIB, length: 1 << 20, required: true }];
        let mut bytes = encode_regions(&regions);
        assert_eq!(decode_regions(&bytes).unwrap(), regions);
        bytes[60_000] ^= 1;
        assert_eq!(decode_regions(&bytes), None);
    }

    #[test]
    fn table_arithmetic_over_a_chunk_boundary() {
        let ratio = chunk_ratio(512, MIB);
        assert_eq!(ratio, 4096);
        assert_eq!(bat_entries(20_480, ratio), 20_484); // 20 GiB
        assert_eq!(bat_entries(1, ratio), 1);
        assert_eq!(bat_entries(4096, ratio), 4096);
        assert_eq!(bat_entries(4097, ratio), 4098);
        assert_eq!((bat_index(4095, ratio), bat_index(4096, ratio)), (4095, 4097));
        assert_eq!(split_bat_entry(bat_entry(state::FULLY_PRESENT, 5 * MIB)), (6, 5 * MIB));
    }
}
