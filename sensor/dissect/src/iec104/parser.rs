//! IEC 60870-5-104 clause 5: start byte, length, four bytes of control.

use crate::cursor::Cursor;

const START: u8 = 0x68;
const CONTROL_LENGTH: u8 = 4;
const MAX_LENGTH: u8 = 253;
/// Frames without data: start, stop, test, each asked and confirmed.
const UNNUMBERED: [u8; 6] = [0x07, 0x0b, 0x13, 0x23, 0x43, 0x83];

pub(super) fn is_frame(bytes: &[u8]) -> bool {
    read(bytes).is_some()
}

fn read(bytes: &[u8]) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let start = cursor.u8()?;
    let length = cursor.u8()?;
    let [control, second, ..] = cursor.array::<4>()?;
    let is_sound = match control & 3 {
        3 => length == CONTROL_LENGTH && UNNUMBERED.contains(&control) && second == 0,
        1 => length == CONTROL_LENGTH && control == 1,
        // with data: it must be there, for much that is no frame begins with the letter that is the start byte
        _ => (CONTROL_LENGTH + 6..=MAX_LENGTH).contains(&length) && cursor.len() + 4 >= length.into(),
    };
    (start == START && is_sound).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::iec104::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn said(bytes: &[u8], from_station: bool) -> Said {
        let mut packet = packet(bytes);
        if from_station {
            packet.source_port = 2404;
        } else {
            packet.destination_port = 2404;
        }
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn both_sides() {
        assert_eq!(said(&[0x68, 4, 7, 0, 0, 0], false).pairs(), [(Field::Iec104Role, "controlling")]);
        assert_eq!(said(&[0x68, 4, 0x0b, 0, 0, 0], true).pairs(), [(Field::Iec104Role, "controlled")]);
        assert!(said(b"hello, world", true).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&[0x68, 4, 0x0b, 0, 0, 0], |bytes| {
            said(bytes, true);
        });
    }
}
