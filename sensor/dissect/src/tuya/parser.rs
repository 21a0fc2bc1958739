//! Prefix, sequence, command, length, return code, data, checksum, suffix. There is no public specification; the layout is
//! what every client has. Encrypted announcements are not opened: what is in them is an identifier.

use crate::cursor::Cursor;

const PREFIX: u32 = 0x0000_55aa;
/// Of protocol 3.5.
const PREFIX_35: u32 = 0x0000_6699;
/// Commands of announcements: in clear, encrypted, and of protocol 3.5.
const COMMANDS: [u32; 3] = [0x12, 0x13, 0x23];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement<'a> {
    Plain(&'a [u8]),
    Encrypted,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Announcement<'_>> {
    let mut cursor = Cursor::new(bytes);
    match cursor.u32()? {
        PREFIX_35 => return Some(Announcement::Encrypted),
        PREFIX => {}
        _ => return None,
    }
    cursor.skip(4)?;
    let command = cursor.u32()?;
    if command != 0 && !COMMANDS.contains(&command) {
        return None;
    }
    cursor.skip(4 + 4)?;
    let data = cursor.rest();
    Some(if data.starts_with(b"{") { Announcement::Plain(data) } else { Announcement::Encrypted })
}

#[cfg(test)]
mod tests {
    use crate::testing::{survives, Said};
    use crate::tuya::PROTOCOL;
    use crate::Field;

    fn message(data: &[u8]) -> Vec<u8> {
        let head = [0, 0, 0x55, 0xaa, 0, 0, 0, 0, 0, 0, 0, 0x12, 0, 0, 0, 100, 0, 0, 0, 0];
        [&head[..], data, &[0, 0, 0, 0, 0, 0, 0xaa, 0x55]].concat()
    }

    const JSON: &[u8] =
        br#"{"ip":"192.168.1.20","gwId":"0123","active":2,"encrypt":true,"productKey":"keyab","version":"3.1"}"#;

    #[test]
    fn announcements() {
        assert_eq!(
            Said::by(&PROTOCOL, &message(JSON)).pairs(),
            [
                (Field::TuyaAnnouncement, "plain"),
                (Field::TuyaInfo, "version=3.1"),
                (Field::TuyaInfo, "productKey=keyab"),
            ]
        );
        let hidden = message(&[0x97, 0xb9, 0x3f, 0xee]);
        assert_eq!(Said::by(&PROTOCOL, &hidden).pairs(), [(Field::TuyaAnnouncement, "encrypted")]);
        assert!(Said::by(&PROTOCOL, b"NICK irc on the same port").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&message(JSON), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
