//! RFC 2328 section A.3.1 and RFC 5340 section A.3.1: the header that all messages of versions 2 and 3 begin with.

use std::net::Ipv4Addr;

use crate::cursor::Cursor;

/// Hello to link state acknowledgement.
const TYPES: std::ops::RangeInclusive<u8> = 1..=5;

/// The identifier of the router that sent the message.
pub(super) fn router(bytes: &[u8]) -> Option<Ipv4Addr> {
    let mut cursor = Cursor::new(bytes);
    let (version, kind) = (cursor.u8()?, cursor.u8()?);
    cursor.skip(2)?;
    (matches!(version, 2 | 3) && TYPES.contains(&kind)).then_some(cursor.ipv4()?)
}

#[cfg(test)]
mod tests {
    use crate::ospf::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const HELLO: &[u8] = &[2, 1, 0, 44, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_hello() {
        assert_eq!(Said::by(&PROTOCOL, HELLO).pairs(), [(Field::OspfRouter, "10.0.0.1")]);
        assert!(Said::by(&PROTOCOL, &[4, 1, 0, 44, 10, 0, 0, 1]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(HELLO, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
