//! The first look at a disk: which blocks and grains hold anything, and what its content is called.
//!
//! Everything written later follows from this: an image's identifiers come from [`ContentId`], so the same content
//! gives the same bytes however sparse the file was; a VHDX's block table and an OVF's `populatedSize` are known
//! before the first byte is written, so every artefact is written from front to back. The second reading is checked
//! against the hashes kept here. Memory: 32 bytes per MiB of data.

use std::ops::Range;

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::{is_zero, Disk, BLOCK_BYTES, GRAIN_BYTES};
use crate::pass::{in_order, Control, PassError};

/// Goes in front of what is hashed, so that another way of hashing gets another name for the same disk.
const CONTENT_ID_DOMAIN: &[u8] = b"eyot disk content, version 2\0";

/// SHA-256 over the disk's size and the hash of each block that is not all zeros, with its number. Blocks are
/// hashed apart so that all processors take part.
///
/// It tells disks apart that differ by chance or by work, and vouches for nothing: a block's hash is XXH3, which is as
/// fast as memory and withstands no one who looks for two blocks with the same. What vouches for an image is its
/// checksum and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentId(pub [u8; 32]);

/// A block that holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0.
    pub index: u32,
    /// [`block_hash`] of its bytes.
    pub hash: u128,
    /// Bit n is set when grain n of the block is not all zeros.
    pub grains: u16,
}

/// What the first look found.
#[derive(Debug, Clone)]
pub struct Survey {
    size: u64,
    content: ContentId,
    blocks: Vec<Block>,
}

impl Survey {
    /// Reads all data of `disk` once.
    pub fn of(disk: &dyn Disk, control: &Control) -> Result<Self, PassError> {
        let size = disk.size();
        let phase = control.progress.phase("surveying", size);
        let mut hash = Sha256::new();
        hash.update(CONTENT_ID_DOMAIN);
        hash.update(size.to_le_bytes());
        let mut blocks = Vec::new();
        let buffer = || vec![0u8; BLOCK_BYTES as usize];
        let look = |buffer: &mut Vec<u8>, index: u32| -> Result<Option<Block>, PassError> {
            let range = block_range(index, size);
            let bytes = &mut buffer[..(range.end - range.start) as usize];
            disk.read_at(bytes, range.start)?;
            Ok(describe(index, bytes))
        };
        in_order(control, DataBlocks::of(disk), buffer, look, |found| {
            if let Some(block) = found {
                hash.update(u64::from(block.index).to_le_bytes());
                hash.update(block.hash.to_le_bytes());
                blocks.push(block);
                phase.at(block_range(block.index, size).end);
            }
            Ok(())
        })?;
        disk.check_unchanged()?;
        phase.done();
        Ok(Survey { size, content: ContentId(hash.finalize().into()), blocks })
    }

    /// The disk's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content's name.
    pub fn content(&self) -> &ContentId {
        &self.content
    }

    /// The blocks that hold something, ascending.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How many blocks the disk has, the last perhaps partial.
    pub fn block_count(&self) -> u64 {
        self.size.div_ceil(BLOCK_BYTES)
    }

    /// Bytes in grains that hold something: what a thin import of the disk takes.
    pub fn populated_bytes(&self) -> u64 {
        let last = (self.size - 1) / GRAIN_BYTES;
        let partial = self.size - last * GRAIN_BYTES;
        self.blocks
            .iter()
            .map(|b| {
                let full = u64::from(b.grains.count_ones()) * GRAIN_BYTES;
                let first = u64::from(b.index) * super::GRAINS_PER_BLOCK;
                let holds_last = last >= first
                    && last < first + super::GRAINS_PER_BLOCK
                    && b.grains & (1 << (last - first)) != 0;
                if holds_last {
                    full - GRAIN_BYTES + partial
                } else {
                    full
                }
            })
            .sum()
    }
}

/// The bytes of block `index` on a disk of `size` bytes.
pub fn block_range(index: u32, size: u64) -> Range<u64> {
    let start = u64::from(index) * BLOCK_BYTES;
    start..(start + BLOCK_BYTES).min(size)
}

/// XXH3 with 128 bits of a block's bytes: the same on every machine.
pub fn block_hash(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

fn describe(index: u32, bytes: &[u8]) -> Option<Block> {
    let grains = bytes.chunks(GRAIN_BYTES as usize).enumerate().fold(0u16, |set, (n, grain)| {
        if is_zero(grain) {
            set
        } else {
            set | 1 << n
        }
    });
    (grains != 0).then(|| Block { index, hash: block_hash(bytes), grains })
}

/// The numbers of all blocks that may hold data, ascending, found hole by hole as they are asked for.
struct DataBlocks<'a> {
    disk: &'a dyn Disk,
    ready: Range<u32>,
    from: u64,
}

impl<'a> DataBlocks<'a> {
    fn of(disk: &'a dyn Disk) -> Self {
        DataBlocks { disk, ready: 0..0, from: 0 }
    }
}

impl Iterator for DataBlocks<'_> {
    type Item = Result<u32, PassError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            let data = match self.disk.next_data(self.from) {
                Ok(found) => found?,
                Err(error) => return Some(Err(error.into())),
            };
            let first = data.start / BLOCK_BYTES;
            let end = data.end.div_ceil(BLOCK_BYTES);
            // The next question starts at a block boundary, so no block is named twice.
            self.from = end * BLOCK_BYTES;
            self.ready = first as u32..end as u32;
        }
        self.ready.next().map(Ok)
    }
}
