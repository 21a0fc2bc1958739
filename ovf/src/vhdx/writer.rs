//! Blocks in ascending order → a VHDX, front to back, never seeking and never skipping.
//!
//! In order: header section (1 MiB), an empty log (1 MiB), metadata (1 MiB), block table (whole MiB), payload blocks.
//! The survey tells beforehand which blocks there will be, so the table is complete when it is written. A dynamic
//! disk's empty blocks get the state Zero, the only one whose very name promises zeros.

use std::io;

use uuid::{uuid, Uuid};

use super::format::{
    bat_entries, bat_entry, chunk_ratio, encode_metadata, encode_regions, state, Header, Region, SectorSize,
    CREATOR, CREATOR_BYTES, FILE_SIGNATURE, HEADER_OFFSETS, HEADER_VERSION, ITEM_DISK_ID, ITEM_DISK_SIZE,
    ITEM_FILE_PARAMETERS, ITEM_LOGICAL_SECTOR, ITEM_PHYSICAL_SECTOR, METADATA_REQUIRED,
    METADATA_VIRTUAL_DISK, MIB, PARAMETER_FIXED, REGION_BAT, REGION_METADATA, REGION_TABLE_OFFSETS,
};
use crate::disk::{ContentId, Survey, BLOCK_BYTES};
use crate::pass::{Packet, PassError, Sink};
use crate::zip::BlockOut;

const WHAT: &str = "VHDX";
/// Name space of the GUIDs made from content; an arbitrary constant of this writer.
const GUID_NAMESPACE: Uuid = uuid!("6b1f5b0e-6f0e-5a5c-9d53-3e1c0a2f7e41");
const LOG_OFFSET: u64 = MIB;
const METADATA_OFFSET: u64 = 2 * MIB;
const BAT_OFFSET: u64 = 3 * MIB;

/// Whether blocks of zeros take room in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// only blocks that hold something are stored
    Dynamic,
    /// every block is stored
    Fixed,
}

/// What can be chosen about a VHDX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// dynamic or fixed
    pub allocation: Allocation,
    /// sector size the guest addresses; 512 with 4096 physical is "512e", 4096 is "4Kn"
    pub logical_sector: SectorSize,
    /// sector size the guest is told the medium has
    pub physical_sector: SectorSize,
}

impl Default for Options {
    /// Hyper-V's own default: dynamic, 512e.
    fn default() -> Self {
        Options {
            allocation: Allocation::Dynamic,
            logical_sector: SectorSize::B512,
            physical_sector: SectorSize::B4096,
        }
    }
}

/// A VHDX being written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    options: Options,
    blocks: u64,
    /// the block that comes next in a fixed disk
    next: u64,
    written: u64,
}

/// Length in bytes that the file will have.
pub fn length(survey: &Survey, options: Options) -> u64 {
    let stored = match options.allocation {
        Allocation::Dynamic => survey.blocks().len() as u64,
        Allocation::Fixed => survey.block_count(),
    };
    BAT_OFFSET + bat_bytes(survey, options) + stored * BLOCK_BYTES
}

/// Bytes of the block table's region.
fn bat_bytes(survey: &Survey, options: Options) -> u64 {
    let ratio = chunk_ratio(u64::from(options.logical_sector.bytes()), BLOCK_BYTES);
    (bat_entries(survey.block_count(), ratio) * 8).next_multiple_of(MIB)
}

impl<W: BlockOut + Send> Writer<W> {
    /// Writes everything that stands before the first block.
    pub fn new(out: W, survey: &Survey, options: Options) -> Result<Self, PassError> {
        let logical = u64::from(options.logical_sector.bytes());
        if !survey.size().is_multiple_of(logical) {
            return Err(PassError::TooLarge {
                what: WHAT,
                detail: "the disk's size is no multiple of the logical sector size",
            });
        }
        let blocks = survey.block_count();
        let ratio = chunk_ratio(logical, BLOCK_BYTES);
        let bat_bytes = bat_bytes(survey, options);
        let regions = [
            Region { kind: REGION_BAT, offset: BAT_OFFSET, length: bat_bytes as u32, required: true },
            Region { kind: REGION_METADATA, offset: METADATA_OFFSET, length: MIB as u32, required: true },
        ];
        let mut front = vec![0u8; BAT_OFFSET as usize];
        let mut put =
            |at: u64, bytes: &[u8]| front[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        put(0, &file_identifier());
        for (n, offset) in (0u64..).zip(HEADER_OFFSETS) {
            put(offset, &header(survey.content(), n).encode());
        }
        for offset in REGION_TABLE_OFFSETS {
            put(offset, &encode_regions(&regions));
        }
        put(METADATA_OFFSET, &metadata(survey, options));

        let mut writer = Writer { out, options, blocks, next: 0, written: 0 };
        writer.put(&front)?;
        writer.table(survey, ratio, BAT_OFFSET + bat_bytes)?;
        let gap = BAT_OFFSET + bat_bytes - writer.written;
        writer.put(&vec![0; gap as usize])?;
        Ok(writer)
    }

    /// Writes what is left of a fixed disk; gives back the writer and the file's length in bytes.
    pub fn finish(mut self) -> Result<(W, u64), PassError> {
        if self.options.allocation == Allocation::Fixed {
            self.zeros_up_to(self.blocks)?;
        }
        self.out.flush().map_err(failed)?;
        Ok((self.out, self.written))
    }

    /// The block table, built and written in pieces: a 64 TiB disk's is half a GiB.
    fn table(&mut self, survey: &Survey, ratio: u64, payload: u64) -> Result<(), PassError> {
        let mut present = survey.blocks().iter().map(|b| u64::from(b.index)).peekable();
        let mut next_offset = payload;
        let mut piece = Vec::with_capacity(MIB as usize);
        for number in 0..self.blocks {
            // One sector bitmap slot follows each full chunk; without a parent it stays empty.
            if number > 0 && number.is_multiple_of(ratio) {
                piece.extend_from_slice(&[0; 8]);
            }
            let stored = self.options.allocation == Allocation::Fixed || present.peek() == Some(&number);
            present.next_if_eq(&number);
            let entry = if stored {
                next_offset += BLOCK_BYTES;
                bat_entry(state::FULLY_PRESENT, next_offset - BLOCK_BYTES)
            } else {
                bat_entry(state::ZERO, 0)
            };
            piece.extend_from_slice(&entry.to_le_bytes());
            if piece.len() >= MIB as usize - 16 {
                self.put(&piece)?;
                piece.clear();
            }
        }
        self.put(&piece)
    }

    fn zeros_up_to(&mut self, block: u64) -> Result<(), PassError> {
        if self.next < block {
            let zeros = vec![0; BLOCK_BYTES as usize];
            while self.next < block {
                self.put(&zeros)?;
                self.next += 1;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), PassError> {
        self.out.write_all(bytes).map_err(failed)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl<W: BlockOut + Send> Sink for Writer<W> {
    fn wants_grains(&self) -> bool {
        false
    }

    fn wants_deflated(&self) -> bool {
        self.out.wants_deflated()
    }

    fn block(&mut self, packet: &Packet) -> Result<(), PassError> {
        if self.options.allocation == Allocation::Fixed {
            self.zeros_up_to(u64::from(packet.block.index))?;
        }
        self.out.write_block(packet).map_err(failed)?;
        self.written += packet.data.len() as u64;
        // A block is always stored whole, also the disk's last.
        let missing = BLOCK_BYTES as usize - packet.data.len();
        if missing > 0 {
            self.put(&vec![0; missing])?;
        }
        self.next = u64::from(packet.block.index) + 1;
        Ok(())
    }
}

fn file_identifier() -> Vec<u8> {
    let mut b = FILE_SIGNATURE.to_vec();
    b.extend(CREATOR.encode_utf16().flat_map(u16::to_le_bytes));
    b.resize(FILE_SIGNATURE.len() + CREATOR_BYTES, 0);
    b
}

fn header(content: &ContentId, sequence: u64) -> Header {
    Header {
        sequence,
        file_write: guid(content, "file write"),
        data_write: guid(content, "data write"),
        log: Uuid::nil(),
        log_version: 0,
        version: HEADER_VERSION,
        log_length: MIB as u32,
        log_offset: LOG_OFFSET,
    }
}

fn metadata(survey: &Survey, options: Options) -> Vec<u8> {
    let fixed = if options.allocation == Allocation::Fixed { PARAMETER_FIXED } else { 0 };
    let parameters = [(BLOCK_BYTES as u32).to_le_bytes(), fixed.to_le_bytes()].concat();
    let disk = METADATA_REQUIRED | METADATA_VIRTUAL_DISK;
    encode_metadata(&[
        (ITEM_FILE_PARAMETERS, METADATA_REQUIRED, parameters),
        (ITEM_DISK_SIZE, disk, survey.size().to_le_bytes().to_vec()),
        (ITEM_DISK_ID, disk, guid(survey.content(), "virtual disk").to_bytes_le().to_vec()),
        (ITEM_LOGICAL_SECTOR, disk, options.logical_sector.bytes().to_le_bytes().to_vec()),
        (ITEM_PHYSICAL_SECTOR, disk, options.physical_sector.bytes().to_le_bytes().to_vec()),
    ])
}

fn guid(content: &ContentId, role: &str) -> Uuid {
    let mut name = role.as_bytes().to_vec();
    name.extend_from_slice(&content.0);
    Uuid::new_v5(&GUID_NAMESPACE, &name)
}

fn failed(source: io::Error) -> PassError {
    PassError::Write { what: WHAT, source }
}
