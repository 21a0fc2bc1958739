//! Deflate streams joined into one (RFC 1951).
//!
//! libdeflate ends every stream with a block marked as the last, somewhere within a byte. To go on with another stream
//! that mark has to be taken away and the next byte reached; for both one must know where the last block begins and ends,
//! which only walking the stream tells. The walk looks up how many bits each symbol takes and copies nothing, so it costs
//! a small part of what compressing does, and each 64 KiB is compressed once for VMDK and ZIP alike.

/// Ends a spliced stream: an empty block with fixed codes, marked as the last.
pub const STREAM_END: [u8; 2] = [0x03, 0x00];

const MAX_CODE: usize = 15;
/// Flags in a table of literals and lengths, beside the number of bits.
const END_OF_BLOCK: u8 = 0x80;
const LENGTH: u8 = 0x40;
const BITS: u8 = 0x3f;
/// The order in which the lengths of the code length codes are given (RFC 1951, 3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Appends `deflate` to `out` without its end mark, up to a whole byte; nothing when it is no complete stream.
pub fn splice(deflate: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (last_block, end) = walk(deflate)?;
    let start = out.len();
    out.extend_from_slice(&deflate[..end.div_ceil(8)]);
    out[start + last_block / 8] &= !(1 << (last_block % 8));
    if !end.is_multiple_of(8) {
        let last = out.len() - 1;
        out[last] &= (1 << (end % 8)) - 1;
    }
    // An empty stored block reaches the next byte: three zero bits, which may need another byte, and its lengths.
    if end.is_multiple_of(8) || end % 8 > 5 {
        out.push(0);
    }
    out.extend_from_slice(&[0, 0, 0xff, 0xff]);
    Some(())
}

/// In bits: where the last block begins, where it ends.
fn walk(deflate: &[u8]) -> Option<(usize, usize)> {
    let mut bits = Bits { bytes: deflate, at: 0 };
    loop {
        let block = bits.at;
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits.stored()?,
            1 => {
                let mut lengths = [8u8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                bits.symbols(&literal_table(&lengths)?, &distance_table(&[5; 30])?)?;
            }
            2 => {
                let (literals, distances) = bits.codes()?;
                bits.symbols(&literals, &distances)?;
            }
            _ => return None,
        }
        if last {
            return (bits.at <= deflate.len() * 8).then_some((block, bits.at));
        }
    }
}

/// What follows each possible run of bits: the bits that the symbol takes with its extra bits, and its flags; 0 for none.
struct Table {
    entries: Vec<u8>,
    mask: u64,
}

/// The table of a canonical code with these lengths; nothing when more codes are claimed than there are.
fn table(lengths: &[u8], entry: impl Fn(usize, u8) -> u8) -> Option<Table> {
    let mut count = [0u32; MAX_CODE + 1];
    for &length in lengths {
        *count.get_mut(usize::from(length))? += 1;
    }
    count[0] = 0;
    let longest = (1..=MAX_CODE).rev().find(|&n| count[n] > 0).unwrap_or(1);
    let mut next = [0u32; MAX_CODE + 2];
    for length in 1..=MAX_CODE {
        next[length + 1] = (next[length] + count[length]) << 1;
    }
    let mut entries = vec![0; 1 << longest];
    for (symbol, &length) in lengths.iter().enumerate().filter(|(_, &l)| l > 0) {
        let code = &mut next[usize::from(length)];
        if *code >> length != 0 {
            return None;
        }
        let reversed = (code.reverse_bits() >> (32 - u32::from(length))) as usize;
        *code += 1;
        for place in entries[reversed..].iter_mut().step_by(1 << length) {
            *place = entry(symbol, length);
        }
    }
    Some(Table { entries, mask: (1 << longest) - 1 })
}

fn literal_table(lengths: &[u8]) -> Option<Table> {
    table(lengths, |symbol, length| match symbol {
        0..=255 => length,
        256 => END_OF_BLOCK | length,
        257..=264 | 285 => LENGTH | length,
        265..=284 => LENGTH | (length + ((symbol - 261) / 4) as u8),
        _ => 0,
    })
}

fn distance_table(lengths: &[u8]) -> Option<Table> {
    table(lengths, |symbol, length| match symbol {
        0..=3 => length,
        4..=29 => length + (symbol / 2 - 1) as u8,
        _ => 0,
    })
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// in bits
    at: usize,
}

impl Bits<'_> {
    /// At least 56 bits from here on, zeros beyond the end.
    fn peek(&self) -> u64 {
        let byte = self.at / 8;
        let word = match self.bytes.get(byte..byte + 8) {
            Some(whole) => u64::from_le_bytes(whole.try_into().unwrap_or([0; 8])),
            None => {
                let mut rest = [0; 8];
                let left = self.bytes.get(byte..).unwrap_or_default();
                rest[..left.len()].copy_from_slice(left);
                u64::from_le_bytes(rest)
            }
        };
        word >> (self.at % 8)
    }

    fn take(&mut self, count: u32) -> Option<u64> {
        let value = self.peek() & ((1 << count) - 1);
        self.at += count as usize;
        (self.at <= self.bytes.len() * 8).then_some(value)
    }

    fn stored(&mut self) -> Option<()> {
        self.at = self.at.next_multiple_of(8);
        let (length, inverse) = (self.take(16)?, self.take(16)?);
        self.at += length as usize * 8;
        (length ^ inverse == 0xffff).then_some(())
    }

    /// The tables of a block that brings its own.
    fn codes(&mut self) -> Option<(Table, Table)> {
        let literals = self.take(5)? as usize + 257;
        let distances = self.take(5)? as usize + 1;
        let given = self.take(4)? as usize + 4;
        let mut code_lengths = [0u8; 19];
        for &place in ORDER.get(..given)? {
            code_lengths[place] = self.take(3)? as u8;
        }
        // Bits and symbol in one entry: at most 7 bits, 19 symbols.
        let codes = table(&code_lengths, |symbol, length| ((symbol as u8) << 3) | length)?;
        let mut lengths = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let entry = codes.entries[(self.peek() & codes.mask) as usize];
            if entry == 0 {
                return None;
            }
            self.take(u32::from(entry & 7))?;
            let (value, times) = match entry >> 3 {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(value, times as usize));
        }
        if lengths.len() > literals + distances {
            return None;
        }
        Some((literal_table(&lengths[..literals])?, distance_table(&lengths[literals..])?))
    }

    /// Passes over a block's symbols and its end.
    fn symbols(&mut self, literals: &Table, distances: &Table) -> Option<()> {
        let end = self.bytes.len() * 8;
        while self.at < end {
            let bits = self.peek();
            let entry = literals.entries[(bits & literals.mask) as usize];
            let taken = entry & BITS;
            if taken == 0 {
                return None;
            }
            self.at += usize::from(taken);
            if entry & LENGTH != 0 {
                // 20 bits at most are gone; a distance takes 28 at most, so what was looked at suffices.
                let distance = distances.entries[((bits >> taken) & distances.mask) as usize];
                if distance == 0 {
                    return None;
                }
                self.at += usize::from(distance);
            } else if entry & END_OF_BLOCK != 0 {
                return Some(());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use libdeflater::{CompressionLvl, Compressor, Decompressor};
    use proptest::prelude::*;

    fn deflate(bytes: &[u8], level: i32) -> Vec<u8> {
        let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.deflate_compress_bound(bytes.len())];
        let length = compressor.deflate_compress(bytes, &mut out).unwrap();
        out.truncate(length);
        out
    }

    fn inflate(mut stream: Vec<u8>, length: usize) -> Vec<u8> {
        stream.extend(STREAM_END);
        let mut out = vec![0; length];
        let got = Decompressor::new().deflate_decompress(&stream, &mut out).unwrap();
        assert_eq!(got, length);
        out
    }

    /// From nothing over text to noise, so that stored, fixed and dynamic blocks all occur.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        (0usize..70_000, 1u16..=256, any::<u64>()).prop_map(|(length, alphabet, seed)| {
            let mut state = seed | 1;
            (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    ((state >> 40) % u64::from(alphabet)) as u8
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

        #[test]
        fn joined_streams_inflate_to_their_contents(parts in proptest::collection::vec((content(), 0i32..=9), 1..5)) {
            let mut stream = Vec::new();
            for (bytes, level) in &parts {
                splice(&deflate(bytes, *level), &mut stream).unwrap();
            }
            let whole: Vec<u8> = parts.into_iter().flat_map(|(bytes, _)| bytes).collect();
            prop_assert!(inflate(stream, whole.len()) == whole);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3000), cut in any::<prop::sample::Index>()) {
            let _ = splice(&bytes, &mut Vec::new());
            let whole = deflate(&bytes, 6);
            prop_assert!(splice(&whole[..cut.index(whole.len())], &mut Vec::new()).is_none());
        }
    }
}
