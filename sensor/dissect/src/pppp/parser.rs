//! Magic, type, 16 bits length, then for a device its identifier: a prefix of eight bytes, 32 bits number, eight bytes
//! check. There is no public specification; the layout is that of the messages. Of the identifier only the prefix is
//! given, which stands for a maker; the rest opens the camera to whoever knows it.

use crate::cursor::Cursor;

const MAGIC: u8 = 0xf1;
/// Logins of a device at its server, and its notice on the local network. Others are sent by both sides.
const OF_DEVICE: [u8; 4] = [0x10, 0x12, 0x14, 0x31];
const PREFIX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub device: Option<&'a [u8]>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != MAGIC {
        return None;
    }
    let kind = cursor.u8()?;
    let length = usize::from(cursor.u16()?);
    if length > cursor.len() {
        return None;
    }
    let prefix = cursor.take(PREFIX).and_then(|field| field.split(|b| *b == 0).next());
    let is_prefix = |text: &&[u8]| text.len() >= 3 && text.iter().all(u8::is_ascii_alphanumeric);
    Some(Message { device: prefix.filter(|_| OF_DEVICE.contains(&kind)).filter(is_prefix) })
}

#[cfg(test)]
mod tests {
    use crate::pppp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const LOGIN: &[u8] = b"\xf1\x14\0\x14ABCDE\0\0\0\0\x01\x02\x03FGHIJ\0\0\0";

    #[test]
    fn a_camera_logs_in() {
        assert_eq!(Said::by(&PROTOCOL, LOGIN).pairs(), [(Field::PpppDevice, "ABCDE")]);
        let search = b"\xf1\x30\0\0";
        assert!(Said::by(&PROTOCOL, search).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(LOGIN, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
