//! Blocks in ascending order → a streamOptimized VMDK in stream layout, front to back, never seeking.
//!
//! Per 32 MiB of disk that holds anything: its grains, then a marker and their grain table. At the end the directory,
//! the footer (a second header with the directory's place) and one zero sector, which must be the file's last: a
//! reader finds the footer by counting back from the end.

use std::io::{self, Write};

use libdeflater::Compressor;

use super::descriptor;
use super::format::{
    marker, marker_sector, Header, DESCRIPTOR_SECTORS, GRAIN_MARKER, GRAIN_SECTORS, SECTOR, STREAM_OVERHEAD,
    TABLE_ENTRIES, TABLE_SECTORS,
};
use crate::disk::{Survey, GRAINS_PER_BLOCK, SECTOR_BYTES};
use crate::pass::{Packet, PassError, Sink};
use crate::source::u32_at;

const WHAT: &str = "VMDK";

/// Compresses one grain and appends it as it stands in the file: marker, zlib stream, zeros up to the sector.
pub fn append_grain(compressor: &mut Compressor, number: u64, grain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let bound = compressor.zlib_compress_bound(grain.len());
    out.resize(start + GRAIN_MARKER + bound, 0);
    // The bound is a promise of libdeflate; if it broke it, a VMDK with a hole in it must not be the result.
    #[allow(clippy::expect_used)]
    let size = compressor
        .zlib_compress(grain, &mut out[start + GRAIN_MARKER..])
        .expect("a buffer of zlib_compress_bound bytes is large enough");
    out[start..start + 8].copy_from_slice(&(number * GRAIN_SECTORS).to_le_bytes());
    out[start + 8..start + 12].copy_from_slice(&(size as u32).to_le_bytes());
    out.truncate(start + GRAIN_MARKER + size);
    out.resize(start + (out.len() - start).next_multiple_of(SECTOR), 0);
}

/// The deflate stream (RFC 1951) within a grain as [`append_grain`] leaves it; nothing when it is too short to have one.
pub fn deflate_stream(grain: &[u8]) -> Option<&[u8]> {
    // A zlib stream (RFC 1950): two bytes in front, the checksum behind.
    let size = u32_at(grain, 8) as usize;
    grain.get(GRAIN_MARKER + 2..(GRAIN_MARKER + size).checked_sub(4)?)
}

/// A VMDK being written.
#[derive(Debug)]
pub struct StreamWriter<W> {
    out: W,
    header: Header,
    /// sectors written so far
    position: u64,
    directory: Vec<u32>,
    table: Vec<u32>,
    /// which table `table` is
    current: u64,
}

impl<W: Write + Send> StreamWriter<W> {
    /// Writes everything that stands before the first grain.
    pub fn new(out: W, survey: &Survey) -> Result<Self, PassError> {
        let header = Header::stream(survey.size() / SECTOR_BYTES);
        let mut writer = StreamWriter {
            out,
            header,
            position: 0,
            directory: vec![0; header.tables() as usize],
            table: vec![0; TABLE_ENTRIES],
            current: 0,
        };
        let mut front = header.encode().to_vec();
        front.extend(descriptor::text(header.capacity, survey.content()).into_bytes());
        debug_assert!(front.len() <= (1 + DESCRIPTOR_SECTORS as usize) * SECTOR);
        front.resize(STREAM_OVERHEAD as usize * SECTOR, 0);
        writer.put(&front)?;
        Ok(writer)
    }

    /// Writes the rest; gives back the writer and the file's length in bytes.
    pub fn finish(mut self) -> Result<(W, u64), PassError> {
        self.close_table()?;
        let mut tail = Vec::new();
        let mut directory: Vec<u8> = self.directory.iter().flat_map(|e| e.to_le_bytes()).collect();
        directory.resize(directory.len().next_multiple_of(SECTOR), 0);
        tail.extend(marker_sector(marker::DIRECTORY, (directory.len() / SECTOR) as u64));
        let footer = Header { directory: self.position + 1, ..self.header };
        tail.extend(directory);
        tail.extend(marker_sector(marker::FOOTER, 1));
        tail.extend(footer.encode());
        tail.extend(marker_sector(marker::END, 0));
        self.put(&tail)?;
        self.out.flush().map_err(failed)?;
        Ok((self.out, self.position * SECTOR as u64))
    }

    /// Writes the grain table under construction, if it has an entry, and clears it.
    fn close_table(&mut self) -> Result<(), PassError> {
        if self.table.iter().all(|&e| e == 0) {
            return Ok(());
        }
        let mut bytes = marker_sector(marker::TABLE, TABLE_SECTORS).to_vec();
        bytes.extend(self.table.iter().flat_map(|e| e.to_le_bytes()));
        self.directory[self.current as usize] = sector_number(self.position + 1)?;
        self.put(&bytes)?;
        self.table.fill(0);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), PassError> {
        self.out.write_all(bytes).map_err(failed)?;
        self.position += (bytes.len() / SECTOR) as u64;
        Ok(())
    }
}

impl<W: Write + Send> Sink for StreamWriter<W> {
    fn wants_grains(&self) -> bool {
        true
    }

    fn block(&mut self, packet: &Packet) -> Result<(), PassError> {
        // A table covers 32 blocks exactly, so a block never lies in two.
        let first = u64::from(packet.block.index) * GRAINS_PER_BLOCK;
        let table = first / TABLE_ENTRIES as u64;
        if table != self.current {
            self.close_table()?;
            self.current = table;
        }
        let mut at = self.position;
        for (n, &sectors) in packet.grain_sectors.iter().enumerate().filter(|(_, &s)| s > 0) {
            self.table[(first as usize + n) % TABLE_ENTRIES] = sector_number(at)?;
            at += u64::from(sectors);
        }
        self.put(&packet.grains)
    }
}

fn sector_number(sector: u64) -> Result<u32, PassError> {
    u32::try_from(sector).map_err(|_| PassError::TooLarge { what: WHAT, detail: "2 TiB of compressed data" })
}

fn failed(source: io::Error) -> PassError {
    PassError::Write { what: WHAT, source }
}
