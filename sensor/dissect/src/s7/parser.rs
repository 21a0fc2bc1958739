//! TPKT (RFC 1006), the data unit of COTP (ISO 8073), and the answer to "read SZL" of S7 communication. Siemens
//! publishes the lists ("System Software for S7-300/400, System and Standard Functions", chapter 33), not the messages;
//! their layout is what every decoder has.

use crate::cursor::Cursor;
use crate::value::clean;

const TPKT_VERSION: u8 = 3;
const COTP_DATA: u8 = 0xf0;
const S7: u8 = 0x32;
const USER_DATA: u8 = 7;
/// Answer of the CPU functions, read SZL.
const CPU_ANSWER: u8 = 0x84;
const READ_SZL: u8 = 1;
const RETURN_OK: u8 = 0xff;
/// Module identification: order number and versions.
const SZL_MODULE: u16 = 0x0011;
/// Component identification: names.
const SZL_COMPONENT: u16 = 0x001c;
/// A version stands behind a `V`.
const VERSION_MARK: u8 = b'V';
/// Entries read of one list.
const MAX_ENTRIES: u16 = 32;

/// The whole length of the message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    if (cursor.u8()?, cursor.u8()?) != (TPKT_VERSION, 0) {
        return None;
    }
    Some(usize::from(cursor.u16()?)).filter(|length| *length >= 7)
}

/// Whether the data unit is one of S7 communication.
pub(super) fn is_s7(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    let payload = cursor.skip(4).and_then(|()| cursor.u8()).and_then(|cotp| {
        let header = cursor.take(cotp.into())?;
        (*header.first()? == COTP_DATA).then(|| cursor.rest())
    });
    payload.is_some_and(|payload| payload.first() == Some(&S7))
}

/// List, index and text of each entry; none of other messages.
pub(super) fn status_list(bytes: &[u8]) -> Vec<(u16, u16, String)> {
    read(bytes).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<Vec<(u16, u16, String)>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(4)?;
    let cotp = cursor.u8()?;
    let mut header = Cursor::new(cursor.take(cotp.into())?);
    if header.u8()? != COTP_DATA || (cursor.u8()?, cursor.u8()?) != (S7, USER_DATA) {
        return None;
    }
    // reserved, reference
    cursor.skip(2 + 2)?;
    let parameter_length = cursor.u16()?;
    let _data_length = cursor.u16()?;
    let mut parameters = Cursor::new(cursor.take(parameter_length.into())?);
    // head, length, method
    parameters.skip(3 + 1 + 1)?;
    if (parameters.u8()?, parameters.u8()?) != (CPU_ANSWER, READ_SZL) {
        return None;
    }
    if cursor.u8()? != RETURN_OK {
        return None;
    }
    // transport, length
    cursor.skip(1 + 2)?;
    let list = cursor.u16()?;
    let _index = cursor.u16()?;
    let entry_length = cursor.u16()?;
    let count = cursor.u16()?;
    let mut entries = Vec::new();
    for _ in 0..count.min(MAX_ENTRIES) {
        let Some(entry) = cursor.take(entry_length.into()) else { break };
        if let Some((index, text)) = self::entry(list & 0x00ff, entry) {
            if !text.is_empty() {
                entries.push((list & 0x00ff, index, text));
            }
        }
    }
    Some(entries)
}

fn entry(list: u16, bytes: &[u8]) -> Option<(u16, String)> {
    let mut cursor = Cursor::new(bytes);
    let index = cursor.u16()?;
    match list {
        SZL_MODULE => {
            let order = clean(cursor.take(20)?).into_owned();
            let _module_type = cursor.u16()?;
            let version = cursor.array::<4>();
            Some(match version {
                Some([VERSION_MARK, major, minor, patch]) => {
                    (index, format!("{order} V{major}.{minor}.{patch}"))
                }
                _ => (index, order),
            })
        }
        SZL_COMPONENT => Some((index, clean(cursor.rest()).into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::s7::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn answer(list: u8, entry_length: u8, entries: &[u8]) -> Vec<u8> {
        let mut bytes = vec![3, 0, 0, 0, 2, 0xf0, 0x80, 0x32, 7, 0, 0, 0, 1, 0, 12, 0, 0];
        bytes.extend([0, 1, 0x12, 8, 0x12, 0x84, 1, 1, 0, 0, 0, 0]);
        bytes.extend([
            0xff,
            9,
            0,
            0,
            0,
            list,
            0,
            0,
            0,
            entry_length,
            0,
            (entries.len() / usize::from(entry_length)) as u8,
        ]);
        bytes.extend(entries);
        bytes[3] = bytes.len() as u8;
        bytes
    }

    fn component() -> Vec<u8> {
        let mut entries = vec![0, 1];
        entries.extend(b"SIMATIC 300(1)\0\0\0\0\0\0\0\0\0\0");
        entries.extend([0, 7]);
        entries.extend(b"CPU 315-2 PN/DP\0\0\0\0\0\0\0\0\0");
        answer(0x1c, 26, &entries)
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 102;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn names_of_a_controller() {
        assert_eq!(
            said(&component()).pairs(),
            [
                (Field::S7Role, "server"),
                (Field::S7Module, "001c.0001=SIMATIC 300(1)"),
                (Field::S7Module, "001c.0007=CPU 315-2 PN/DP")
            ]
        );
    }

    #[test]
    fn order_number_and_firmware() {
        let mut entries = vec![0, 7];
        entries.extend(b"6ES7 315-2EH14-0AB0 ");
        entries.extend([0, 0xc0, b'V', 3, 2, 6]);
        assert_eq!(
            said(&answer(0x11, 28, &entries)).pairs(),
            [(Field::S7Role, "server"), (Field::S7Module, "0011.0007=6ES7 315-2EH14-0AB0 V3.2.6")]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&component(), |bytes| {
            said(bytes);
        });
    }
}
