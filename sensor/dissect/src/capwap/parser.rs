//! RFC 5415: the header of section 4.3, the control header of 4.5.1.1, and the elements of 4.6.4, 4.6.40, 4.6.41 and
//! 4.6.45. What is behind DTLS stays hidden; the search before it is in clear.

use crate::cursor::Cursor;

/// Requests and answers of the search and of joining.
const DISCOVERY_REQUEST: u32 = 1;
const JOIN_REQUEST: u32 = 3;
const JOIN_ANSWER: u32 = 4;
const CONTROLLER_NAME: u16 = 4;
const BOARD_DATA: u16 = 38;
const DESCRIPTOR: u16 = 39;
const POINT_NAME: u16 = 45;
/// Elements, and parts of an element, read of one message.
const MAX_ELEMENTS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Model,
    Serial,
    Name,
    Software,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub kind: Kind,
    pub value: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    kind: u32,
    elements: Cursor<'a>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let preamble = cursor.u8()?;
    // version 0, not encrypted
    if preamble != 0 {
        return None;
    }
    let header_length = usize::from(cursor.u8()? >> 3) * 4;
    cursor.skip(header_length.checked_sub(2).filter(|_| header_length >= 8)?)?;
    let kind = cursor.u32()?;
    if !(DISCOVERY_REQUEST..=JOIN_ANSWER).contains(&kind) {
        return None;
    }
    // sequence, length, flags
    cursor.skip(1 + 2 + 1)?;
    Some(Message { kind, elements: cursor })
}

impl<'a> Message<'a> {
    pub(super) fn role(&self) -> &'static str {
        if matches!(self.kind, DISCOVERY_REQUEST | JOIN_REQUEST) {
            "access_point"
        } else {
            "controller"
        }
    }

    /// The maker's private enterprise number, of the board's data.
    pub(super) fn vendor(&self) -> Option<u32> {
        let (_, value) = self.elements().find(|(kind, _)| *kind == BOARD_DATA)?;
        Cursor::new(value).u32()
    }

    pub(super) fn items(&self) -> Vec<Item<'a>> {
        let mut items = Vec::new();
        for (kind, value) in self.elements() {
            match kind {
                CONTROLLER_NAME | POINT_NAME => items.push(Item { kind: Kind::Name, value }),
                BOARD_DATA => board(value, &mut items),
                DESCRIPTOR => descriptor(value, &mut items),
                _ => {}
            }
        }
        items
    }

    fn elements(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut cursor = self.elements;
        std::iter::from_fn(move || {
            let kind = cursor.u16()?;
            let length = cursor.u16()?;
            Some((kind, cursor.take(length.into())?))
        })
        .take(MAX_ELEMENTS)
    }
}

fn board<'a>(bytes: &'a [u8], items: &mut Vec<Item<'a>>) {
    let mut cursor = Cursor::new(bytes);
    if cursor.skip(4).is_none() {
        return;
    }
    for _ in 0..MAX_ELEMENTS {
        let (Some(kind), Some(length)) = (cursor.u16(), cursor.u16()) else { break };
        let Some(value) = cursor.take(length.into()) else { break };
        match kind {
            0 => items.push(Item { kind: Kind::Model, value }),
            1 => items.push(Item { kind: Kind::Serial, value }),
            _ => {}
        }
    }
}

fn descriptor<'a>(bytes: &'a [u8], items: &mut Vec<Item<'a>>) {
    let mut cursor = Cursor::new(bytes);
    let Some(Some(encryptions)) = cursor.skip(2).map(|()| cursor.u8()) else { return };
    if cursor.skip(usize::from(encryptions) * 3).is_none() {
        return;
    }
    for _ in 0..MAX_ELEMENTS {
        let (Some(()), Some(kind), Some(length)) = (cursor.skip(4), cursor.u16(), cursor.u16()) else {
            break;
        };
        let Some(value) = cursor.take(length.into()) else { break };
        // 1 is the running software; some write it in bytes
        if kind == 1 && value.iter().all(|b| matches!(b, b' '..=b'~')) {
            items.push(Item { kind: Kind::Software, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::capwap::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn element(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[0, kind, 0, value.len() as u8], value].concat()
    }

    fn request() -> Vec<u8> {
        let board =
            [&[0, 0, 0, 9][..], &element(0, b"AIR-CAP2602I-Q-K9"), &element(1, b"FGL1234567A")].concat();
        let descriptor = [&[2, 2, 1, 1, 0, 1, 0, 0, 0, 9][..], &element(1, b"7.4.1.37")].concat();
        let mut bytes = vec![0, 0x10, 0x02, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, 0, 1, 0, 0, 100, 0]);
        bytes.extend(element(38, &board));
        bytes.extend(element(39, &descriptor));
        bytes.extend(element(45, b"lobby-ap"));
        bytes
    }

    #[test]
    fn an_access_point_looks_for_its_controller() {
        assert_eq!(
            Said::by(&PROTOCOL, &request()).pairs(),
            [
                (Field::CapwapRole, "access_point"),
                (Field::CapwapModel, "AIR-CAP2602I-Q-K9"),
                (Field::CapwapSerial, "FGL1234567A"),
                (Field::CapwapSoftware, "7.4.1.37"),
                (Field::CapwapName, "lobby-ap"),
                (Field::CapwapVendor, "9"),
            ]
        );
    }

    #[test]
    fn its_controller_answers() {
        let mut answer = vec![0, 0x10, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 20, 0];
        answer.extend(element(4, b"wlc-1"));
        assert_eq!(
            Said::by(&PROTOCOL, &answer).pairs(),
            [(Field::CapwapRole, "controller"), (Field::CapwapName, "wlc-1")]
        );
        assert!(Said::by(&PROTOCOL, &[1, 0, 0, 0, 22, 254, 255]).pairs().is_empty(), "behind DTLS");
    }

    #[test]
    fn survives_any_bytes() {
        survives(&request(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
