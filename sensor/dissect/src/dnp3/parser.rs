//! IEEE 1815-2012: link frame of clause 9 (blocks of 16 bytes, each with a checksum), transport octet of clause 8,
//! application header of clause 4, and device attributes, which are group 0.

use crate::cursor::Cursor;

const START: [u8; 2] = [0x05, 0x64];
/// Bytes of a frame that its length counts before user data: control, two addresses.
const COUNTED_HEADER: usize = 5;
const HEADER: usize = 10;
const BLOCK: usize = 16;
const CHECKSUM: usize = 2;
const FROM_MASTER: u8 = 0x80;
/// Answers and unsolicited answers, of outstations.
const ANSWERS: std::ops::RangeInclusive<u8> = 0x81..=0x82;
const ATTRIBUTE_GROUP: u8 = 0;
const VISIBLE_STRING: u8 = 1;
/// One attribute by its index, as answers write it.
const START_STOP_8: u8 = 0x00;
/// Attributes read of one answer.
const MAX_ATTRIBUTES: usize = 32;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub from_master: bool,
    /// Variation and text: 252 is the maker, 250 product and model, 242 software, 243 hardware, 248 serial number.
    pub attributes: Vec<(u8, Vec<u8>)>,
}

/// The whole length of the frame that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    if cursor.array()? != START {
        return None;
    }
    let data = usize::from(cursor.u8()?).checked_sub(COUNTED_HEADER)?;
    Some(HEADER + data + data.div_ceil(BLOCK) * CHECKSUM)
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
    let length = length(bytes)?;
    let control = *bytes.get(3)?;
    let mut message = Message { from_master: control & FROM_MASTER != 0, attributes: Vec::new() };
    let data = bytes.get(HEADER..length.min(bytes.len())).unwrap_or_default();
    let user: Vec<u8> = data
        .chunks(BLOCK + CHECKSUM)
        .flat_map(|block| block.get(..block.len().saturating_sub(CHECKSUM)).unwrap_or_default())
        .copied()
        .collect();
    let mut cursor = Cursor::new(&user);
    // transport octet, application control
    if cursor.skip(2).is_some() && cursor.u8().is_some_and(|function| ANSWERS.contains(&function)) {
        // internal indications
        if cursor.skip(2).is_some() {
            attributes(cursor, &mut message.attributes);
        }
    }
    Some(message)
}

fn attributes(mut cursor: Cursor<'_>, found: &mut Vec<(u8, Vec<u8>)>) {
    while found.len() < MAX_ATTRIBUTES {
        let Some([group, variation, qualifier, _first, _last]) = cursor.array() else { return };
        if group != ATTRIBUTE_GROUP || qualifier != START_STOP_8 {
            return;
        }
        let (Some(kind), Some(length)) = (cursor.u8(), cursor.u8()) else { return };
        let Some(value) = cursor.take(length.into()) else { return };
        if kind == VISIBLE_STRING {
            found.push((variation, value.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::dnp3::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    /// A frame with this user data; the checksums are not looked at.
    fn frame(control: u8, user: &[u8]) -> Vec<u8> {
        let mut bytes = vec![5, 0x64, 5 + user.len() as u8, control, 1, 0, 10, 0, 0xaa, 0xaa];
        for block in user.chunks(16) {
            bytes.extend(block);
            bytes.extend([0xaa, 0xaa]);
        }
        bytes
    }

    fn answer() -> Vec<u8> {
        let mut user = vec![0xc0, 0xc0, 0x81, 0, 0, 0, 252, 0, 0, 0, 1, 14];
        user.extend(b"Acme Utilities");
        user.extend([0, 250, 0, 0, 0, 1, 5]);
        user.extend(b"RTU-4");
        frame(0x44, &user)
    }

    fn tcp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 20000;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn an_outstation_gives_its_attributes() {
        let expected = [
            (Field::Dnp3Role, "outstation"),
            (Field::Dnp3Attribute, "252=Acme Utilities"),
            (Field::Dnp3Attribute, "250=RTU-4"),
        ];
        assert_eq!(tcp(&answer()).pairs(), expected);
        assert_eq!(Said::by(&PROTOCOL, &answer()).pairs(), expected, "and over UDP");
    }

    #[test]
    fn a_master_asks() {
        assert_eq!(tcp(&frame(0xc4, &[0xc0, 0xc0, 1, 60, 2, 6])).pairs(), [(Field::Dnp3Role, "master")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            tcp(bytes);
            Said::by(&PROTOCOL, bytes);
        });
    }
}
