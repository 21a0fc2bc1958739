//! Version, length, checksum, sequence, address, then items: a marker, 8 bits type, 16 bits length with its own header.
//! There is no public specification; the layout is what every decoder has.

use crate::cursor::Cursor;

const VERSION: u8 = 1;
const MARKER: u8 = 0x99;
const DISPLAY: u8 = 1;
const INFORMATION: u8 = 2;
/// Items read of one message.
const MAX_ITEMS: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Name(&'a [u8]),
    Version(String),
    Other,
}

pub(super) fn parse(bytes: &[u8]) -> Option<impl Iterator<Item = Item<'_>>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != VERSION {
        return None;
    }
    // reserved, length, checksum, sequence, kind of address, address
    cursor.skip(1 + 2 + 2 + 2 + 2 + 6)?;
    let items = std::iter::from_fn(move || {
        if cursor.u8()? != MARKER {
            return None;
        }
        let kind = cursor.u8()?;
        let length = usize::from(cursor.u16()?).checked_sub(4)?;
        let value = cursor.take(length)?;
        Some(match kind {
            DISPLAY => Item::Name(value.split(|b| *b == 0).next()?),
            INFORMATION => version(value).map_or(Item::Other, Item::Version),
            _ => Item::Other,
        })
    });
    Some(items.take(MAX_ITEMS))
}

/// Of an item with slot, port, virtual chassis and six unused bytes before it.
fn version(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(2 + 2 + 2 + 6)?;
    let [a, b, c, d] = cursor.array()?;
    Some(format!("{a}.{b}.{c}.{d}"))
}

#[cfg(test)]
mod tests {
    use crate::edp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn announcement() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 4, 0x96, 1, 2, 3];
        bytes.extend([0x99, 2, 0, 36, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 15, 3, 2, 11]);
        bytes.extend([0; 16]);
        bytes.extend(b"\x99\x01\0\x0aX440-1\x99\0\0\x04");
        bytes
    }

    #[test]
    fn an_announcement() {
        assert_eq!(
            Said::by(&PROTOCOL, &announcement()).pairs(),
            [(Field::EdpVersion, "15.3.2.11"), (Field::EdpName, "X440-1")]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&announcement(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
