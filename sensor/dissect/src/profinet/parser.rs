//! IEC 61158-6-10 section 4.3 (DCP): answers to Identify and Get, and Hello. Blocks are option, suboption, length and
//! value, filled up to an even length.

use std::net::Ipv4Addr;

use crate::cursor::Cursor;

const FRAME_HELLO: u16 = 0xfefc;
const FRAME_GET_SET: u16 = 0xfefd;
const FRAME_IDENTIFY_ANSWER: u16 = 0xfeff;
const SERVICE_GET: u8 = 3;
const SERVICE_IDENTIFY: u8 = 5;
const SERVICE_HELLO: u8 = 6;
const TYPE_ANSWER: u8 = 1;
/// Blocks read of one message.
const MAX_BLOCKS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block<'a> {
    Address(Ipv4Addr),
    Vendor(&'a [u8]),
    Station(&'a [u8]),
    Device(u16, u16),
    Role(u8),
}

/// The blocks of a message in which a device speaks of itself; `None` for any other.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut cursor = Cursor::new(bytes);
    let frame = cursor.u16()?;
    let service = cursor.u8()?;
    let kind = cursor.u8()?;
    let speaks = match frame {
        FRAME_HELLO => service == SERVICE_HELLO,
        FRAME_GET_SET => service == SERVICE_GET && kind == TYPE_ANSWER,
        FRAME_IDENTIFY_ANSWER => service == SERVICE_IDENTIFY && kind == TYPE_ANSWER,
        _ => false,
    };
    if !speaks {
        return None;
    }
    // transaction, reserved
    cursor.skip(4 + 2)?;
    let length = cursor.u16()?;
    let mut cursor = Cursor::new(cursor.take_lax(length.into()).0);
    let blocks = std::iter::from_fn(move || {
        let option = cursor.u8()?;
        let suboption = cursor.u8()?;
        let length = usize::from(cursor.u16()?);
        let value = cursor.take(length)?;
        // the last one may end without its filling
        cursor.take_lax(length % 2);
        Some((option, suboption, value))
    });
    Some(blocks.take(MAX_BLOCKS).filter_map(block).collect())
}

fn block((option, suboption, value): (u8, u8, &[u8])) -> Option<Block<'_>> {
    let mut cursor = Cursor::new(value);
    let _info = cursor.u16()?;
    match (option, suboption) {
        (1, 2) => Some(Block::Address(cursor.ipv4()?)),
        (2, 1) => Some(Block::Vendor(cursor.rest())),
        (2, 2) => Some(Block::Station(cursor.rest())),
        (2, 3) => Some(Block::Device(cursor.u16()?, cursor.u16()?)),
        (2, 4) => Some(Block::Role(cursor.u8()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::profinet::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn answer() -> Vec<u8> {
        let mut bytes = vec![0xfe, 0xff, 5, 1, 0, 0, 0, 1, 0, 0, 0, 66];
        bytes.extend([2, 1, 0, 9, 0, 0]);
        bytes.extend(b"S7-1200\0");
        bytes.extend([2, 2, 0, 8, 0, 0]);
        bytes.extend(b"plc_01");
        bytes.extend([2, 3, 0, 6, 0, 0, 0, 0x2a, 1, 0x0d]);
        bytes.extend([2, 4, 0, 4, 0, 0, 2, 0]);
        bytes.extend([1, 2, 0, 14, 0, 1, 192, 168, 0, 1, 255, 255, 255, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_controller_is_found() {
        let said = Said::by(&PROTOCOL, &answer());
        assert_eq!(
            said.pairs(),
            [
                (Field::ProfinetVendor, "S7-1200"),
                (Field::ProfinetStation, "plc_01"),
                (Field::ProfinetDevice, "002a 010d"),
                (Field::ProfinetRole, "io_controller"),
            ]
        );
        assert_eq!(said.observations[0].ip.map(|ip| ip.to_string()).as_deref(), Some("192.168.0.1"));
    }

    #[test]
    fn who_looks_says_nothing() {
        let mut request = answer();
        (request[1], request[3]) = (0xfe, 0);
        assert!(Said::by(&PROTOCOL, &request).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
