//! "FINS Commands Reference Manual" (Omron W227): header of ten bytes, command, and the answer to "controller data read";
//! over TCP a header of 16 bytes before it (W421).

use crate::cursor::Cursor;

const TCP_MAGIC: [u8; 4] = *b"FINS";
const TCP_HEADER: usize = 16;
/// Of the TCP header: a frame follows.
const SEND_FRAME: u32 = 2;
const MAX_LENGTH: u32 = 4096;
/// Information control field: bit 7 is always set, bit 6 marks an answer, bit 0 asks for none.
const CONTROL: u8 = 0x80;
const IS_ANSWER: u8 = 0x40;
const CONTROL_MASK: u8 = 0xfe;
/// Most gateways a frame may pass.
const MAX_GATEWAYS: u8 = 7;
const CONTROLLER_DATA_READ: u16 = 0x0501;
const TEXT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub is_answer: bool,
    pub controller: Option<(&'a [u8], &'a [u8])>,
}

/// Length of the whole, and the frame, of a message over TCP; the frame is empty where none is inside.
pub(super) fn framed(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    if cursor.array()? != TCP_MAGIC {
        return None;
    }
    let length = cursor.u32()?;
    let command = cursor.u32()?;
    if !(8..=MAX_LENGTH).contains(&length) {
        return None;
    }
    let frame = if command == SEND_FRAME { bytes.get(TCP_HEADER..).unwrap_or_default() } else { &[] };
    Some((usize::try_from(length).ok()? + 8, frame))
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let control = cursor.u8()?;
    let (reserved, gateways) = (cursor.u8()?, cursor.u8()?);
    if control & CONTROL_MASK & !IS_ANSWER != CONTROL || reserved != 0 || gateways > MAX_GATEWAYS {
        return None;
    }
    // destination, source, service
    cursor.skip(3 + 3 + 1)?;
    let command = cursor.u16()?;
    let is_answer = control & IS_ANSWER != 0;
    let controller = if is_answer && command == CONTROLLER_DATA_READ { texts(cursor) } else { None };
    Some(Message { is_answer, controller })
}

/// Model and version behind the end code.
fn texts(mut cursor: Cursor<'_>) -> Option<(&[u8], &[u8])> {
    cursor.skip(2)?;
    Some((cursor.take(TEXT)?, cursor.take(TEXT)?))
}

#[cfg(test)]
mod tests {
    use crate::fins::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn answer() -> Vec<u8> {
        let mut bytes = vec![0xc0, 0, 2, 0, 1, 0, 0, 2, 0, 1, 5, 1, 0, 0];
        bytes.extend(b"CJ2M-CPU31          02.01               ");
        bytes
    }

    #[test]
    fn a_controller_says_its_model() {
        let expected = [
            (Field::FinsRole, "controller"),
            (Field::FinsModel, "CJ2M-CPU31"),
            (Field::FinsVersion, "02.01"),
        ];
        assert_eq!(Said::by(&PROTOCOL, &answer()).pairs(), expected);
        let length = (answer().len() as u32 + 8).to_be_bytes();
        let framed = [b"FINS", &length[..], &[0, 0, 0, 2, 0, 0, 0, 0], &answer()].concat();
        assert_eq!(Said::in_stream(&PROTOCOL, &packet(&framed)).pairs(), expected);
    }

    #[test]
    fn who_asks() {
        let question = [0x80, 0, 2, 0, 2, 0, 0, 1, 0, 1, 1, 1, 0x82, 0, 1, 0, 0, 1];
        assert_eq!(Said::by(&PROTOCOL, &question).pairs(), [(Field::FinsRole, "client")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
            Said::in_stream(&PROTOCOL, &packet(bytes));
        });
    }
}
