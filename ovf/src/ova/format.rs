//! Layout of a ustar header (POSIX.1-1988), with the base-256 sizes of GNU tar for members beyond 8 GiB. vSphere reads
//! those; it does not read PAX records, so none are ever written.

/// Header and padding unit in bytes.
pub const BLOCK: usize = 512;
/// The largest size that eleven octal digits hold.
pub const MAX_OCTAL_SIZE: u64 = 0o77_777_777_777;
/// Longest member name.
pub const MAX_NAME: usize = 99;

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..263;
const VERSION: std::ops::Range<usize> = 263..265;
const PREFIX: std::ops::Range<usize> = 345..500;

/// A member's header as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// the name, prefix included
    pub name: String,
    /// bytes that follow
    pub size: u64,
    /// '0' or NUL for a file, 'x' and 'g' for PAX records, 'L' for a GNU long name…
    pub kind: u8,
    /// whether the size is in base 256
    pub large: bool,
    /// "ustar\0"
    pub ustar: bool,
}

/// The header of a regular file, mode 0644, owned by user and group 0. `name` is at most [`MAX_NAME`] bytes.
pub fn encode(name: &str, size: u64, mtime: u64) -> [u8; BLOCK] {
    debug_assert!(name.len() <= MAX_NAME);
    let mut h = [0u8; BLOCK];
    h[NAME][..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut h[MODE], 0o644);
    octal(&mut h[UID], 0);
    octal(&mut h[GID], 0);
    if size <= MAX_OCTAL_SIZE {
        octal(&mut h[SIZE], size);
    } else {
        h[SIZE][0] = 0x80;
        h[SIZE][4..].copy_from_slice(&size.to_be_bytes());
    }
    octal(&mut h[MTIME], mtime);
    h[TYPE] = b'0';
    h[MAGIC].copy_from_slice(b"ustar\0");
    h[VERSION].copy_from_slice(b"00");
    let sum = checksum(&h);
    // Six digits, NUL, space: the one field of its own shape.
    octal(&mut h[CHECKSUM][..7], sum);
    h[CHECKSUM.end - 1] = b' ';
    h
}

/// From a block; nothing when the checksum does not match or a number is malformed.
pub fn decode(h: &[u8]) -> Option<Header> {
    if h.len() != BLOCK || parse_octal(&h[CHECKSUM])? != checksum(h) {
        return None;
    }
    let large = h[SIZE][0] & 0x80 != 0;
    let size = if large {
        // Bits beyond 64 would be a size no file has.
        if h[SIZE][0] != 0x80 || h[SIZE][1..4] != [0; 3] {
            return None;
        }
        u64::from_be_bytes(h[SIZE][4..].try_into().ok()?)
    } else {
        parse_octal(&h[SIZE])?
    };
    let ustar = &h[MAGIC] == b"ustar\0";
    let text = |r: std::ops::Range<usize>| {
        let field = &h[r];
        let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let prefix = if ustar { text(PREFIX) } else { String::new() };
    let name = if prefix.is_empty() { text(NAME) } else { format!("{prefix}/{}", text(NAME)) };
    Some(Header { name, size, kind: h[TYPE], large, ustar })
}

fn checksum(h: &[u8]) -> u64 {
    h.iter().enumerate().map(|(n, &b)| u64::from(if CHECKSUM.contains(&n) { b' ' } else { b })).sum()
}

/// Zero-padded octal digits with a NUL at the end.
fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}\0");
    field.copy_from_slice(text.as_bytes());
}

fn parse_octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_around_eight_gib() {
        for (size, large) in
            [(0, false), (MAX_OCTAL_SIZE, false), (MAX_OCTAL_SIZE + 1, true), (u64::MAX, true)]
        {
            let header = decode(&encode("a.vmdk", size, 1_577_836_800)).unwrap();
            assert_eq!((header.size, header.large, header.name.as_str()), (size, large, "a.vmdk"));
        }
        let mut bent = encode("a", 1, 0);
        bent[0] ^= 1;
        assert_eq!(decode(&bent), None);
    }
}
