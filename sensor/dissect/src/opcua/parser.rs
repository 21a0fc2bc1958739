//! OPC UA part 6, version 1.05: messages of section 7.1 and binary encoding of section 5.2, little-endian; part 4 section
//! 7.2 for the description of an application. Encrypted messages stay hidden.

use crate::cursor::Cursor;

/// Numbers of the answers that describe applications, in namespace 0: find servers, get endpoints.
const FIND_SERVERS_ANSWER: u16 = 425;
const GET_ENDPOINTS_ANSWER: u16 = 431;
const MAX_LENGTH: u32 = 1 << 24;
/// Strings of an answer's header that are passed over.
const MAX_STRINGS: i32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Acknowledge,
    Message,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: Kind,
    pub length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Application<'a> {
    pub uri: &'a [u8],
    pub product: &'a [u8],
    pub name: &'a [u8],
}

pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let mut cursor = Cursor::new(bytes);
    let kind = match &cursor.array::<4>()? {
        b"HELF" => Kind::Hello,
        b"ACKF" => Kind::Acknowledge,
        b"MSGF" | b"MSGC" => Kind::Message,
        b"OPNF" | b"CLOF" | b"ERRF" | b"RHEF" => Kind::Other,
        _ => return None,
    };
    let length = cursor.u32_le()?;
    ((8..=MAX_LENGTH).contains(&length)).then_some(Head { kind, length: usize::try_from(length).ok()? })
}

/// The first application of an answer that describes some.
pub(super) fn application(bytes: &[u8]) -> Option<Application<'_>> {
    let mut cursor = Cursor::new(bytes);
    // message head, channel, token, sequence, request
    cursor.skip(8 + 4 + 4 + 4 + 4)?;
    // node identifier of four bytes, namespace 0
    if (cursor.u8()?, cursor.u8()?) != (1, 0) {
        return None;
    }
    let answer = cursor.u16_le()?;
    if !matches!(answer, FIND_SERVERS_ANSWER | GET_ENDPOINTS_ANSWER) {
        return None;
    }
    // time, handle, result, diagnostics without content
    cursor.skip(8 + 4 + 4)?;
    if cursor.u8()? != 0 {
        return None;
    }
    let strings = count(&mut cursor)?;
    for _ in 0..strings.clamp(0, MAX_STRINGS) {
        string(&mut cursor)?;
    }
    // additional header: none
    cursor.skip(2 + 1)?;
    if count(&mut cursor)? < 1 {
        return None;
    }
    if answer == GET_ENDPOINTS_ANSWER {
        let _url = string(&mut cursor)?;
    }
    let uri = string(&mut cursor)?;
    let product = string(&mut cursor)?;
    let mask = cursor.u8()?;
    if mask & 1 != 0 {
        string(&mut cursor)?;
    }
    let name = if mask & 2 != 0 { string(&mut cursor)? } else { &[] };
    Some(Application { uri, product, name })
}

fn count(cursor: &mut Cursor<'_>) -> Option<i32> {
    cursor.u32_le().map(u32::cast_signed)
}

/// A string; one of length −1 is empty.
fn string<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    match usize::try_from(count(cursor)?) {
        Ok(length) => cursor.take(length),
        Err(_) => Some(&[]),
    }
}

#[cfg(test)]
mod tests {
    use crate::opcua::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn text(value: &str) -> Vec<u8> {
        [&(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat()
    }

    fn endpoints() -> Vec<u8> {
        let mut body = vec![0; 16];
        body.extend([1, 0, 0xaf, 1]);
        body.extend([0; 8 + 4 + 4 + 1]);
        body.extend([0xff; 4]);
        body.extend([0, 0, 0, 1, 0, 0, 0]);
        body.extend(text("opc.tcp://plc-1:4840/"));
        body.extend(text("urn:plc-1:Siemens:S7-1500"));
        body.extend(text("https://www.siemens.com/s7-1500"));
        body.push(2);
        body.extend(text("SIMATIC.S7-1500.OPC-UA.Application:PLC_1"));
        [b"MSGF", &(body.len() as u32 + 8).to_le_bytes()[..], &body].concat()
    }

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_server_describes_itself() {
        assert_eq!(
            said(&endpoints()).pairs(),
            [
                (Field::OpcuaRole, "server"),
                (Field::OpcuaApplicationUri, "urn:plc-1:Siemens:S7-1500"),
                (Field::OpcuaProductUri, "https://www.siemens.com/s7-1500"),
                (Field::OpcuaApplicationName, "SIMATIC.S7-1500.OPC-UA.Application:PLC_1"),
            ]
        );
    }

    #[test]
    fn roles() {
        assert_eq!(said(b"HELF\x20\0\0\0").pairs(), [(Field::OpcuaRole, "client")]);
        assert_eq!(said(b"ACKF\x1c\0\0\0").pairs(), [(Field::OpcuaRole, "server")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&endpoints(), |bytes| {
            said(bytes);
        });
    }
}
