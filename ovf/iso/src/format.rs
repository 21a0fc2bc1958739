//! Layout of an ISO 9660 volume (ECMA-119), its Joliet twin and the Rock Ridge fields used here.
//!
//! Offsets and lengths are in bytes unless a name says sectors; a sector is 2048 bytes. Numbers are stored
//! little-endian, big-endian or both, one after the other ("both-byte order", ECMA-119 7.2.3 and 7.3.3).
//! Rock Ridge fields follow the System Use Sharing Protocol (SUSP 1.12, RRIP 1.09) in the tail of directory records.

/// Logical sector and logical block size in bytes.
pub const SECTOR: usize = 2048;

/// First sector of the volume descriptor set; the 16 sectors before are the unused system area.
pub const DESCRIPTOR_SECTOR: u32 = 16;
/// How many descriptors a reader looks at before it gives up finding the terminator.
pub const MAX_DESCRIPTORS: u32 = 32;

/// Standard identifier in every volume descriptor (ECMA-119 8.1.2).
pub const SIGNATURE: &[u8; 5] = b"CD001";
/// Volume descriptor types (ECMA-119 8.1.1).
pub const TYPE_PRIMARY: u8 = 1;
/// Supplementary descriptor: here the Joliet one.
pub const TYPE_SUPPLEMENTARY: u8 = 2;
/// End of the descriptor set.
pub const TYPE_TERMINATOR: u8 = 255;

/// Fields of the primary and supplementary volume descriptors (ECMA-119 8.4, 8.5).
pub mod descriptor {
    /// u8 type
    pub const TYPE: usize = 0;
    /// "CD001"
    pub const SIGNATURE: usize = 1;
    /// u8, 1
    pub const VERSION: usize = 6;
    /// 32 characters
    pub const SYSTEM_ID: usize = 8;
    /// 32 characters
    pub const VOLUME_ID: usize = 40;
    /// both-byte u32, sectors
    pub const VOLUME_SECTORS: usize = 80;
    /// 32 bytes, supplementary descriptor only
    pub const ESCAPES: usize = 88;
    /// both-byte u16
    pub const SET_SIZE: usize = 120;
    /// both-byte u16
    pub const SEQUENCE: usize = 124;
    /// both-byte u16, bytes
    pub const BLOCK_SIZE: usize = 128;
    /// both-byte u32, bytes
    pub const PATH_TABLE_BYTES: usize = 132;
    /// LE u32, sector
    pub const PATH_TABLE_LE: usize = 140;
    /// BE u32, sector
    pub const PATH_TABLE_BE: usize = 148;
    /// 34-byte directory record of the root
    pub const ROOT_RECORD: usize = 156;
    /// volume set, publisher, preparer, application: four fields of 128 characters, then three file names of 37
    pub const TEXTS: usize = 190;
    /// end of the text fields
    pub const TEXTS_END: usize = 813;
    /// application identifier, 128 characters
    pub const APPLICATION_ID: usize = 574;
    /// 17-byte creation date
    pub const CREATED: usize = 813;
    /// 17-byte modification date
    pub const MODIFIED: usize = 830;
    /// 17-byte expiry date, sixteen '0' and a zero byte when unset
    pub const EXPIRES: usize = 847;
    /// 17-byte effective date
    pub const EFFECTIVE: usize = 864;
    /// u8, 1
    pub const STRUCTURE_VERSION: usize = 881;
}

/// Escape sequences that mark a supplementary descriptor as Joliet, UCS-2 levels 1 to 3.
pub const JOLIET_ESCAPES: [&[u8; 3]; 3] = [b"%/@", b"%/C", b"%/E"];
/// The one written: level 3.
pub const JOLIET_LEVEL_3: &[u8; 3] = b"%/E";

/// Fields of a directory record (ECMA-119 9.1). A record has even length and never crosses a sector.
pub mod record {
    /// u8, bytes; 0 means "go on at the next sector"
    pub const LENGTH: usize = 0;
    /// both-byte u32, sector
    pub const EXTENT: usize = 2;
    /// both-byte u32, bytes
    pub const SIZE: usize = 10;
    /// 7 bytes
    pub const DATE: usize = 18;
    /// u8
    pub const FLAGS: usize = 25;
    /// both-byte u16
    pub const SEQUENCE: usize = 28;
    /// u8
    pub const NAME_LENGTH: usize = 32;
    /// the name, a pad byte when its length is even, then the system use area
    pub const NAME: usize = 33;
    /// FLAGS: a directory
    pub const FLAG_DIRECTORY: u8 = 0x02;
    /// FLAGS: more records of the same file follow
    pub const FLAG_MULTI_EXTENT: u8 = 0x80;
}

/// Name of a directory's own record.
pub const NAME_SELF: &[u8] = &[0];
/// Name of the record of a directory's parent.
pub const NAME_PARENT: &[u8] = &[1];

/// Signature, length and version in front of every system use field (SUSP 4.1).
pub const SUSP_HEADER: usize = 4;
/// The NM flag "the name goes on in the next NM field" (RRIP 4.1.4).
pub const NM_CONTINUE: u8 = 0x01;
/// The two bytes with which an SP field proves itself (SUSP 5.3).
pub const SP_CHECK: [u8; 2] = [0xBE, 0xEF];
/// TF flags: modification, access and attribute-change times follow, in the 7-byte form (RRIP 4.1.6).
pub const TF_MODIFY_ACCESS_CHANGE: u8 = 0x02 | 0x04 | 0x08;

/// The ER field's fixed texts for RRIP 1.09, as the protocol prescribes them (RRIP 4.3).
pub const ER_ID: &[u8] = b"RRIP_1991A";
/// Descriptor text belonging to [`ER_ID`].
pub const ER_DESCRIPTOR: &[u8] =
    b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
/// Source text belonging to [`ER_ID`].
pub const ER_SOURCE: &[u8] =
    b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN \
PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";

/// Writes `value` as LE then BE u16.
pub fn put_both_u16(out: &mut [u8], value: u16) {
    out[..2].copy_from_slice(&value.to_le_bytes());
    out[2..4].copy_from_slice(&value.to_be_bytes());
}

/// Writes `value` as LE then BE u32.
pub fn put_both_u32(out: &mut [u8], value: u32) {
    out[..4].copy_from_slice(&value.to_le_bytes());
    out[4..8].copy_from_slice(&value.to_be_bytes());
}

/// The LE half of a both-byte number, or nothing when `bytes` is too short.
pub fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The LE half of a both-byte u16, or nothing when `bytes` is too short.
pub fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

/// A UTC calendar date in the two spellings ISO 9660 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Date {
    /// 1970-01-01T00:00:00Z
    pub const EPOCH: Date = Date { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0 };

    /// From seconds since 1970-01-01T00:00:00Z; nothing when beyond the year 2155, the last a record can hold.
    pub fn from_unix(seconds: u64) -> Option<Self> {
        const DAY: u64 = 86_400;
        let (mut days, rest) = (seconds / DAY, seconds % DAY);
        let leap = |y: u64| (y.is_multiple_of(4) && !y.is_multiple_of(100)) || y.is_multiple_of(400);
        let mut year = 1970u64;
        loop {
            let length = if leap(year) { 366 } else { 365 };
            if days < length {
                break;
            }
            days -= length;
            year += 1;
            if year > 2155 {
                return None;
            }
        }
        let february = if leap(year) { 29 } else { 28 };
        let mut month = 1u8;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        Some(Date {
            year: year as u16,
            month,
            day: days as u8 + 1,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        })
    }

    /// The 7-byte form of directory records and TF fields (ECMA-119 9.1.5); offset from UTC zero.
    pub fn short(self) -> [u8; 7] {
        [(self.year - 1900) as u8, self.month, self.day, self.hour, self.minute, self.second, 0]
    }

    /// The 17-byte form of volume descriptors (ECMA-119 8.4.26.1): digits, hundredths, offset from UTC zero.
    pub fn long(self) -> [u8; 17] {
        let text = format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}00\0",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        );
        let mut out = [0; 17];
        out.copy_from_slice(text.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dates_over_leap_days_and_the_last_year() {
        assert_eq!(Date::from_unix(0).unwrap().short(), [70, 1, 1, 0, 0, 0, 0]);
        // 2000-02-29T23:59:59Z and the second after
        assert_eq!(Date::from_unix(951_868_799).unwrap().short(), [100, 2, 29, 23, 59, 59, 0]);
        assert_eq!(Date::from_unix(951_868_800).unwrap().short(), [100, 3, 1, 0, 0, 0, 0]);
        assert_eq!(&Date::from_unix(1_700_000_000).unwrap().long(), b"2023111422132000\0");
        // 2155-12-31T23:59:59Z is the last that fits
        assert_eq!(Date::from_unix(5_869_583_999).unwrap().short(), [255, 12, 31, 23, 59, 59, 0]);
        assert_eq!(Date::from_unix(5_869_584_000), None);
        assert_eq!(Date::from_unix(u64::MAX), None);
    }
}
