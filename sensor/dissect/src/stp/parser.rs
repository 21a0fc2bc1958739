//! IEEE 802.1D-2004 clause 9: configuration and rapid BPDUs, and the notice of a topology change.

use std::fmt;

use eyot_contract::MacAddr;

use crate::cursor::Cursor;

const CONFIGURATION: u8 = 0x00;
const RAPID: u8 = 0x02;
const TOPOLOGY_CHANGE: u8 = 0x80;

/// Priority, with the system id extension in its low bits, and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BridgeId(u16, MacAddr);

impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bpdu {
    TopologyChange,
    Configuration { version: u8, root: BridgeId, bridge: BridgeId },
}

pub(super) fn parse(bytes: &[u8]) -> Option<Bpdu> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u16()? != 0 {
        return None;
    }
    let version = cursor.u8()?;
    match cursor.u8()? {
        TOPOLOGY_CHANGE => Some(Bpdu::TopologyChange),
        CONFIGURATION | RAPID => {
            let _flags = cursor.u8()?;
            let root = BridgeId(cursor.u16()?, MacAddr(cursor.array()?));
            let _cost = cursor.u32()?;
            let bridge = BridgeId(cursor.u16()?, MacAddr(cursor.array()?));
            Some(Bpdu::Configuration { version, root, bridge })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::stp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const RSTP: &[u8] = &[
        0, 0, 2, 2, 0x3c, 0x80, 0x01, 0, 0x1c, 0x0e, 0x87, 0x78, 0, 0, 0, 0, 4, 0x80, 0x01, 0, 0x1c, 0x0e,
        0x87, 0x85, 0, 0x80, 4, 1, 0, 20, 0, 2, 0, 15, 0, 0,
    ];

    #[test]
    fn a_bridge_and_its_root() {
        assert_eq!(
            Said::by(&PROTOCOL, RSTP).pairs(),
            [
                (Field::StpVersion, "2"),
                (Field::StpBridge, "32769/00:1c:0e:87:85:00"),
                (Field::StpRoot, "32769/00:1c:0e:87:78:00"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(RSTP, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
