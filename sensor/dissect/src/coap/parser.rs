//! RFC 7252 section 3, and link lists of RFC 6690.

use crate::cursor::Cursor;
use crate::value::clean;

const VERSION: u8 = 1;
const URI_PATH: u16 = 11;
const PAYLOAD_MARKER: u8 = 0xff;
const CONTENT: u8 = 0x45;
/// GET, POST, PUT, DELETE, FETCH, PATCH, iPATCH.
const REQUESTS: std::ops::RangeInclusive<u8> = 1..=7;
const MAX_TOKEN: u8 = 8;
/// Options and links read of one message.
const MAX_ITEMS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub is_request: bool,
    pub path: String,
    pub payload: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let first = cursor.u8()?;
    let code = cursor.u8()?;
    let token = first & 0x0f;
    let is_request = REQUESTS.contains(&code);
    if first >> 6 != VERSION || token > MAX_TOKEN || !(is_request || code == CONTENT) {
        return None;
    }
    cursor.skip(2 + usize::from(token))?;
    let mut message = Message { is_request, path: String::new(), payload: &[] };
    let mut number = 0_u16;
    for _ in 0..MAX_ITEMS {
        match cursor.u8() {
            None => break,
            Some(PAYLOAD_MARKER) => {
                message.payload = cursor.rest();
                break;
            }
            Some(head) => {
                number = number.checked_add(extended(head >> 4, &mut cursor)?)?;
                let length = extended(head & 0x0f, &mut cursor)?;
                let value = cursor.take(length.into())?;
                if number == URI_PATH {
                    message.path.push('/');
                    message.path.push_str(&clean(value));
                }
            }
        }
    }
    Some(message)
}

/// Section 3.1: 13 and 14 stand for more bytes.
fn extended(nibble: u8, cursor: &mut Cursor<'_>) -> Option<u16> {
    match nibble {
        13 => Some(u16::from(cursor.u8()?) + 13),
        14 => cursor.u16()?.checked_add(269),
        15 => None,
        small => Some(small.into()),
    }
}

/// The links of a list `</a>;rt="…",</b>`.
pub(super) fn links(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_list = payload.starts_with(b"</");
    payload.split(|b| *b == b',').filter(move |link| is_list && link.starts_with(b"</")).take(MAX_ITEMS)
}

#[cfg(test)]
mod tests {
    use crate::coap::PROTOCOL;
    use crate::testing::{survives, Said, PEER};
    use crate::Field;

    const ANSWER: &[u8] = b"\x62\x45\x12\x34ab\xc1\x28\xff</light>;rt=\"dimmer\",</info>";

    #[test]
    fn a_thing_lists_what_it_offers() {
        assert_eq!(
            Said::by(&PROTOCOL, ANSWER).all(Field::CoapResource),
            ["</light>;rt=\"dimmer\"", "</info>"]
        );
    }

    #[test]
    fn a_question_is_about_the_one_asked() {
        let said = Said::by(&PROTOCOL, b"\x40\x01\x12\x34\xbb.well-known\x04core");
        assert_eq!(said.pairs(), [(Field::CoapServed, "/.well-known/core")]);
        assert_eq!(said.macs(), [PEER.to_string()]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
