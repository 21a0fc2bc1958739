//! "LIFX LAN Protocol" (LIFX developer documentation): a header of 36 bytes, little-endian, then the message.

use crate::cursor::Cursor;

const PROTOCOL_NUMBER: u16 = 1024;
const PROTOCOL_MASK: u16 = 0x0fff;
const STATE_HOST_FIRMWARE: u16 = 15;
const STATE_LABEL: u16 = 25;
const STATE_VERSION: u16 = 33;
/// Messages that only a device sends: states of service, power, label, version, colour, light power.
const STATES: &[u16] = &[3, 13, 17, 19, 22, STATE_LABEL, 35, 45, 50, 53, 107, 118, 506];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    Product { vendor: u32, product: u32 },
    Firmware { major: u16, minor: u16 },
    Label(&'a [u8]),
    Other(u16),
}

pub(super) fn parse(bytes: &[u8]) -> Option<State<'_>> {
    let mut cursor = Cursor::new(bytes);
    let size = usize::from(cursor.u16_le()?);
    let protocol = cursor.u16_le()?;
    if size != bytes.len() || protocol & PROTOCOL_MASK != PROTOCOL_NUMBER {
        return None;
    }
    // source, target, reserved, flags, sequence, reserved
    cursor.skip(4 + 8 + 6 + 1 + 1 + 8)?;
    let kind = cursor.u16_le()?;
    cursor.skip(2)?;
    match kind {
        STATE_VERSION => Some(State::Product { vendor: cursor.u32_le()?, product: cursor.u32_le()? }),
        STATE_HOST_FIRMWARE => {
            cursor.skip(8 + 8)?;
            let minor = cursor.u16_le()?;
            Some(State::Firmware { minor, major: cursor.u16_le()? })
        }
        STATE_LABEL => Some(State::Label(cursor.take(32)?.split(|b| *b == 0).next()?)),
        _ if STATES.contains(&kind) => Some(State::Other(kind)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::lifx::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![36 + body.len() as u8, 0, 0, 0x54];
        bytes.extend([0; 28]);
        bytes.extend([kind, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 56700;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_lamp_answers() {
        let version = message(33, &[1, 0, 0, 0, 27, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(said(&version).pairs(), [(Field::LifxProduct, "1.27")]);
        let firmware = [[0; 16].as_slice(), &[80, 0, 2, 0]].concat();
        assert_eq!(said(&message(15, &firmware)).pairs(), [(Field::LifxFirmware, "2.80")]);
        assert_eq!(said(&message(3, &[1, 0x7c, 0xdd, 0, 0])).pairs(), [(Field::LifxState, "3")]);
        let label = [b"Hall".as_slice(), &[0; 28]].concat();
        assert_eq!(said(&message(25, &label)).pairs(), [(Field::LifxLabel, "Hall")]);
    }

    #[test]
    fn a_question_says_nothing() {
        assert!(said(&message(2, &[])).pairs().is_empty());
        assert!(Said::by(&PROTOCOL, &message(3, &[0; 5])).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&message(33, &[0; 12]), |bytes| {
            said(bytes);
        });
    }
}
