//! RFC 2608 section 8 and, for version 1, RFC 2165 sections 4 to 10. Questions say nothing about who asks.

use crate::cursor::Cursor;

const SERVICE_REPLY: u8 = 2;
const SERVICE_REGISTRATION: u8 = 3;
const ATTRIBUTE_REPLY: u8 = 7;
const AGENT_ADVERTISEMENT: u8 = 11;
/// Addresses and attributes read of one message.
const MAX_ENTRIES: usize = 16;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said<'a> {
    /// `service:printer:lpr://…`
    pub urls: Vec<&'a [u8]>,
    /// `name=value`
    pub attributes: Vec<&'a [u8]>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Said<'_>> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u8()?;
    let function = cursor.u8()?;
    match version {
        2 => {
            // length, flags, extension, transaction, then the language
            cursor.skip(3 + 2 + 3 + 2)?;
            string(&mut cursor)?;
        }
        // length, flags, dialect, language, encoding, transaction
        1 => cursor.skip(2 + 1 + 1 + 2 + 2 + 2)?,
        _ => return None,
    }
    let mut said = Said::default();
    match function {
        SERVICE_REPLY => {
            let _error = cursor.u16()?;
            let count = usize::from(cursor.u16()?).min(MAX_ENTRIES);
            said.urls.extend((0..count).map_while(|_| url(&mut cursor, version)));
        }
        SERVICE_REGISTRATION => {
            said.urls.extend(url(&mut cursor, version));
            if version == 2 {
                // type and scopes
                string(&mut cursor)?;
                string(&mut cursor)?;
            }
            said.attributes = attributes(string(&mut cursor).unwrap_or_default());
        }
        ATTRIBUTE_REPLY => {
            let _error = cursor.u16()?;
            said.attributes = attributes(string(&mut cursor)?);
        }
        AGENT_ADVERTISEMENT => {
            said.urls.extend(string(&mut cursor));
            string(&mut cursor)?;
            said.attributes = attributes(string(&mut cursor).unwrap_or_default());
        }
        // questions, acknowledgements, directory agents
        1 | 4..=6 | 8..=10 => {}
        _ => return None,
    }
    Some(said)
}

fn string<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.u16()?;
    cursor.take(length.into())
}

/// One entry with an address.
fn url<'a>(cursor: &mut Cursor<'a>, version: u8) -> Option<&'a [u8]> {
    if version == 2 {
        cursor.skip(1)?;
    }
    let _lifetime = cursor.u16()?;
    let url = string(cursor)?;
    let signatures = if version == 2 { cursor.u8()? } else { 0 };
    (signatures == 0).then_some(url)
}

/// The members of a list `(a=b),(c=d)`.
fn attributes(list: &[u8]) -> Vec<&[u8]> {
    let inner = list.split(|b| matches!(b, b'(' | b')'));
    inner.filter(|part| part.len() > 1 && part.contains(&b'=')).take(MAX_ENTRIES).collect()
}

#[cfg(test)]
mod tests {
    use crate::slp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn message(function: u8, body: &[u8]) -> Vec<u8> {
        [&[2, function, 0, 0, 99, 0, 0, 0, 0, 0, 0, 1, 0, 2, b'e', b'n'], body].concat()
    }

    const URL: &[u8] = b"service:printer:lpr://192.168.1.20";
    const ATTRIBUTES: &[u8] = b"(x-hp-mac=0011223344),(x-hp-p1=MFG:HP;MDL:LaserJet 4100;),color";

    fn answer() -> Vec<u8> {
        message(2, &[&[0, 0, 0, 1, 0, 0, 60, 0, URL.len() as u8], URL, &[0]].concat())
    }

    #[test]
    fn a_printer_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, &answer()).pairs(),
            [(Field::SlpService, "service:printer:lpr://192.168.1.20")]
        );
        let attributes = message(7, &[&[0, 0, 0, ATTRIBUTES.len() as u8], ATTRIBUTES, &[0]].concat());
        assert_eq!(
            Said::by(&PROTOCOL, &attributes).all(Field::SlpAttribute),
            ["x-hp-mac=0011223344", "x-hp-p1=MFG:HP;MDL:LaserJet 4100;"]
        );
    }

    #[test]
    fn version_1() {
        let head = [1, 2, 0, 60, 0, 0, b'e', b'n', 0, 3, 0, 1, 0, 0, 0, 1, 0, 60, 0, URL.len() as u8];
        assert_eq!(Said::by(&PROTOCOL, &[&head, URL].concat()).all(Field::SlpService).len(), 1);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
