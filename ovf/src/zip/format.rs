//! Layout of a ZIP archive with one member (APPNOTE 6.3, sections 4.3 to 4.5). Numbers are little-endian.

/// From this size on the member has ZIP64 fields. Below the 4 GiB at which they become necessary, because how large the
/// compressed member gets is not known when the header is written.
pub const LARGE_FROM: u64 = 3 << 30;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LARGE_END: u32 = 0x0606_4b50;
const LARGE_END_LOCATOR: u32 = 0x0706_4b50;
/// Version needed: 2.0 for deflate, 4.5 for ZIP64.
const VERSION_DEFLATE: u16 = 20;
const VERSION_LARGE: u16 = 45;
/// Upper half of "version made by": Unix, so that the mode is believed.
const MADE_BY_UNIX: u16 = 3 << 8;
/// Bit 11: the name is UTF-8.
const FLAG_UTF8: u16 = 1 << 11;
const METHOD_DEFLATE: u16 = 8;
/// The extra field of ZIP64.
const EXTRA_LARGE: u16 = 1;
/// A regular file, readable by all.
const MODE: u32 = 0o100_644;
/// In the place of a number that stands in the ZIP64 field.
const ELSEWHERE: u32 = u32::MAX;
/// 1 January 1980, the earliest date that the format knows.
const EARLIEST: (u16, u16) = (0, (1 << 5) | 1);

/// The member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// its name, UTF-8
    pub name: String,
    /// time and date as DOS has them
    pub stamp: (u16, u16),
    /// CRC-32 of the content
    pub crc: u32,
    /// bytes in the archive
    pub compressed: u64,
    /// bytes of the content
    pub size: u64,
}

impl Member {
    fn large(&self) -> bool {
        self.size >= LARGE_FROM
    }

    fn version(&self) -> u16 {
        if self.large() {
            VERSION_LARGE
        } else {
            VERSION_DEFLATE
        }
    }

    fn narrow(&self, number: u64) -> u32 {
        if self.large() {
            ELSEWHERE
        } else {
            number as u32
        }
    }

    fn extra(&self) -> Vec<u8> {
        if !self.large() {
            return Vec::new();
        }
        let mut extra = Vec::new();
        extra.extend(EXTRA_LARGE.to_le_bytes());
        extra.extend(16u16.to_le_bytes());
        extra.extend(self.size.to_le_bytes());
        extra.extend(self.compressed.to_le_bytes());
        extra
    }

    /// The fields that both headers have, from "version needed" to the length of the extra field.
    fn common(&self) -> Vec<u8> {
        let mut b = Vec::new();
        for number in [self.version(), FLAG_UTF8, METHOD_DEFLATE, self.stamp.0, self.stamp.1] {
            b.extend(number.to_le_bytes());
        }
        for number in [self.crc, self.narrow(self.compressed), self.narrow(self.size)] {
            b.extend(number.to_le_bytes());
        }
        b.extend((self.name.len() as u16).to_le_bytes());
        b.extend((self.extra().len() as u16).to_le_bytes());
        b
    }

    /// What stands before the content; its length depends on name and size only.
    pub fn local_header(&self) -> Vec<u8> {
        let mut b = LOCAL_HEADER.to_le_bytes().to_vec();
        b.extend(self.common());
        b.extend(self.name.as_bytes());
        b.extend(self.extra());
        b
    }

    /// What stands after the content, which ends at `end`: the directory of one member and its end record.
    pub fn tail(&self, end: u64) -> Vec<u8> {
        let mut b = CENTRAL_HEADER.to_le_bytes().to_vec();
        b.extend((MADE_BY_UNIX | self.version()).to_le_bytes());
        b.extend(self.common());
        b.extend([0; 6]); // no comment, first volume, no internal attributes
        b.extend((MODE << 16).to_le_bytes());
        b.extend(0u32.to_le_bytes()); // the member stands at the archive's start
        b.extend(self.name.as_bytes());
        b.extend(self.extra());
        let directory = b.len() as u64;
        if self.large() {
            let record = end + directory;
            b.extend(LARGE_END.to_le_bytes());
            b.extend(44u64.to_le_bytes()); // bytes of the record that follow
            b.extend((MADE_BY_UNIX | VERSION_LARGE).to_le_bytes());
            b.extend(VERSION_LARGE.to_le_bytes());
            b.extend([0; 8]); // this volume, the directory's volume
            for number in [1, 1, directory, end] {
                b.extend(number.to_le_bytes());
            }
            b.extend(LARGE_END_LOCATOR.to_le_bytes());
            b.extend(0u32.to_le_bytes());
            b.extend(record.to_le_bytes());
            b.extend(1u32.to_le_bytes()); // volumes
        }
        b.extend(END.to_le_bytes());
        b.extend([0; 4]);
        for number in [1u16, 1] {
            b.extend(number.to_le_bytes());
        }
        b.extend((directory as u32).to_le_bytes());
        b.extend(self.narrow(end).to_le_bytes());
        b.extend(0u16.to_le_bytes());
        b
    }
}

/// DOS time and date (two-second steps, from 1980 to 2107) of seconds since 1970, in UTC.
pub fn stamp(seconds: u64) -> (u16, u16) {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let Some(years) = year.checked_sub(1980) else { return EARLIEST };
    let years = years.min(127) as u16;
    let time = ((of_day / 3600) << 11) | ((of_day / 60 % 60) << 5) | (of_day % 60 / 2);
    (time as u16, (years << 9) | ((month as u16) << 5) | day as u16)
}

/// Year, month and day of a day since 1970, counted in eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_dos() {
        assert_eq!(stamp(0), (0, 0x21));
        assert_eq!(stamp(1_577_836_800), (0, (40 << 9) | (1 << 5) | 1)); // 2020-01-01
        assert_eq!(stamp(1_709_251_199), ((23 << 11) | (59 << 5) | 29, (44 << 9) | (2 << 5) | 29));
        // 2024-02-29 23:59:59
    }
}
