//! RFC 2865 sections 3 and 5, RFC 2866.

use crate::cursor::Cursor;

pub(super) const VENDOR_SPECIFIC: u8 = 26;
pub(super) const NAS_IDENTIFIER: u8 = 32;
pub(super) const NAS_PORT_TYPE: u8 = 61;
/// Access-Request, Accounting-Request.
const ASKS: [u8; 2] = [1, 4];
/// Access-Accept, Access-Reject, Accounting-Response, Access-Challenge.
const ANSWERS: [u8; 4] = [2, 3, 5, 11];
const HEADER: usize = 20;
/// Attributes read of one message.
const MAX_ATTRIBUTES: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    /// Those about the one that asks; none of an answer.
    pub attributes: Vec<(u8, &'a [u8])>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let code = cursor.u8()?;
    cursor.skip(1)?;
    let length = usize::from(cursor.u16()?);
    if length < HEADER || length > bytes.len() {
        return None;
    }
    cursor.skip(16)?;
    if ANSWERS.contains(&code) {
        return Some(Message { role: "server", attributes: Vec::new() });
    }
    if !ASKS.contains(&code) {
        return None;
    }
    let mut rest = Cursor::new(cursor.take(length - HEADER)?);
    let attributes = std::iter::from_fn(|| {
        let kind = rest.u8()?;
        let length = usize::from(rest.u8()?).checked_sub(2)?;
        Some((kind, rest.take(length)?))
    });
    let wanted = |kind: &u8| matches!(*kind, VENDOR_SPECIFIC | NAS_IDENTIFIER | NAS_PORT_TYPE);
    let attributes = attributes.take(MAX_ATTRIBUTES).filter(|(kind, _)| wanted(kind)).collect();
    Some(Message { role: "client", attributes })
}

#[cfg(test)]
mod tests {
    use crate::radius::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn message(code: u8, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![code, 1, 0, 20 + attributes.len() as u8];
        bytes.extend([0xaa; 16]);
        bytes.extend(attributes);
        bytes
    }

    const ASKED: &[u8] = b"\x01\x06anna\x20\x08switch\x3d\x06\0\0\0\x0f\x1a\x0a\0\0\0\x09\x01\x04ab";

    #[test]
    fn a_switch_asks_and_a_server_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, &message(1, ASKED)).pairs(),
            [
                (Field::RadiusRole, "client"),
                (Field::RadiusNas, "switch"),
                (Field::RadiusPortType, "15"),
                (Field::RadiusVendor, "9"),
            ]
        );
        assert_eq!(Said::by(&PROTOCOL, &message(2, &[])).pairs(), [(Field::RadiusRole, "server")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&message(1, ASKED), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
