//! Version, command, length, then items of 8 bits type and 16 bits length. There is no public specification; the layout
//! is what every decoder has.

use crate::cursor::Cursor;

/// Items read of one message.
const MAX_ITEMS: usize = 64;

/// The items of an answer; a request has none.
pub(super) fn parse(bytes: &[u8]) -> Option<impl Iterator<Item = (u8, &[u8])>> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u8()?;
    let _command = cursor.u8()?;
    let length = usize::from(cursor.u16()?);
    if !matches!(version, 1 | 2) || length < cursor.len() {
        return None;
    }
    let items = std::iter::from_fn(move || {
        let kind = cursor.u8()?;
        let length = cursor.u16()?;
        Some((kind, cursor.take(length.into())?))
    });
    Some(items.take(MAX_ITEMS))
}

#[cfg(test)]
mod tests {
    use crate::testing::{survives, Said};
    use crate::ubiquiti::PROTOCOL;
    use crate::Field;

    const ANSWER: &[u8] =
        b"\x01\0\0\x2d\x01\0\x06\0\x27\x22\x01\x02\x03\x03\0\x08XM.v5.6.\x0b\0\x04roof\x0c\0\x03N2H\x14\0\x09NanoStatn";

    #[test]
    fn an_answer() {
        assert_eq!(
            Said::by(&PROTOCOL, ANSWER).pairs(),
            [
                (Field::UbiquitiFirmware, "XM.v5.6."),
                (Field::UbiquitiHostname, "roof"),
                (Field::UbiquitiModel, "N2H"),
                (Field::UbiquitiModel, "NanoStatn"),
            ]
        );
        assert!(Said::by(&PROTOCOL, &[1, 0, 0, 0]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
