//! ISO/IEC 14543-3-7 and EN 13321-2 (KNXnet/IP): the header, and the device information block of a description.

use crate::cursor::Cursor;

const HEADER_LENGTH: u8 = 6;
const VERSION: u8 = 0x10;
const SEARCH_ANSWER: u16 = 0x0202;
const DESCRIPTION_ANSWER: u16 = 0x0204;
const ROUTING_INDICATION: u16 = 0x0530;
const DEVICE_INFORMATION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Device(Device<'a>),
    Routing,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device<'a> {
    /// 2 twisted pair, 4 powerline, 16 radio, 32 IP.
    pub medium: u8,
    pub serial: &'a [u8],
    pub name: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    if (cursor.u8()?, cursor.u8()?) != (HEADER_LENGTH, VERSION) {
        return None;
    }
    let service = cursor.u16()?;
    cursor.skip(2)?;
    Some(match service {
        SEARCH_ANSWER => {
            // the address to talk to
            let length = usize::from(*cursor.rest().first()?);
            cursor.skip(length)?;
            device(cursor).map_or(Message::Other, Message::Device)
        }
        DESCRIPTION_ANSWER => device(cursor).map_or(Message::Other, Message::Device),
        ROUTING_INDICATION => Message::Routing,
        _ => Message::Other,
    })
}

fn device(mut cursor: Cursor<'_>) -> Option<Device<'_>> {
    cursor.skip(1)?;
    if cursor.u8()? != DEVICE_INFORMATION {
        return None;
    }
    let medium = cursor.u8()?;
    // status, address, project
    cursor.skip(1 + 2 + 2)?;
    let serial = cursor.take(6)?;
    // routing group, hardware address
    cursor.skip(4 + 6)?;
    Some(Device { medium, serial, name: cursor.take(30)?.split(|b| *b == 0).next()? })
}

#[cfg(test)]
mod tests {
    use crate::knx::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn description() -> Vec<u8> {
        let mut bytes = vec![6, 0x10, 2, 4, 0, 68, 54, 1, 2, 0, 0x11, 0, 0, 0];
        bytes.extend([0, 0xc5, 1, 2, 0xd8, 0xb4, 224, 0, 23, 12, 0, 0x22, 0xd1, 1, 2, 3]);
        bytes.extend(b"KNX IP Router 751\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes
    }

    #[test]
    fn a_router_describes_itself() {
        assert_eq!(
            Said::by(&PROTOCOL, &description()).pairs(),
            [
                (Field::KnxName, "KNX IP Router 751"),
                (Field::KnxSerial, "00c50102d8b4"),
                (Field::KnxMedium, "2"),
            ]
        );
        let telegram = [6, 0x10, 5, 0x30, 0, 17, 0x29, 0, 0xbc, 0xd0, 0x11, 1, 8, 1, 1, 0, 0x81];
        assert_eq!(Said::by(&PROTOCOL, &telegram).pairs(), [(Field::KnxRole, "router")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&description(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
