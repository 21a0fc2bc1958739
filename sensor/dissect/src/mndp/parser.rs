//! Two bytes of header and two of a sequence number, then items of 16 bits type and length. There is no public
//! specification; the layout is what every decoder has.

use crate::cursor::Cursor;

/// Items read of one message.
const MAX_ITEMS: usize = 32;

/// The items of an announcement; a request has none.
pub(super) fn parse(bytes: &[u8]) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(4)?;
    let items = std::iter::from_fn(move || {
        let kind = cursor.u16()?;
        let length = cursor.u16()?;
        Some((kind, cursor.take(length.into())?))
    });
    Some(items.take(MAX_ITEMS))
}

#[cfg(test)]
mod tests {
    use crate::mndp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const ANNOUNCEMENT: &[u8] =
        b"\0\0\0\x01\0\x01\0\x06\0\x0c\x42\x01\x02\x03\0\x05\0\x04core\0\x07\0\x06v6.49 \0\x08\0\x08MikroTik\0\x0c\0\x08RB750Gr3";

    #[test]
    fn an_announcement() {
        assert_eq!(
            Said::by(&PROTOCOL, ANNOUNCEMENT).pairs(),
            [
                (Field::MndpIdentity, "core"),
                (Field::MndpVersion, "v6.49"),
                (Field::MndpPlatform, "MikroTik"),
                (Field::MndpBoard, "RB750Gr3"),
            ]
        );
        assert!(Said::by(&PROTOCOL, &[0; 4]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANNOUNCEMENT, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
