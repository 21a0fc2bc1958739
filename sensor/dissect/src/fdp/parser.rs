//! Version, holding time, checksum, then items of 16 bits type and length, the length with its own header. There is no
//! public specification; the layout is what every decoder has.

use crate::cursor::Cursor;

const VERSION: u8 = 1;
/// Items read of one message.
const MAX_ITEMS: usize = 32;

pub(super) fn parse(bytes: &[u8]) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != VERSION {
        return None;
    }
    cursor.skip(1 + 2)?;
    let items = std::iter::from_fn(move || {
        let kind = cursor.u16()?;
        let length = usize::from(cursor.u16()?).checked_sub(4)?;
        Some((kind, cursor.take(length)?))
    });
    Some(items.take(MAX_ITEMS))
}

#[cfg(test)]
mod tests {
    use crate::fdp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const ANNOUNCEMENT: &[u8] =
        b"\x01\xb4\0\0\0\x01\0\x0aclosed\0\x05\0\x15IronWare 8.0.30bT\0\x06\0\x0fICX6430-24P";

    #[test]
    fn an_announcement() {
        assert_eq!(
            Said::by(&PROTOCOL, ANNOUNCEMENT).pairs(),
            [
                (Field::FdpDevice, "closed"),
                (Field::FdpVersion, "IronWare 8.0.30bT"),
                (Field::FdpPlatform, "ICX6430-24P"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANNOUNCEMENT, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
