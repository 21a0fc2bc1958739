//! "The CIP Networks Library" volume 2 chapter 2: the encapsulation header of 24 bytes and the identity item.
//! Everything is little-endian but the socket address.

use crate::cursor::Cursor;

const HEADER_BYTES: usize = 24;
const LIST_IDENTITY: u16 = 0x0063;
const ITEM_IDENTITY: u16 = 0x000c;
/// Commands that are in use: NOP, ListServices, ListIdentity, ListInterfaces, sessions and data.
const COMMANDS: &[u16] = &[0x0000, 0x0004, 0x0063, 0x0064, 0x0065, 0x0066, 0x006f, 0x0070];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub vendor: u16,
    pub device_type: u16,
    pub product_code: u16,
    pub revision: (u8, u8),
    pub serial: u32,
    pub product: &'a [u8],
}

/// The whole length of the message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes.get(..HEADER_BYTES)?);
    let command = cursor.u16_le()?;
    let length = cursor.u16_le()?;
    COMMANDS.contains(&command).then_some(usize::from(length) + HEADER_BYTES)
}

pub(super) fn identity(bytes: &[u8]) -> Option<Identity<'_>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u16_le()? != LIST_IDENTITY {
        return None;
    }
    cursor.skip(HEADER_BYTES - 2)?;
    let _items = cursor.u16_le()?;
    if cursor.u16_le()? != ITEM_IDENTITY {
        return None;
    }
    // length, version, socket address
    cursor.skip(2 + 2 + 16)?;
    let vendor = cursor.u16_le()?;
    let device_type = cursor.u16_le()?;
    let product_code = cursor.u16_le()?;
    let revision = (cursor.u8()?, cursor.u8()?);
    let _status = cursor.u16_le()?;
    let serial = cursor.u32_le()?;
    let length = cursor.u8()?;
    let product = cursor.take(length.into())?;
    Some(Identity { vendor, device_type, product_code, revision, serial, product })
}

#[cfg(test)]
mod tests {
    use crate::enip::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn answer() -> Vec<u8> {
        let mut bytes = vec![0x63, 0, 51, 0];
        bytes.extend([0; 20]);
        bytes.extend([1, 0, 0x0c, 0, 45, 0, 1, 0]);
        bytes.extend([0, 2, 0xaf, 0x12, 192, 168, 1, 20, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([1, 0, 0x0e, 0, 0x37, 0, 20, 11, 0x60, 0, 0x78, 0x56, 0x34, 0x12, 11]);
        bytes.extend(b"1756-ENBT/A\x03");
        bytes
    }

    fn stream(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 44818;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_module_gives_its_identity() {
        let said = Said::by(&PROTOCOL, &answer());
        assert_eq!(
            said.pairs(),
            [
                (Field::EnipVendor, "1"),
                (Field::EnipType, "14"),
                (Field::EnipCode, "55"),
                (Field::EnipRevision, "20.11"),
                (Field::EnipSerial, "12345678"),
                (Field::EnipProduct, "1756-ENBT/A"),
            ]
        );
        let over_tcp = stream(&answer());
        assert_eq!(over_tcp.pairs().split_first(), Some((&(Field::EnipRole, "server"), &said.pairs()[..])));
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
            stream(bytes);
        });
    }
}
