//! A streamOptimized VMDK → its size, description and grains; stream layout and tables-first layout alike.
//!
//! Takes any bytes without panicking; memory stays below 8 MiB plus one grain, because only the directory is kept.

use std::io::{Read, Seek};

use libdeflater::Decompressor;
use serde::Serialize;

use super::descriptor::Descriptor;
use super::error::VmdkError;
use super::format::{
    marker, Header, Marker, COMPRESSION_DEFLATE, DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS,
    FLAG_ZERO_GRAINS, GRAIN_BYTES, GRAIN_MARKER, GRAIN_SECTORS, MAX_COMPRESSED, SECTOR, TABLE_ENTRIES,
};
use crate::disk::{MAX_DISK_BYTES, SECTOR_BYTES};
use crate::source::{length_of, read_at, u32_at};

/// Where the tables stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// each table after its grains, directory and footer at the end
    Stream,
    /// all tables before the grains
    TablesFirst,
}

/// Most descriptor sectors looked at.
const MAX_DESCRIPTOR_SECTORS: u64 = 2048;

/// An opened VMDK.
pub struct Vmdk<R> {
    source: R,
    length: u64,
    /// as at the front of the file
    pub(super) front: Header,
    /// the one that counts: the footer in stream layout
    pub(super) header: Header,
    layout: Layout,
    descriptor: Descriptor,
    directory: Vec<u32>,
    /// the table read last: which one, and its entries
    table: Option<(u64, Vec<u32>)>,
    inflater: Decompressor,
}

/// What `inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmdkInfo {
    /// always "vmdk"
    pub format: &'static str,
    /// where the tables stand
    pub layout: Layout,
    /// header version
    pub version: u32,
    /// disk size in bytes
    pub capacity_bytes: u64,
    /// file length in bytes
    pub file_bytes: u64,
    /// grains stored
    pub grains_stored: u64,
    /// grains of the disk
    pub grains_total: u64,
    /// descriptor's createType
    pub create_type: Option<String>,
    /// descriptor's CID
    pub cid: Option<String>,
    /// descriptor's ddb.longContentID
    pub long_content_id: Option<String>,
    /// descriptor's ddb.adapterType
    pub adapter_type: Option<String>,
}

impl<R: Read + Seek> Vmdk<R> {
    /// Reads header, footer, descriptor and directory.
    pub fn open(mut source: R) -> Result<Self, VmdkError> {
        let length = length_of(&mut source)?;
        let front = Self::header_at(&mut source, 0)?;
        check_header(&front)?;
        let (header, layout) = if front.directory == DIRECTORY_AT_END {
            (Self::footer(&mut source, length)?, Layout::Stream)
        } else {
            (front, Layout::TablesFirst)
        };
        check_header(&header)?;
        let descriptor = if front.descriptor_sector == 0 {
            Descriptor::default()
        } else {
            let sectors = front.descriptor_sectors.min(MAX_DESCRIPTOR_SECTORS);
            let at = offset(front.descriptor_sector);
            Descriptor::parse(&read_at(&mut source, "descriptor", at, sectors * SECTOR as u64)?)
        };
        let bytes = read_at(&mut source, "grain directory", offset(header.directory), header.tables() * 4)?;
        let directory = bytes.chunks_exact(4).map(|e| u32_at(e, 0)).collect();
        Ok(Vmdk {
            source,
            length,
            front,
            header,
            layout,
            descriptor,
            directory,
            table: None,
            inflater: Decompressor::new(),
        })
    }

    fn header_at(source: &mut R, offset: u64) -> Result<Header, VmdkError> {
        let sector = read_at(source, "header", offset, SECTOR as u64)?;
        Header::decode(&sector).ok_or(VmdkError::NotVmdk { offset })
    }

    /// The footer stands before the file's last sector; its marker before it.
    fn footer(source: &mut R, length: u64) -> Result<Header, VmdkError> {
        let damaged =
            |offset, detail: &str| VmdkError::Damaged { what: "footer", offset, detail: detail.to_owned() };
        let at = length
            .checked_sub(3 * SECTOR as u64)
            .ok_or_else(|| damaged(length, "the file is too short to have one"))?;
        let sector = read_at(source, "footer marker", at, SECTOR as u64)?;
        if Marker::decode(&sector) != (Marker::Metadata { kind: marker::FOOTER, sectors: 1 }) {
            return Err(damaged(
                at,
                "no footer marker three sectors before the end; the file is cut off or padded",
            ));
        }
        Self::header_at(source, at + SECTOR as u64)
    }

    /// Disk size in bytes.
    pub fn capacity(&self) -> u64 {
        self.header.capacity * SECTOR_BYTES
    }

    /// File length in bytes.
    pub fn file_length(&self) -> u64 {
        self.length
    }

    /// Where the tables stand.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The embedded descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Directory entries: the sector of each grain table, 0 for none.
    pub fn directory(&self) -> &[u32] {
        &self.directory
    }

    /// The sector of grain `number`'s marker; nothing when it is all zeros.
    pub fn grain_sector(&mut self, number: u64) -> Result<Option<u64>, VmdkError> {
        let grains = self.header.grains();
        if number >= grains {
            return Err(VmdkError::NoSuchGrain { number, grains });
        }
        let table = number / TABLE_ENTRIES as u64;
        let entry =
            self.table_entries(table)?.map_or(0, |entries| entries[(number % TABLE_ENTRIES as u64) as usize]);
        Ok(match entry {
            0 => None,
            1 if self.header.flags & FLAG_ZERO_GRAINS != 0 => None,
            sector => Some(u64::from(sector)),
        })
    }

    /// The entries of grain table `number`; nothing when the directory has none.
    pub(super) fn table_entries(&mut self, number: u64) -> Result<Option<&[u32]>, VmdkError> {
        let sector = match self.directory.get(number as usize) {
            None | Some(0) => return Ok(None),
            Some(&sector) => u64::from(sector),
        };
        if self.table.as_ref().is_none_or(|(held, _)| *held != number) {
            let bytes = read_at(&mut self.source, "grain table", offset(sector), TABLE_ENTRIES as u64 * 4)?;
            self.table = Some((number, bytes.chunks_exact(4).map(|e| u32_at(e, 0)).collect()));
        }
        Ok(self.table.as_ref().map(|(_, entries)| entries.as_slice()))
    }

    /// The guest's bytes of grain `number`: 64 KiB, or what the disk's last grain has.
    pub fn read_grain(&mut self, number: u64) -> Result<Vec<u8>, VmdkError> {
        let length = self.header.grain_length(number);
        let Some(sector) = self.grain_sector(number)? else { return Ok(vec![0; length]) };
        let at = offset(sector);
        let damaged = |detail: String| VmdkError::Damaged { what: "grain", offset: at, detail };
        match self.marker_at(sector)? {
            Marker::Grain { lba, size } if lba == number * GRAIN_SECTORS => {
                let mut grain = self.inflate(sector, size)?;
                if grain.len() < length {
                    return Err(damaged(format!("inflates to {} bytes, {length} are needed", grain.len())));
                }
                grain.truncate(length);
                Ok(grain)
            }
            other => Err(damaged(format!("expected grain {number}, found {other:?}"))),
        }
    }

    /// The marker in `sector`.
    pub(super) fn marker_at(&mut self, sector: u64) -> Result<Marker, VmdkError> {
        Ok(Marker::decode(&read_at(&mut self.source, "marker", offset(sector), SECTOR as u64)?))
    }

    /// The bytes of a sector.
    pub(super) fn sector(&mut self, sector: u64) -> Result<Vec<u8>, VmdkError> {
        Ok(read_at(&mut self.source, "sector", offset(sector), SECTOR as u64)?)
    }

    /// Inflates the grain whose marker is in `sector` and claims `size` compressed bytes; any length up to a grain.
    pub(super) fn inflate(&mut self, sector: u64, size: u32) -> Result<Vec<u8>, VmdkError> {
        let at = offset(sector);
        let damaged = |detail: String| VmdkError::Damaged { what: "grain", offset: at, detail };
        if size > MAX_COMPRESSED {
            return Err(damaged(format!(
                "claims {size} compressed bytes, over the limit of {MAX_COMPRESSED}"
            )));
        }
        let data = read_at(&mut self.source, "grain", at + GRAIN_MARKER as u64, u64::from(size))?;
        let mut grain = vec![0; GRAIN_BYTES];
        let length = self
            .inflater
            .zlib_decompress(&data, &mut grain)
            .map_err(|e| damaged(format!("does not inflate: {e:?}")))?;
        grain.truncate(length);
        Ok(grain)
    }

    /// Counts the stored grains, reading all tables.
    pub fn info(&mut self) -> Result<VmdkInfo, VmdkError> {
        let mut stored = 0;
        let zero_legal = self.header.flags & FLAG_ZERO_GRAINS != 0;
        for table in 0..self.header.tables() {
            if let Some(entries) = self.table_entries(table)? {
                stored += entries.iter().filter(|&&e| e > 1 || (e == 1 && !zero_legal)).count() as u64;
            }
        }
        let value = |key| self.descriptor.get(key).map(str::to_owned);
        Ok(VmdkInfo {
            format: "vmdk",
            layout: self.layout,
            version: self.front.version,
            capacity_bytes: self.capacity(),
            file_bytes: self.length,
            grains_stored: stored,
            grains_total: self.header.grains(),
            create_type: value("createType"),
            cid: value("CID"),
            long_content_id: value("ddb.longContentID"),
            adapter_type: value("ddb.adapterType"),
        })
    }
}

/// Refuses what this reader does not understand, and what would make its arithmetic meaningless.
fn check_header(h: &Header) -> Result<(), VmdkError> {
    let unsupported = |field, actual, supported| Err(VmdkError::Unsupported { field, actual, supported });
    if !(1..=3).contains(&h.version) {
        return unsupported("header version", u64::from(h.version), "1 to 3");
    }
    if h.flags & FLAG_COMPRESSED == 0 || h.flags & FLAG_MARKERS == 0 {
        return unsupported("header flags", u64::from(h.flags), "compressed grains with markers");
    }
    if h.grain_sectors != GRAIN_SECTORS {
        return unsupported("grain size in sectors", h.grain_sectors, "128");
    }
    if h.table_entries != TABLE_ENTRIES as u32 {
        return unsupported("entries per grain table", u64::from(h.table_entries), "512");
    }
    if h.compression != COMPRESSION_DEFLATE {
        return unsupported("compression algorithm", u64::from(h.compression), "1 (deflate)");
    }
    if h.capacity == 0 || h.capacity > MAX_DISK_BYTES / SECTOR_BYTES {
        return unsupported("capacity in sectors", h.capacity, "1 sector to 64 TiB");
    }
    Ok(())
}

/// Byte offset of a sector; a sector number no file reaches saturates and fails on reading.
fn offset(sector: u64) -> u64 {
    sector.saturating_mul(SECTOR as u64)
}
