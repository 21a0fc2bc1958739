//! BER and DER elements (X.690): tag, length, value. Only what is met in certificates and SNMP: one-byte tags, definite
//! lengths.

use crate::cursor::Cursor;
use crate::value::push_decimal;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_ID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Parts of an object identifier that are written out.
const MAX_ARCS: usize = 64;

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    /// The next element if it has that tag, else nothing is taken.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, value) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(value)
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.cursor.rest().first().copied()
    }

    /// The elements inside the next one, which may be cut.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        let mut cursor = self.cursor;
        if cursor.u8()? != tag {
            return None;
        }
        let length = length(&mut cursor)?;
        let (value, _) = cursor.take_lax(length);
        self.cursor = cursor;
        Some(Self::new(value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = self.cursor;
        let tag = cursor.u8()?;
        // tags of more than one byte are met nowhere here
        if tag & 0x1f == 0x1f {
            return None;
        }
        let length = length(&mut cursor)?;
        let value = cursor.take(length)?;
        self.cursor = cursor;
        Some((tag, value))
    }
}

fn length(cursor: &mut Cursor<'_>) -> Option<usize> {
    let first = cursor.u8()?;
    if first & 0x80 == 0 {
        return Some(first.into());
    }
    let mut length = 0_usize;
    // 0 would be the indefinite form; four bytes are more than any message has
    let count = first & 0x7f;
    if count == 0 || count > 4 {
        return None;
    }
    for _ in 0..count {
        length = length << 8 | usize::from(cursor.u8()?);
    }
    Some(length)
}

/// An object identifier in dotted form.
pub(crate) fn object_id(value: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(value.len() * 3);
    let mut arc = 0_u64;
    let mut arcs = 0;
    for byte in value {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 != 0 {
            continue;
        }
        if arcs == 0 {
            // the first two arcs share a number
            let first = (arc / 40).min(2);
            push_decimal(&mut out, first);
            arc -= first * 40;
        }
        out.push('.');
        push_decimal(&mut out, arc);
        arc = 0;
        arcs += 1;
        if arcs > MAX_ARCS {
            return None;
        }
    }
    (arcs > 0).then_some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn elements_in_order() {
        let mut elements = Elements::new(&[0x02, 1, 5, 0x30, 0x81, 3, 0x04, 1, b'x', 0x05]);
        assert_eq!(elements.expect(OCTET_STRING), None);
        assert_eq!(elements.expect(INTEGER), Some(&[5][..]));
        let mut inner = elements.enter(SEQUENCE).unwrap();
        assert_eq!(inner.next(), Some((OCTET_STRING, &b"x"[..])));
        assert_eq!(inner.next(), None);
        assert_eq!(elements.next(), None);
    }

    #[test]
    fn object_identifiers() {
        assert_eq!(object_id(&[0x2b, 6, 1, 4, 1, 0x89, 0x3e]).as_deref(), Some("1.3.6.1.4.1.1214"));
        assert_eq!(object_id(&[0x55, 4, 3]).as_deref(), Some("2.5.4.3"));
        assert_eq!(object_id(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!(object_id(&[0x80]), None);
        assert_eq!(object_id(&[0xff; 12]), None);
    }

    #[test]
    fn survives_any_bytes() {
        crate::testing::survives(&[0x30, 0x84, 0, 0, 0, 3, 6, 1, 0x2b], |bytes| {
            let mut elements = Elements::new(bytes);
            while let Some(mut inner) = elements.enter(SEQUENCE) {
                inner.by_ref().for_each(drop);
            }
            object_id(bytes);
        });
    }
}
