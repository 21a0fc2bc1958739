//! RFC 9568 section 5.2, and version 2 of RFC 3768.

use std::fmt;

use crate::cursor::Cursor;

/// The only type there is.
const ADVERTISEMENT: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advertisement {
    version: u8,
    group: u8,
    priority: u8,
}

impl fmt::Display for Advertisement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.version, self.group, self.priority)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Option<Advertisement> {
    let mut cursor = Cursor::new(bytes);
    let first = cursor.u8()?;
    let version = first >> 4;
    if first & 0x0f != ADVERTISEMENT || !matches!(version, 2 | 3) {
        return None;
    }
    Some(Advertisement { version, group: cursor.u8()?, priority: cursor.u8()? })
}

#[cfg(test)]
mod tests {
    use crate::testing::{survives, Said};
    use crate::vrrp::PROTOCOL;
    use crate::Field;

    const ADVERTISEMENT: &[u8] =
        &[0x21, 42, 100, 1, 0, 1, 0xba, 0x52, 192, 168, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_group_and_its_priority() {
        assert_eq!(Said::by(&PROTOCOL, ADVERTISEMENT).pairs(), [(Field::VrrpGroup, "2 42 100")]);
        assert!(Said::by(&PROTOCOL, &[0x45, 0, 0]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ADVERTISEMENT, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
