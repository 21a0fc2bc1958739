//! Magic, length, 32 bits unknown, device identifier, time stamp, checksum of 16 bytes, then data that is encrypted. There
//! is no public specification; the layout is what every client has.

use crate::cursor::Cursor;

const MAGIC: u16 = 0x2131;
/// The identifier of a greeting, which comes from a client.
const GREETING: u32 = u32::MAX;
const HEADER: u16 = 32;

/// The identifier of the device that sent this.
pub(super) fn device(bytes: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u16()? != MAGIC || cursor.u16()? < HEADER {
        return None;
    }
    cursor.skip(4)?;
    cursor.u32().filter(|device| *device != GREETING)
}

#[cfg(test)]
mod tests {
    use crate::miio::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn message(device: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0x21, 0x31, 0, 32, 0, 0, 0, 0];
        bytes.extend(device);
        bytes.extend([0xff; 20]);
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 54321;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_thing_answers_a_greeting() {
        assert_eq!(said(&message([0, 0x12, 0xd6, 0x87])).pairs(), [(Field::MiioDevice, "1234567")]);
        assert!(said(&message([0xff; 4])).pairs().is_empty());
        assert!(Said::by(&PROTOCOL, &message([0, 0, 0, 1])).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&message([0, 0, 0, 1]), |bytes| {
            said(bytes);
        });
    }
}
