//! A VHDX without a parent → its size, parameters and blocks. Takes any bytes without panicking; keeps the block table
//! in memory (8 bytes per block, bounded).

use std::io::{Read, Seek};

use serde::Serialize;
use uuid::Uuid;

use super::error::VhdxError;
use super::format::{
    bat_entries, bat_index, chunk_ratio, decode_metadata, decode_regions, guid_at, split_bat_entry, state,
    Header, Item, Region, BLOCK_SIZES, CREATOR_BYTES, FILE_SIGNATURE, HEADER_BYTES, HEADER_OFFSETS,
    HEADER_VERSION, ITEM_DISK_ID, ITEM_DISK_SIZE, ITEM_FILE_PARAMETERS, ITEM_LOGICAL_SECTOR,
    ITEM_PARENT_LOCATOR, ITEM_PHYSICAL_SECTOR, MAX_DISK, METADATA_REQUIRED, METADATA_TABLE_BYTES,
    PARAMETER_FIXED, PARAMETER_HAS_PARENT, REGION_BAT, REGION_METADATA, REGION_TABLE_BYTES,
    REGION_TABLE_OFFSETS,
};
use crate::source::{length_of, read_at, u32_at, u64_at};

/// Largest metadata item read; the known ones have at most 16 bytes.
const MAX_ITEM_BYTES: u32 = 1 << 20;

/// What the table says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockState {
    /// Reads as zeros. The number is the state in the table: 0 to 3.
    Zeros(u8),
    /// Stored at this offset.
    Stored(u64),
    /// A state that a disk without a parent cannot have, with the number.
    Illegal(u8),
}

/// An opened VHDX.
#[derive(Debug)]
pub struct Vhdx<R> {
    source: R,
    pub(super) length: u64,
    creator: String,
    pub(super) header: Header,
    pub(super) regions: Vec<Region>,
    pub(super) items: Vec<Item>,
    disk_size: u64,
    block_size: u64,
    fixed: bool,
    disk_id: Uuid,
    logical_sector: u32,
    physical_sector: u32,
    ratio: u64,
    table: Vec<u64>,
}

/// What `inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VhdxInfo {
    /// always "vhdx"
    pub format: &'static str,
    /// who wrote it
    pub creator: String,
    /// disk size in bytes
    pub capacity_bytes: u64,
    /// file length in bytes
    pub file_bytes: u64,
    /// block size in bytes
    pub block_bytes: u64,
    /// blocks stored
    pub blocks_stored: u64,
    /// blocks of the disk
    pub blocks_total: u64,
    /// a fixed disk
    pub fixed: bool,
    /// bytes
    pub logical_sector: u32,
    /// bytes
    pub physical_sector: u32,
    /// SCSI page 83 identity
    pub disk_id: Uuid,
    /// whether the log would have to be replayed
    pub log_is_clean: bool,
}

impl<R: Read + Seek> Vhdx<R> {
    /// Reads all structures.
    pub fn open(mut source: R) -> Result<Self, VhdxError> {
        let length = length_of(&mut source)?;
        let identifier =
            read_at(&mut source, "file identifier", 0, (FILE_SIGNATURE.len() + CREATOR_BYTES) as u64)?;
        if !identifier.starts_with(FILE_SIGNATURE) {
            return Err(VhdxError::NotVhdx);
        }
        let units: Vec<u16> = identifier[FILE_SIGNATURE.len()..]
            .chunks_exact(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]))
            .take_while(|&u| u != 0)
            .collect();
        let header = Self::current_header(&mut source)?;
        if header.version != HEADER_VERSION {
            return Err(unsupported("header version", header.version));
        }
        let regions = Self::region_table(&mut source)?;
        let region = |kind| regions.iter().find(|r| r.kind == kind).copied();
        if let Some(unknown) =
            regions.iter().find(|r| r.required && r.kind != REGION_BAT && r.kind != REGION_METADATA)
        {
            return Err(unsupported("required region", unknown.kind));
        }
        let missing = |what| VhdxError::Damaged {
            what,
            offset: REGION_TABLE_OFFSETS[0],
            detail: "there is none".into(),
        };
        let metadata = region(REGION_METADATA).ok_or_else(|| missing("metadata region"))?;
        let bat = region(REGION_BAT).ok_or_else(|| missing("block table region"))?;

        let table = read_at(&mut source, "metadata table", metadata.offset, METADATA_TABLE_BYTES as u64)?;
        let items = decode_metadata(&table).ok_or_else(|| VhdxError::Damaged {
            what: "metadata table",
            offset: metadata.offset,
            detail: "its signature or count is wrong".into(),
        })?;
        let mut vhdx = Vhdx {
            source,
            length,
            creator: String::from_utf16_lossy(&units),
            header,
            regions,
            items,
            disk_size: 0,
            block_size: 0,
            fixed: false,
            disk_id: Uuid::nil(),
            logical_sector: 0,
            physical_sector: 0,
            ratio: 0,
            table: Vec::new(),
        };
        vhdx.parameters(metadata)?;
        vhdx.block_table(bat)?;
        Ok(vhdx)
    }

    fn current_header(source: &mut R) -> Result<Header, VhdxError> {
        let mut best: Option<Header> = None;
        for offset in HEADER_OFFSETS {
            let bytes = read_at(source, "header", offset, HEADER_BYTES as u64)?;
            if let Some(header) = Header::decode(&bytes) {
                if best.is_none_or(|b| b.sequence < header.sequence) {
                    best = Some(header);
                }
            }
        }
        best.ok_or(VhdxError::Damaged {
            what: "header",
            offset: HEADER_OFFSETS[0],
            detail: "neither of the two has a valid signature and checksum".into(),
        })
    }

    fn region_table(source: &mut R) -> Result<Vec<Region>, VhdxError> {
        for offset in REGION_TABLE_OFFSETS {
            let bytes = read_at(source, "region table", offset, REGION_TABLE_BYTES as u64)?;
            if let Some(regions) = decode_regions(&bytes) {
                return Ok(regions);
            }
        }
        Err(VhdxError::Damaged {
            what: "region table",
            offset: REGION_TABLE_OFFSETS[0],
            detail: "neither of the two has a valid signature and checksum".into(),
        })
    }

    fn parameters(&mut self, metadata: Region) -> Result<(), VhdxError> {
        const KNOWN: [Uuid; 6] = [
            ITEM_FILE_PARAMETERS,
            ITEM_DISK_SIZE,
            ITEM_DISK_ID,
            ITEM_LOGICAL_SECTOR,
            ITEM_PHYSICAL_SECTOR,
            ITEM_PARENT_LOCATOR,
        ];
        let required = |i: &&Item| i.flags & METADATA_REQUIRED != 0 && !KNOWN.contains(&i.kind);
        if let Some(unknown) = self.items.iter().find(required) {
            return Err(unsupported("required metadata item", unknown.kind));
        }
        let parameters = self.item(metadata, ITEM_FILE_PARAMETERS, 8)?;
        let flags = u32_at(&parameters, 4);
        if flags & PARAMETER_HAS_PARENT != 0 {
            return Err(unsupported("differencing disk", "it needs its parent"));
        }
        self.fixed = flags & PARAMETER_FIXED != 0;
        self.block_size = u64::from(u32_at(&parameters, 0));
        self.disk_size = u64_at(&self.item(metadata, ITEM_DISK_SIZE, 8)?, 0);
        self.disk_id = guid_at(&self.item(metadata, ITEM_DISK_ID, 16)?, 0);
        self.logical_sector = u32_at(&self.item(metadata, ITEM_LOGICAL_SECTOR, 4)?, 0);
        self.physical_sector = u32_at(&self.item(metadata, ITEM_PHYSICAL_SECTOR, 4)?, 0);
        if !BLOCK_SIZES.contains(&self.block_size) || !self.block_size.is_power_of_two() {
            return Err(unsupported("block size", self.block_size));
        }
        for size in [self.logical_sector, self.physical_sector] {
            if size != 512 && size != 4096 {
                return Err(unsupported("sector size", size));
            }
        }
        let whole = self.disk_size.is_multiple_of(u64::from(self.logical_sector));
        if self.disk_size == 0 || self.disk_size > MAX_DISK || !whole {
            return Err(unsupported("disk size", self.disk_size));
        }
        Ok(())
    }

    fn item(&mut self, metadata: Region, kind: Uuid, length: u32) -> Result<Vec<u8>, VhdxError> {
        let item = self.items.iter().find(|i| i.kind == kind).copied();
        let at = metadata.offset.saturating_add(item.map_or(0, |i| u64::from(i.offset)));
        let damaged = |detail: String| VhdxError::Damaged { what: "metadata item", offset: at, detail };
        let item = item.ok_or_else(|| damaged(format!("{kind} is missing")))?;
        if item.length < length || item.length > MAX_ITEM_BYTES {
            return Err(damaged(format!("{kind} is {} bytes long, {length} are needed", item.length)));
        }
        Ok(read_at(&mut self.source, "metadata item", at, u64::from(item.length))?)
    }

    fn block_table(&mut self, bat: Region) -> Result<(), VhdxError> {
        self.ratio = chunk_ratio(u64::from(self.logical_sector), self.block_size);
        let needed = bat_entries(self.blocks(), self.ratio) * 8;
        if u64::from(bat.length) < needed {
            return Err(VhdxError::Damaged {
                what: "block table region",
                offset: bat.offset,
                detail: format!("is {} bytes long, {needed} are needed", bat.length),
            });
        }
        let bytes = read_at(&mut self.source, "block table", bat.offset, needed)?;
        self.table = bytes.chunks_exact(8).map(|e| u64_at(e, 0)).collect();
        Ok(())
    }

    /// Disk size in bytes.
    pub fn capacity(&self) -> u64 {
        self.disk_size
    }

    /// Block size in bytes.
    pub fn block_size(&self) -> u64 {
        self.block_size
    }

    /// Number of blocks, the last perhaps partial.
    pub fn blocks(&self) -> u64 {
        self.disk_size.div_ceil(self.block_size)
    }

    /// Whether the log is empty, so that the file can be read as it is.
    pub fn log_is_clean(&self) -> bool {
        self.header.log.is_nil()
    }

    /// What the table says of block `number`.
    pub fn block_state(&self, number: u64) -> Result<BlockState, VhdxError> {
        let blocks = self.blocks();
        if number >= blocks {
            return Err(VhdxError::NoSuchBlock { number, blocks });
        }
        // The table was read whole, so every block of the disk has its entry.
        let entry = self.table.get(bat_index(number, self.ratio) as usize).copied().unwrap_or_default();
        Ok(match split_bat_entry(entry) {
            (s @ (state::NOT_PRESENT | state::UNDEFINED | state::ZERO | state::UNMAPPED), _) => {
                BlockState::Zeros(s)
            }
            (state::FULLY_PRESENT, offset) => BlockState::Stored(offset),
            (s, _) => BlockState::Illegal(s),
        })
    }

    /// The guest's bytes of block `number`; the disk's last block may be short. Refuses while the log must be replayed.
    pub fn read_block(&mut self, number: u64) -> Result<Vec<u8>, VhdxError> {
        if !self.log_is_clean() {
            return Err(unsupported("log replay", "attach the disk once to Hyper-V, then try again"));
        }
        let state = self.block_state(number)?;
        let length = self.block_size.min(self.disk_size - number * self.block_size);
        match state {
            BlockState::Zeros(_) => Ok(vec![0; length as usize]),
            BlockState::Stored(offset) => Ok(read_at(&mut self.source, "block", offset, length)?),
            BlockState::Illegal(s) => Err(VhdxError::Damaged {
                what: "block table",
                offset: 0,
                detail: format!("block {number} has state {s}, impossible without a parent"),
            }),
        }
    }

    /// Bytes of the file at `offset`, for the verifier.
    pub(super) fn bytes(
        &mut self,
        what: &'static str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, VhdxError> {
        Ok(read_at(&mut self.source, what, offset, length)?)
    }

    /// The sector bitmap slots of the table.
    pub(super) fn bitmap_entries(&self) -> impl Iterator<Item = u64> + '_ {
        let step = self.ratio as usize + 1;
        self.table.iter().skip(self.ratio as usize).step_by(step).copied()
    }

    /// What `inspect` shows.
    pub fn info(&self) -> VhdxInfo {
        let stored = |n: &u64| matches!(self.block_state(*n), Ok(BlockState::Stored(_)));
        VhdxInfo {
            format: "vhdx",
            creator: self.creator.clone(),
            capacity_bytes: self.disk_size,
            file_bytes: self.length,
            block_bytes: self.block_size,
            blocks_stored: (0..self.blocks()).filter(stored).count() as u64,
            blocks_total: self.blocks(),
            fixed: self.fixed,
            logical_sector: self.logical_sector,
            physical_sector: self.physical_sector,
            disk_id: self.disk_id,
            log_is_clean: self.log_is_clean(),
        }
    }
}

fn unsupported(what: &'static str, detail: impl ToString) -> VhdxError {
    VhdxError::Unsupported { what, detail: detail.to_string() }
}
