//! What is on a disk, as far as the data volume needs to know: nothing at all, our own volume, or something.
//!
//! Only reads. A disk counts as blank when its first and last MiBs are zero and so is a sample of what is between:
//! no partition table, file system, RAID or volume manager keeps all of these places empty, and nor does a disk that
//! was written from one end to the other. The layout of ext4's superblock is the kernel documentation's
//! ("ext4 Data Structures and Algorithms", The Super Block).

use std::io::{self, Read, Seek, SeekFrom};

/// Looked at from the start, in bytes. Where file systems, volume managers and partition tables begin is within the first;
/// more of a first boot's processor is better spent.
const HEAD: u64 = 4 << 20;
/// Looked at before the end, in bytes; backup partition tables and RAID superblocks are there.
const TAIL: u64 = 2 << 20;
/// Places looked at in between, evenly spread, and bytes at each.
const SAMPLES: u64 = 2048;
const SAMPLE: u64 = 4096;

/// Read at a time, in bytes.
const PART: u64 = 128 << 10;

/// ext4's superblock is 1 KiB long and 1 KiB from the start.
const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_BYTES: usize = 1024;
const EXT4_MAGIC: u16 = 0xef53;
/// `s_feature_incompat`: block numbers have 64 bits, so the count has a high half.
const INCOMPAT_64BIT: u32 = 0x80;
/// `s_state`: errors were found.
const STATE_ERRORS: u16 = 2;

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing, in none of the places looked at.
    Blank,
    /// An ext4 file system over the whole disk.
    Ext4(Ext4),
    /// Something else.
    Something,
}

/// An ext4 file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4 {
    /// Label.
    pub label: String,
    /// 32 hexadecimal digits.
    pub uuid: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether the kernel has found errors in it.
    pub errors: bool,
}

/// Looks at a disk of so many bytes.
pub fn look(disk: &mut (impl Read + Seek + ?Sized), bytes: u64) -> io::Result<Content> {
    let mut part = vec![0; PART.min(bytes) as usize];
    disk.seek(SeekFrom::Start(0))?;
    disk.read_exact(&mut part)?;
    if let Some(ext4) = ext4(&part) {
        return Ok(Content::Ext4(ext4));
    }
    let mut is_zero_at = |at: u64, length: u64| {
        disk.seek(SeekFrom::Start(at))?;
        let mut left = length;
        while left > 0 {
            let here = &mut part[..left.min(PART) as usize];
            disk.read_exact(here)?;
            // no early end: so the compiler compares many at once
            if here.iter().fold(0, |seen, byte| seen | byte) != 0 {
                return Ok(false);
            }
            left -= here.len() as u64;
        }
        io::Result::Ok(true)
    };
    if !is_zero_at(0, HEAD.min(bytes))? || !is_zero_at(bytes.saturating_sub(TAIL), TAIL.min(bytes))? {
        return Ok(Content::Something);
    }
    let between = bytes.saturating_sub(HEAD + TAIL);
    for n in 0..SAMPLES.min(between / SAMPLE) {
        // whole samples, so that a device with large sectors is read in its own units
        let at = HEAD + between / SAMPLES * n / SAMPLE * SAMPLE;
        if !is_zero_at(at, SAMPLE)? {
            return Ok(Content::Something);
        }
    }
    Ok(Content::Blank)
}

/// The file system whose superblock is in these first bytes of a disk.
fn ext4(head: &[u8]) -> Option<Ext4> {
    let block = head.get(SUPERBLOCK_AT as usize..SUPERBLOCK_AT as usize + SUPERBLOCK_BYTES)?;
    let u16_at = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    if u16_at(0x38) != EXT4_MAGIC {
        return None;
    }
    let high = if u32_at(0x60) & INCOMPAT_64BIT != 0 { u32_at(0x150) } else { 0 };
    let blocks = u64::from(high) << 32 | u64::from(u32_at(0x4));
    // a wild exponent is a damaged superblock, not a file system
    let block_bytes = 1024u64.checked_shl(u32_at(0x18)).filter(|b| (1024..=65536).contains(b))?;
    let label = &block[0x78..0x88];
    let label = &label[..label.iter().position(|b| *b == 0).unwrap_or(label.len())];
    Some(Ext4 {
        label: String::from_utf8_lossy(label).into_owned(),
        uuid: hex::encode(&block[0x68..0x78]),
        bytes: blocks.checked_mul(block_bytes)?,
        errors: u16_at(0x3a) & STATE_ERRORS != 0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Cursor, Write};

    const BYTES: u64 = 40 << 20;

    fn with(places: &[(u64, &[u8])]) -> Content {
        let mut disk = Cursor::new(vec![0; BYTES as usize]);
        for (at, bytes) in places {
            disk.seek(SeekFrom::Start(*at)).unwrap();
            disk.write_all(bytes).unwrap();
        }
        look(&mut disk, BYTES).unwrap()
    }

    #[test]
    fn only_an_empty_disk_is_blank() {
        assert_eq!(with(&[]), Content::Blank);
        // boot sector, GPT, LVM, md superblock, LUKS, backup GPT, and a single byte anywhere at the ends
        let marks: [(u64, &[u8]); 7] = [
            (510, b"\x55\xaa"),
            (512, b"EFI PART"),
            (512, b"LABELONE"),
            (4096, b"\xfc\x4e\x2b\xa9"),
            (0, b"LUKS"),
            (BYTES - 512, b"EFI PART"),
            (BYTES - 1, b"x"),
        ];
        for mark in marks {
            assert_eq!(with(&[mark]), Content::Something, "{mark:?}");
        }
        assert_eq!(with(&[(HEAD, &[1; (BYTES - HEAD - TAIL) as usize])]), Content::Something);
    }

    #[test]
    fn disks_of_any_size_can_be_looked_at() {
        for bytes in [0, 1, 512, 1 << 20, HEAD, HEAD + 1, HEAD + TAIL + 5000] {
            let blank = look(&mut Cursor::new(vec![0; bytes as usize]), bytes).unwrap();
            assert_eq!(blank, Content::Blank, "{bytes}");
        }
        assert!(look(&mut Cursor::new(vec![0; 10]), 20).is_err(), "a disk that is shorter than it says");
    }

    #[test]
    fn a_damaged_superblock_is_something() {
        let mut superblock = [0; 1024];
        superblock[0x38..0x3a].copy_from_slice(&EXT4_MAGIC.to_le_bytes());
        superblock[0x18] = 77;
        assert_eq!(with(&[(1024, &superblock)]), Content::Something);
        superblock[0x18] = 2;
        superblock[4] = 9;
        superblock[0x78..0x81].copy_from_slice(b"eyot-data");
        let Content::Ext4(found) = with(&[(1024, &superblock)]) else { panic!("not recognised") };
        assert_eq!((found.label.as_str(), found.bytes, found.errors), ("eyot-data", 9 * 4096, false));
    }
}
