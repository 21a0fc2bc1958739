//! What the fuzz targets share: image files told as a few pieces in a sea of zeros.
//!
//! A VHDX is 4 MiB long before it holds anything, and nearly all of that is zeros; a fuzzer that has to carry them
//! changes zeros most of the time. So the fuzzer's bytes are read as a list of pieces with their places, and the seeds
//! are written that way. Where a format has checksums, a flag lets the target mend them, so that damage gets past the
//! first check; without the flag the checks themselves are tried.
//!
//! Encoding, little-endian: flags u8, file length in sectors u16, then pieces until the bytes end: sector u16, length in
//! bytes u16, the bytes. A piece that says more than there is gets what there is.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use eyot_image::pass::Control;
use eyot_image::progress::Progress;

/// Unit of places and lengths.
pub const SECTOR: usize = 512;
/// Flag: checksums are to be mended.
pub const MEND: u8 = 1;

/// A file made of pieces; everything between them reads as zeros.
#[derive(Debug, Clone)]
pub struct Pieces {
    length: u64,
    pieces: Vec<(u64, Vec<u8>)>,
    position: u64,
}

impl Pieces {
    /// Flags and file from the fuzzer's bytes; nothing when there are too few.
    pub fn decode(bytes: &[u8]) -> Option<(u8, Self)> {
        let (&[flags, low, high], mut rest) = bytes.split_first_chunk::<3>()?;
        let length = u64::from(u16::from_le_bytes([low, high])) * SECTOR as u64;
        let mut pieces = Vec::new();
        while let Some((&[s0, s1, l0, l1], after)) = rest.split_first_chunk::<4>() {
            let wanted = usize::from(u16::from_le_bytes([l0, l1]));
            let (piece, after) = after.split_at(wanted.min(after.len()));
            pieces.push((u64::from(u16::from_le_bytes([s0, s1])) * SECTOR as u64, piece.to_vec()));
            rest = after;
        }
        Some((flags, Pieces { length, pieces, position: 0 }))
    }

    /// The fuzzer's bytes for a real file: its sectors that are not zero, neighbours joined, trailing zeros left out.
    ///
    /// # Panics
    /// When the file is too long for this encoding (32 MiB) or no whole number of sectors.
    pub fn encode(flags: u8, file: &[u8]) -> Vec<u8> {
        assert!(file.len().is_multiple_of(SECTOR), "{} bytes are no whole number of sectors", file.len());
        let mut out = vec![flags];
        let sectors = u16::try_from(file.len() / SECTOR).expect("the file is shorter than 32 MiB");
        out.extend(sectors.to_le_bytes());
        let empty = |sector: &[u8]| sector.iter().all(|&b| b == 0);
        let mut at = 0;
        while at < file.len() {
            if empty(&file[at..at + SECTOR]) {
                at += SECTOR;
                continue;
            }
            let mut end = at;
            while end < file.len() && end - at < 32 << 10 && !empty(&file[end..end + SECTOR]) {
                end += SECTOR;
            }
            let used = file[at..end].iter().rposition(|&b| b != 0).map_or(at, |last| at + last + 1);
            out.extend(((at / SECTOR) as u16).to_le_bytes());
            out.extend(((used - at) as u16).to_le_bytes());
            out.extend_from_slice(&file[at..used]);
            at = end;
        }
        out
    }

    /// `length` bytes from `at` on, zeros beyond the end.
    pub fn get(&mut self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(at, &mut bytes);
        bytes
    }

    /// Lays `bytes` over what is at `at`.
    pub fn put(&mut self, at: u64, bytes: Vec<u8>) {
        self.pieces.push((at, bytes));
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes the CRC-32C at byte 4 of the `length` bytes at `at` right, as VHDX structures have it.
    pub fn mend_crc32c(&mut self, at: u64, length: usize) {
        let mut bytes = self.get(at, length);
        bytes[4..8].fill(0);
        let crc = crc32c::crc32c(&bytes);
        self.put(at + 4, crc.to_le_bytes().to_vec());
    }

    fn fill(&self, at: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let end = at.saturating_add(buffer.len() as u64);
        for (start, piece) in &self.pieces {
            let (from, to) = (at.max(*start), end.min(start + piece.len() as u64));
            if from < to {
                buffer[(from - at) as usize..(to - at) as usize]
                    .copy_from_slice(&piece[(from - start) as usize..(to - start) as usize]);
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = (buffer.len() as u64).min(left) as usize;
        self.fill(self.position, &mut buffer[..wanted]);
        self.position += wanted as u64;
        Ok(wanted)
    }
}

impl Seek for Pieces {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// One thread, nothing shown.
pub fn control() -> Control {
    Control { threads: 1, progress: Progress::quiet(), interrupted: Arc::new(AtomicBool::new(false)) }
}

/// A file in memory for readers that want one by name; the name is good while the value lives.
///
/// # Panics
/// When there is no room in /dev/shm.
pub fn named_file(pieces: &mut Pieces, name: &str) -> std::path::PathBuf {
    let path = std::path::PathBuf::from(format!("/dev/shm/eyot-fuzz-{name}-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("/dev/shm takes a file");
    file.set_len(pieces.length).expect("/dev/shm takes a sparse file");
    for (at, piece) in &pieces.pieces {
        let end = pieces.length.min(at + piece.len() as u64);
        if *at < end {
            file.seek(SeekFrom::Start(*at)).expect("files can be sought");
            file.write_all(&piece[..(end - at) as usize]).expect("/dev/shm takes a small file");
        }
    }
    path
}
