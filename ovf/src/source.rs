//! Reading at offsets: the one way in which all readers of this crate look at a file, and a window onto part of it.

use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;

/// Bytes that could not be had. Offsets count from the start of the image.
#[derive(Debug, Error)]
#[error("cannot read {needed} bytes of the {what} at offset {offset}")]
pub struct SourceError {
    /// what they belong to
    pub what: &'static str,
    /// byte offset
    pub offset: u64,
    /// bytes wanted
    pub needed: u64,
    /// the cause
    #[source]
    pub source: io::Error,
}

/// Reads exactly `needed` bytes, allocating as they arrive, so that a short file with a large claim costs nothing.
pub fn read_at(
    source: &mut (impl Read + Seek),
    what: &'static str,
    offset: u64,
    needed: u64,
) -> Result<Vec<u8>, SourceError> {
    let failed = |source| SourceError { what, offset, needed, source };
    source.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    source.take(needed).read_to_end(&mut bytes).map_err(failed)?;
    if (bytes.len() as u64) < needed {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// Length in bytes.
pub fn length_of(source: &mut impl Seek) -> Result<u64, SourceError> {
    source.seek(SeekFrom::End(0)).map_err(|source| SourceError { what: "file", offset: 0, needed: 0, source })
}

/// Little-endian u16 at `at`; 0 beyond the end. Callers read the whole structure first.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// Little-endian u32 at `at`; 0 beyond the end.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Little-endian u64 at `at`; 0 beyond the end.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A part of a file that looks like a whole one: an archive's member.
#[derive(Debug)]
pub struct Section<R> {
    inner: R,
    start: u64,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> Section<R> {
    /// The `length` bytes from `start` on.
    pub fn new(inner: R, start: u64, length: u64) -> Self {
        Section { inner, start, length, position: 0 }
    }
}

impl<R: Read + Seek> Read for Section<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = (buffer.len() as u64).min(left) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        self.inner.seek(SeekFrom::Start(self.start + self.position))?;
        let got = self.inner.read(&mut buffer[..wanted])?;
        self.position += got as u64;
        Ok(got)
    }
}

impl<R> Seek for Section<R> {
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
