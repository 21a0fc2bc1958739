//! HCF_SPEC-085 (HART-IP): header of eight bytes; HCF_SPEC-081: the token-passing data unit inside, and the answer to
//! command 0, read unique identifier.

use crate::cursor::Cursor;

const VERSIONS: [u8; 2] = [1, 2];
const ANSWER: u8 = 1;
/// Highest message type: request, answer, publish, error.
const MAX_TYPE: u8 = 3;
/// Session initiate, session close, keep alive, token-passing data unit, audit log and others.
const MAX_IDENTIFIER: u8 = 128;
const DATA_UNIT: u8 = 3;
const HEADER: u16 = 8;
const MAX_LENGTH: u16 = 4096;
/// A delimiter's bit for an address of five bytes instead of one, and its expansion bytes.
const LONG_ADDRESS: u8 = 0x80;
/// First byte of the answer to command 0.
const IDENTIFIER_ANSWER: u8 = 254;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub is_answer: bool,
    /// Expanded device type.
    pub device_type: Option<u16>,
}

/// The whole length of the message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let (version, kind, identifier) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    if !VERSIONS.contains(&version) || kind > MAX_TYPE || identifier > MAX_IDENTIFIER {
        return None;
    }
    // status, sequence
    cursor.skip(1 + 2)?;
    cursor.u16().filter(|length| (HEADER..=MAX_LENGTH).contains(length)).map(usize::from)
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
    length(bytes).filter(|length| *length <= bytes.len())?;
    let mut cursor = Cursor::new(bytes);
    cursor.skip(1)?;
    let is_answer = cursor.u8()? == ANSWER;
    let is_unit = cursor.u8()? == DATA_UNIT;
    cursor.skip(1 + 2 + 2)?;
    Some(Message { is_answer, device_type: if is_answer && is_unit { device_type(cursor) } else { None } })
}

fn device_type(mut cursor: Cursor<'_>) -> Option<u16> {
    let delimiter = cursor.u8()?;
    cursor.skip(if delimiter & LONG_ADDRESS != 0 { 5 } else { 1 } + usize::from(delimiter >> 5 & 3))?;
    let command = cursor.u8()?;
    let count = cursor.u8()?;
    let mut data = Cursor::new(cursor.take(count.into())?);
    // response code and status
    data.skip(2)?;
    if command != 0 || data.u8()? != IDENTIFIER_ANSWER {
        return None;
    }
    data.u16()
}

#[cfg(test)]
mod tests {
    use crate::hartip::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const ANSWER: &[u8] = &[1, 1, 3, 0, 0, 2, 0, 20, 0x06, 0x80, 0, 7, 0, 0x40, 254, 0xe0, 0xa2, 5, 7, 0x11];

    #[test]
    fn an_answer_to_command_0() {
        let expected = [(Field::HartipRole, "server"), (Field::HartipType, "e0a2")];
        assert_eq!(Said::by(&PROTOCOL, ANSWER).pairs(), expected);
        let mut packet = packet(ANSWER);
        packet.source_port = 5094;
        assert_eq!(Said::in_stream(&PROTOCOL, &packet).pairs(), expected);
    }

    #[test]
    fn a_session_is_asked_for() {
        let question = [1, 0, 0, 0, 0, 1, 0, 13, 1, 0, 0, 0x75, 0x30];
        assert_eq!(Said::by(&PROTOCOL, &question).pairs(), [(Field::HartipRole, "client")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
