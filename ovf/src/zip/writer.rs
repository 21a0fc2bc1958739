//! Bytes → a ZIP archive with one member, whose size is known beforehand.
//!
//! What arrives as a block of the pass is there in compressed form already; everything else is compressed here, in pieces
//! of 64 KiB. CRC and compressed size are filled into the header at the end: archives that carry them behind the member
//! instead are refused by some unpackers when they are large.

use std::io::{self, Seek, SeekFrom, Write};

use libdeflater::Compressor;

use super::format::{stamp, Member};
use super::splice::{splice, STREAM_END};
use crate::artefact::Artefact;
use crate::digest::Hashing;
use crate::disk::{is_zero, GRAIN_BYTES};
use crate::pass::{compressor, Packet};

/// Where an image's writer puts its bytes. The default takes a block as it is on the disk.
pub trait BlockOut: Write {
    /// Whether [`Packet::deflated`] must be filled.
    fn wants_deflated(&self) -> bool {
        false
    }

    /// Writes the bytes of a block.
    fn write_block(&mut self, packet: &Packet) -> io::Result<()> {
        self.write_all(&packet.data)
    }
}

impl BlockOut for Artefact {}
impl BlockOut for Vec<u8> {}
impl BlockOut for io::Sink {}
impl<W: Write> BlockOut for Hashing<W> {}
impl<T> BlockOut for io::Cursor<T> where io::Cursor<T>: Write {}

/// A ZIP archive being written.
pub struct ZipWriter<W> {
    out: W,
    member: Member,
    crc: crc32fast::Hasher,
    /// bytes of content so far
    taken: u64,
    /// bytes of compressed content so far
    given: u64,
    compressor: Compressor,
    /// 64 KiB of zeros, compressed
    zeros: Vec<u8>,
}

impl<W: Write + Seek> ZipWriter<W> {
    /// Begins an archive whose member `name` will have `size` bytes and the date `mtime`, in seconds since 1970.
    pub fn new(mut out: W, name: &str, size: u64, mtime: u64) -> io::Result<Self> {
        let too_long =
            || io::Error::new(io::ErrorKind::InvalidInput, "the member's name is longer than a ZIP takes");
        u16::try_from(name.len()).map_err(|_| too_long())?;
        let member = Member { name: name.to_owned(), stamp: stamp(mtime), crc: 0, compressed: 0, size };
        out.write_all(&member.local_header())?;
        let mut compressor = compressor();
        let mut zeros = Vec::new();
        deflate(&mut compressor, &[0; GRAIN_BYTES as usize], &mut zeros)?;
        Ok(ZipWriter { out, member, crc: crc32fast::Hasher::new(), taken: 0, given: 0, compressor, zeros })
    }

    /// Ends the archive; gives back what it was written to and the archive's length in bytes.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        if self.taken != self.member.size {
            let said = format!("{} bytes were announced, {} came", self.member.size, self.taken);
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        self.put(&STREAM_END)?;
        let header = self.member.local_header().len() as u64;
        let member = Member { crc: self.crc.finalize(), compressed: self.given, ..self.member };
        let end = header + self.given;
        let tail = member.tail(end);
        self.out.write_all(&tail)?;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&member.local_header())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok((self.out, end + tail.len() as u64))
    }
}

impl<W: Write> ZipWriter<W> {
    fn took(&mut self, content: &[u8]) {
        self.crc.update(content);
        self.taken += content.len() as u64;
    }

    fn put(&mut self, compressed: &[u8]) -> io::Result<()> {
        self.given += compressed.len() as u64;
        self.out.write_all(compressed)
    }
}

impl<W: Write> Write for ZipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(GRAIN_BYTES as usize)];
        if piece.len() == GRAIN_BYTES as usize && is_zero(piece) {
            self.given += self.zeros.len() as u64;
            self.out.write_all(&self.zeros)?;
        } else {
            let mut compressed = Vec::new();
            deflate(&mut self.compressor, piece, &mut compressed)?;
            self.put(&compressed)?;
        }
        self.took(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> BlockOut for ZipWriter<W> {
    fn wants_deflated(&self) -> bool {
        true
    }

    fn write_block(&mut self, packet: &Packet) -> io::Result<()> {
        self.took(&packet.data);
        self.put(&packet.deflated)
    }
}

/// Appends `bytes` as a piece of a deflate stream.
fn deflate(compressor: &mut Compressor, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = vec![0; compressor.deflate_compress_bound(bytes.len())];
    let broken = || io::Error::other("libdeflate gave a stream that is none");
    let length = compressor.deflate_compress(bytes, &mut piece).map_err(|_| broken())?;
    splice(&piece[..length], out).ok_or_else(broken)
}
