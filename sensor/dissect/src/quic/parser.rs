//! Long headers of Initial packets (RFC 9000 section 17.2.2, RFC 9369 for version 2) and the frames in them (section 19).

use crate::cursor::Cursor;

/// Bits of the first byte: long header, fixed bit, packet type.
const LONG_HEADER: u8 = 0xc0;
const TYPE_SHIFT: u8 = 4;
/// Longest connection id.
const MAX_CONNECTION_ID: usize = 20;
/// Longest hello put together: more than any client sends in one packet.
const MAX_HANDSHAKE: u64 = 16 * 1024;
const CLIENT_HELLO: u8 = 1;

const FRAME_PADDING: u64 = 0x00;
const FRAME_PING: u64 = 0x01;
const FRAME_ACK: u64 = 0x02;
const FRAME_ACK_ECN: u64 = 0x03;
const FRAME_CRYPTO: u64 = 0x06;
/// Frames read of one packet.
const MAX_FRAMES: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
    /// Drafts 29 to 32, which some devices keep.
    Draft29,
}

/// Where the parts of an Initial packet stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initial<'a> {
    pub version: Version,
    pub destination_id: &'a [u8],
    /// Offset of the protected packet number.
    pub number_at: usize,
    /// Length of packet number and payload.
    pub length: usize,
}

pub(super) fn initial(bytes: &[u8]) -> Option<Initial<'_>> {
    let mut cursor = Cursor::new(bytes);
    let first = cursor.u8()?;
    if first & LONG_HEADER != LONG_HEADER {
        return None;
    }
    let version = match cursor.u32()? {
        0x0000_0001 => Version::V1,
        0x6b33_43cf => Version::V2,
        0xff00_001d..=0xff00_0020 => Version::Draft29,
        _ => return None,
    };
    let kind = first >> TYPE_SHIFT & 3;
    if kind != if version == Version::V2 { 1 } else { 0 } {
        return None;
    }
    let length = usize::from(cursor.u8()?);
    let destination_id = cursor.take(length).filter(|id| id.len() <= MAX_CONNECTION_ID)?;
    let length = cursor.u8()?;
    cursor.skip(length.into())?;
    let token = variable(&mut cursor)?;
    cursor.skip(usize::try_from(token).ok()?)?;
    let length = usize::try_from(variable(&mut cursor)?).ok()?;
    Some(Initial { version, destination_id, number_at: bytes.len() - cursor.len(), length })
}

/// The handshake's bytes from its beginning, as far as the packet's CRYPTO frames reach without a gap.
pub(super) fn handshake(frames: &[u8]) -> Vec<u8> {
    let mut pieces = Vec::new();
    let mut cursor = Cursor::new(frames);
    for _ in 0..MAX_FRAMES {
        match frame(&mut cursor) {
            Some(Some(piece)) => pieces.push(piece),
            Some(None) => {}
            None => break,
        }
    }
    pieces.sort_unstable_by_key(|(offset, _)| *offset);
    let mut out = Vec::new();
    for (offset, data) in pieces {
        let Some(known) = usize::try_from(offset).ok().and_then(|offset| out.len().checked_sub(offset))
        else {
            break;
        };
        out.extend_from_slice(data.get(known..).unwrap_or_default());
    }
    out
}

/// One frame: offset and data of CRYPTO, nothing of others that may stand here; `None` at the end.
fn frame<'a>(cursor: &mut Cursor<'a>) -> Option<Option<(u64, &'a [u8])>> {
    match variable(cursor)? {
        FRAME_PADDING => {
            // most of a first packet is padding
            let run = cursor.rest().iter().take_while(|b| **b == 0).count();
            cursor.skip(run)?;
            Some(None)
        }
        FRAME_PING => Some(None),
        kind @ (FRAME_ACK | FRAME_ACK_ECN) => {
            let _largest = variable(cursor)?;
            let _delay = variable(cursor)?;
            let ranges = variable(cursor)?;
            let _first = variable(cursor)?;
            let counts = if kind == FRAME_ACK_ECN { 3 } else { 0 };
            for _ in 0..ranges.checked_mul(2)?.checked_add(counts)? {
                variable(cursor)?;
            }
            Some(None)
        }
        FRAME_CRYPTO => {
            let offset = variable(cursor)?;
            let length = usize::try_from(variable(cursor)?).ok()?;
            let data = cursor.take(length)?;
            Some((offset < MAX_HANDSHAKE).then_some((offset, data)))
        }
        _ => None,
    }
}

/// The body of the client's hello, as far as it is there; the flag says whether that is all of it.
pub(super) fn hello(handshake: &[u8]) -> Option<(&[u8], bool)> {
    let mut cursor = Cursor::new(handshake);
    if cursor.u8()? != CLIENT_HELLO {
        return None;
    }
    let length = usize::try_from(cursor.u24()?).ok()?;
    Some(cursor.take_lax(length))
}

/// RFC 9000 section 16: the first two bits say how many bytes.
fn variable(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.u8()?;
    let more = (1_usize << (first >> 6)) - 1;
    let rest = cursor.take(more)?;
    Some(rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_in_the_standard() {
        let read = |bytes: &[u8]| variable(&mut Cursor::new(bytes));
        assert_eq!(read(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]), Some(151_288_809_941_952_652));
        assert_eq!(read(&[0x9d, 0x7f, 0x3e, 0x7d]), Some(494_878_333));
        assert_eq!(read(&[0x7b, 0xbd]), Some(15_293));
        assert_eq!(read(&[0x25]), Some(37));
        assert_eq!(read(&[0x40]), None);
    }

    #[test]
    fn pieces_in_any_order() {
        let frames = [6, 3, 2, b'd', b'e', 1, 0, 0, 0, 6, 0, 4, b'a', b'b', b'c', b'd', 6, 9, 1, b'z'];
        assert_eq!(handshake(&frames), b"abcde");
    }

    #[test]
    fn survives_any_bytes() {
        crate::testing::survives(&[6, 0, 4, 1, 0, 0, 0, 2, 0, 0, 1, 0, 1, 1], |bytes| {
            hello(&handshake(bytes));
        });
    }
}
