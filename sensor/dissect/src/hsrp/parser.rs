//! RFC 2281 section 5.1, and version 2, whose items of 8 bits type and length are what every decoder has.

use std::fmt;

use eyot_contract::MacAddr;

use crate::cursor::Cursor;

/// Hello, coup, resign.
const MAX_OPERATION: u8 = 2;
/// The item of version 2 that has what version 1 says.
const GROUP_STATE: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    version: u8,
    group: u16,
    state: u8,
    priority: u32,
    /// Version 2: the sender's own address.
    pub router: Option<MacAddr>,
}

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.version, self.group, self.state, self.priority)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Option<Hello> {
    version_1(bytes).or_else(|| version_2(bytes))
}

fn version_1(bytes: &[u8]) -> Option<Hello> {
    let mut cursor = Cursor::new(bytes);
    let (version, operation, state) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    if version != 0 || operation > MAX_OPERATION {
        return None;
    }
    // hello and hold time
    cursor.skip(2)?;
    let priority = cursor.u8()?.into();
    Some(Hello { version: 1, group: cursor.u8()?.into(), state, priority, router: None })
}

fn version_2(bytes: &[u8]) -> Option<Hello> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != GROUP_STATE {
        return None;
    }
    let length = cursor.u8()?;
    let mut item = Cursor::new(cursor.take(length.into())?);
    let (version, operation, state, _ip_version) = (item.u8()?, item.u8()?, item.u8()?, item.u8()?);
    if version != 2 || operation > MAX_OPERATION {
        return None;
    }
    let group = item.u16()?;
    let router = Some(MacAddr(item.array()?));
    Some(Hello { version, group, state, priority: item.u32()?, router })
}

#[cfg(test)]
mod tests {
    use crate::hsrp::PROTOCOL;
    use crate::testing::{survives, Said, DEVICE};
    use crate::Field;

    const VERSION_1: &[u8] =
        &[0, 0, 16, 3, 10, 110, 1, 0, b'c', b'i', b's', b'c', b'o', 0, 0, 0, 192, 168, 0, 1];
    const VERSION_2: &[u8] = &[1, 40, 2, 0, 6, 4, 0, 103, 0, 0x24, 0xf7, 0x46, 0x54, 0xc3, 0, 0, 0, 110];

    fn version_2() -> Vec<u8> {
        let mut bytes = VERSION_2.to_vec();
        bytes.resize(42, 0);
        bytes
    }

    #[test]
    fn both_versions() {
        let said = Said::by(&PROTOCOL, VERSION_1);
        assert_eq!(said.pairs(), [(Field::HsrpGroup, "1 1 16 110")]);
        assert_eq!(said.macs(), [DEVICE.to_string()]);
        let bytes = version_2();
        let said = Said::by(&PROTOCOL, &bytes);
        assert_eq!(said.pairs(), [(Field::HsrpGroup, "2 103 6 110")]);
        assert_eq!(said.macs(), ["00:24:f7:46:54:c3"], "the router behind the shared address");
    }

    #[test]
    fn survives_any_bytes() {
        for good in [VERSION_1, &version_2()] {
            survives(good, |bytes| {
                Said::by(&PROTOCOL, bytes);
            });
        }
    }
}
