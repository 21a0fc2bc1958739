//! "MODBUS Messaging on TCP/IP" 1.0b (header) and "MODBUS Application Protocol" 1.1b3 section 6.21 (function 43, 14).

use crate::cursor::Cursor;

const FUNCTION_ENCAPSULATED: u8 = 0x2b;
const READ_DEVICE_IDENTIFICATION: u8 = 0x0e;
/// Unit and message together, 1.0b section 3.1.2: 254 bytes; some gateways go beyond.
const LENGTHS: std::ops::RangeInclusive<u16> = 2..=260;

/// The whole length of the message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let _transaction = cursor.u16()?;
    let protocol = cursor.u16()?;
    let length = cursor.u16()?;
    (protocol == 0 && LENGTHS.contains(&length)).then_some(usize::from(length) + 6)
}

/// Names and texts of the objects in an answer; none of anything else.
pub(super) fn identification(bytes: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    // header and unit
    let is_identification = cursor.skip(7).is_some()
        && cursor.array() == Some([FUNCTION_ENCAPSULATED, READ_DEVICE_IDENTIFICATION])
        // access, conformity, whether more follows, next object
        && cursor.skip(4).is_some();
    let count = if is_identification { cursor.u8().unwrap_or(0) } else { 0 };
    std::iter::from_fn(move || {
        let id = cursor.u8()?;
        let length = cursor.u8()?;
        Some((id, cursor.take(length.into())?))
    })
    .take(count.into())
    .filter_map(|(id, text)| Some((name(id)?, text)))
    .filter(|(_, text)| !text.is_empty())
}

fn name(id: u8) -> Option<&'static str> {
    Some(match id {
        0 => "VendorName",
        1 => "ProductCode",
        2 => "MajorMinorRevision",
        3 => "VendorUrl",
        4 => "ProductName",
        5 => "ModelName",
        6 => "UserApplicationName",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::modbus::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const ANSWER: &[u8] =
        b"\0\x01\0\0\0\x2c\0\x2b\x0e\x01\x01\0\0\x03\0\x12Schneider Electric\x01\x08BMX P34 \x02\x04v2.4";

    fn said(bytes: &[u8], from: u16, to: u16) -> Said {
        let mut packet = packet(bytes);
        (packet.source_port, packet.destination_port) = (from, to);
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_controller_identifies_itself() {
        assert_eq!(
            said(ANSWER, 502, 40000).pairs(),
            [
                (Field::ModbusRole, "server"),
                (Field::ModbusObject, "VendorName=Schneider Electric"),
                (Field::ModbusObject, "ProductCode=BMX P34"),
                (Field::ModbusObject, "MajorMinorRevision=v2.4"),
            ]
        );
    }

    #[test]
    fn who_asks_is_a_client() {
        let request = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10];
        assert_eq!(said(&request, 40000, 502).pairs(), [(Field::ModbusRole, "client")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            said(bytes, 502, 40000);
        });
    }
}
