//! A header of 16 bytes: magic, kind of device with the highest bit set in answers, command, and the length of the payload.
//! There is no public specification; the layout is what every client has.

use crate::cursor::Cursor;

const MAGICS: [&[u8; 4]; 3] = [b"BJNP", b"BJNB", b"BJNS"];
const ANSWER: u8 = 0x80;
const PRINTER: u8 = 1;
const SCANNER: u8 = 2;
const GET_IDENTIFIER: u8 = 0x30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// None of a question.
    pub kind: Option<&'static str>,
    /// `MFG:Canon;MDL:…`, in the manner of IEEE 1284.
    pub identifier: Option<&'a [u8]>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Answer<'_>> {
    let mut cursor = Cursor::new(bytes);
    let magic = cursor.array::<4>()?;
    if !MAGICS.contains(&&magic) {
        return None;
    }
    let device = cursor.u8()?;
    let command = cursor.u8()?;
    // error, sequence, session, length
    cursor.skip(2 + 2 + 2 + 4)?;
    let kind = match device {
        _ if device & ANSWER == 0 => None,
        d if d & !ANSWER == PRINTER => Some("printer"),
        d if d & !ANSWER == SCANNER => Some("scanner"),
        _ => Some("other"),
    };
    // the identifier has its own length before it
    let identifier = if command == GET_IDENTIFIER { cursor.skip(2).map(|()| cursor.rest()) } else { None };
    Some(Answer { kind, identifier: identifier.filter(|text| !text.is_empty()) })
}

#[cfg(test)]
mod tests {
    use crate::bjnp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const ANSWER: &[u8] = b"BJNP\x81\x30\0\0\0\x01\0\0\0\0\0\x26\0\x26MFG:Canon;CMD:BJL;MDL:MX860 series;";

    #[test]
    fn a_printer_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, ANSWER).pairs(),
            [(Field::BjnpKind, "printer"), (Field::BjnpIdentifier, "MFG:Canon;CMD:BJL;MDL:MX860 series;"),]
        );
        let question = b"BJNP\x01\x01\0\0\0\x01\0\0\0\0\0\0";
        assert!(Said::by(&PROTOCOL, question).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
