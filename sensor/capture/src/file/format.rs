//! Layout of capture files: the classic pcap format (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).
//!
//! Numbers are in the byte order of the machine that wrote the file; the magic number tells which. All lengths are in
//! bytes, all offsets count from the start of the structure they are in.

/// Classic pcap, timestamps in microseconds.
pub const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
/// Classic pcap, timestamps in nanoseconds.
pub const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Classic pcap as some old Linux distributions patched it: record headers are 8 bytes longer.
pub const MAGIC_PATCHED: u32 = 0xa1b2_cd34;
/// Block type of a pcapng section header; the same in both byte orders.
pub const BLOCK_SECTION: u32 = 0x0a0d_0d0a;
/// Byte-order magic inside a pcapng section header.
pub const SECTION_ORDER: u32 = 0x1a2b_3c4d;
/// First bytes of a gzip file (RFC 1952).
pub const MAGIC_GZIP: [u8; 2] = [0x1f, 0x8b];
/// First bytes of a zstd file (RFC 8878).
pub const MAGIC_ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Length of the pcap file header: magic, version (2 × 2), two unused words, snapshot length, link type.
pub const PCAP_HEADER: usize = 24;
/// Where the link type stands in it; its low 16 bits are the type, the rest tells of frame check sequences.
pub const PCAP_LINK_AT: usize = 20;
/// Length of a pcap record header: seconds, fraction, captured length, length on the wire.
pub const PCAP_RECORD: usize = 16;
/// Length of a patched pcap record header: the same, then interface index, protocol, packet type, padding.
pub const PCAP_RECORD_PATCHED: usize = 24;

/// A pcapng block starts with its type and its total length; the length is repeated at its end.
pub const BLOCK_HEAD: usize = 8;
/// Shortest block: head and repeated length.
pub const BLOCK_MIN: usize = 12;
/// Interface description block.
pub const BLOCK_INTERFACE: u32 = 1;
/// Packet block, obsolete but still met.
pub const BLOCK_PACKET: u32 = 2;
/// Simple packet block: no interface number, no timestamp.
pub const BLOCK_SIMPLE: u32 = 3;
/// Enhanced packet block.
pub const BLOCK_ENHANCED: u32 = 6;

/// Fixed part of an interface description's body: link type, reserved, snapshot length.
pub const INTERFACE_FIXED: usize = 8;
/// Fixed part of an enhanced packet's body: interface, timestamp (2 × 4), captured length, length on the wire.
pub const ENHANCED_FIXED: usize = 20;
/// Option that ends a list of options.
pub const OPTION_END: u16 = 0;
/// Interface option: resolution of timestamps. Top bit clear: 10^-n seconds; set: 2^-n seconds.
pub const OPTION_RESOLUTION: u16 = 9;
/// Interface option: seconds to add to every timestamp, signed 64 bits.
pub const OPTION_OFFSET: u16 = 14;

/// Longest frame believed; libpcap's own bound for network link types. A longer one means that the reader is no longer
/// where records begin.
pub const MAX_FRAME: usize = 262_144;
/// Longest pcapng block read whole. Longer ones of a kind that carries no frame are passed over.
pub const MAX_BLOCK: usize = MAX_FRAME + 65_536;
/// Most interfaces of one section that are remembered; frames of further ones are skipped and counted.
pub const MAX_INTERFACES: usize = 4_096;

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Two bytes at `at`. The caller has made sure that they are there.
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let pair = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(pair),
            Self::Big => u16::from_be_bytes(pair),
        }
    }

    /// Four bytes at `at`. The caller has made sure that they are there.
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(four),
            Self::Big => u32::from_be_bytes(four),
        }
    }
}

/// Unit of an interface's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Units of 10^-6 s: nothing to convert.
    Micros,
    /// Units finer than a microsecond, so many of them to one.
    Finer(u64),
    /// Units coarser than a microsecond, of so many each.
    Coarser(u64),
    /// Units of 2^-n s.
    Binary(u32),
}

impl Resolution {
    /// From the option's byte; `None` for one so fine that 64 bits could not hold a date.
    pub fn from_option(value: u8) -> Option<Self> {
        let exponent = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            return (exponent < 64).then_some(Self::Binary(exponent));
        }
        match exponent {
            6 => Some(Self::Micros),
            0..=5 => Some(Self::Coarser(10_u64.pow(6 - exponent))),
            7..=19 => Some(Self::Finer(10_u64.pow(exponent - 6))),
            _ => None,
        }
    }

    /// Ticks as microseconds.
    pub fn micros(self, ticks: u64) -> i64 {
        let micros = match self {
            Self::Micros => ticks,
            Self::Finer(per) => ticks / per,
            Self::Coarser(each) => ticks.saturating_mul(each),
            Self::Binary(shift) => {
                u64::try_from((u128::from(ticks) * 1_000_000) >> shift).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(micros).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_resolution_gives_the_same_second() {
        for (option, ticks) in [(0, 7), (3, 7_000), (6, 7_000_000), (9, 7_000_000_000), (0x80 | 10, 7 << 10)]
        {
            assert_eq!(Resolution::from_option(option).unwrap().micros(ticks), 7_000_000, "option {option}");
        }
        assert_eq!(Resolution::from_option(20), None);
        assert_eq!(Resolution::from_option(0x80 | 64), None);
    }
}
