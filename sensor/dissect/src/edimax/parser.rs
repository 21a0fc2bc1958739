//! Address, maker in a field of 12 bytes, 4 bytes of operation, then model (14), firmware (8) and name (the rest), padded
//! with zeros. There is no public specification; the layout is that of the answers of plugs.

use crate::cursor::Cursor;

const MAKER: &[u8] = b"EDIMAX";
const MAKER_LENGTH: usize = 12;
const MODEL_LENGTH: usize = 14;
const FIRMWARE_LENGTH: usize = 8;
const NAME_LENGTH: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub model: &'a [u8],
    pub firmware: &'a [u8],
    pub name: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Answer<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(6)?;
    if !cursor.take(MAKER_LENGTH)?.starts_with(MAKER) {
        return None;
    }
    cursor.skip(4)?;
    let model = field(cursor.take(MODEL_LENGTH)?);
    let firmware = field(cursor.take(FIRMWARE_LENGTH)?);
    let (name, _) = cursor.take_lax(NAME_LENGTH);
    Some(Answer { model, firmware, name: field(name) })
}

/// A field up to its first zero.
fn field(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::edimax::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn answer() -> Vec<u8> {
        let mut bytes = b"\x74\xda\x38\x01\x02\x03EDIMAX\0\0\0\0\0\0\x01\xa1\xfe\x5e".to_vec();
        bytes.extend(b"SP1101W\0\0\0\0\0\0\x001.09\0\0\0\0Plug010203");
        bytes.resize(186, 0);
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 20560;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_plug_answers() {
        let expected = [
            (Field::EdimaxModel, "SP1101W"),
            (Field::EdimaxFirmware, "1.09"),
            (Field::EdimaxName, "Plug010203"),
        ];
        assert_eq!(said(&answer()).pairs(), expected);
        assert!(Said::by(&PROTOCOL, &answer()).pairs().is_empty(), "a question says nothing");
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            said(bytes);
        });
    }
}
