//! The CONNECT packet of MQTT 3.1, 3.1.1 and 5.0 (OASIS, section 3.1).

use crate::cursor::Cursor;

const CONNECT: u8 = 0x10;
const VERSION_5: u8 = 5;
const FLAG_WILL: u8 = 0x04;
const FLAG_USER: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connect<'a> {
    pub client: &'a [u8],
    pub user: Option<&'a [u8]>,
}

/// Cheap: a CONNECT with a name of the protocol.
pub(super) fn starts(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    cursor.u8() == Some(CONNECT)
        && variable(&mut cursor).is_some()
        && matches!(string(&mut cursor), Some(b"MQTT" | b"MQIsdp"))
}

/// The whole length of the packet.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(1)?;
    let rest = variable(&mut cursor)?;
    Some(bytes.len() - cursor.len() + rest)
}

pub(super) fn parse(bytes: &[u8]) -> Option<Connect<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(1)?;
    let length = variable(&mut cursor)?;
    let mut cursor = Cursor::new(cursor.take_lax(length).0);
    let _name = string(&mut cursor)?;
    let version = cursor.u8()?;
    let flags = cursor.u8()?;
    let _keep_alive = cursor.u16()?;
    let skip_properties = |cursor: &mut Cursor<'_>| {
        if version != VERSION_5 {
            return Some(());
        }
        let length = variable(cursor)?;
        cursor.skip(length)
    };
    skip_properties(&mut cursor)?;
    let client = string(&mut cursor)?;
    let mut user = || {
        if flags & FLAG_WILL != 0 {
            skip_properties(&mut cursor)?;
            let _topic = string(&mut cursor)?;
            let _payload = string(&mut cursor)?;
        }
        string(&mut cursor)
    };
    Some(Connect { client, user: if flags & FLAG_USER == 0 { None } else { user() } })
}

/// Seven bits a byte, the low ones first, four bytes at most.
fn variable(cursor: &mut Cursor<'_>) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = cursor.u8()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn string<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.u16()?;
    cursor.take(length.into())
}

#[cfg(test)]
mod tests {
    use crate::mqtt::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const V311: &[u8] =
        b"\x10\x2a\0\x04MQTT\x04\xc6\0\x3c\0\x0dtasmota_0A1B2\0\x01t\0\x02of\0\x04plug\0\x02pw";
    const V5: &[u8] = b"\x10\x16\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\x14\0\x06shelly";

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_plug_connects() {
        assert_eq!(said(V311).pairs(), [(Field::MqttClient, "tasmota_0A1B2"), (Field::MqttUser, "plug")]);
        assert_eq!(said(V5).pairs(), [(Field::MqttClient, "shelly")]);
    }

    #[test]
    fn survives_any_bytes() {
        for good in [V311, V5] {
            survives(good, |bytes| {
                said(bytes);
            });
        }
    }
}
