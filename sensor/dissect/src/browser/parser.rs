//! The datagram of RFC 1002 section 4.4, the SMB_COM_TRANSACTION in it ([MS-CIFS] section 2.2.4.33) and the host
//! announcement in that ([MS-BRWS] section 2.2.1).

use std::net::Ipv4Addr;

use crate::cursor::Cursor;
use crate::nbns::parser::{decode, Name};

/// Direct unique, direct group, broadcast.
const DATAGRAMS: std::ops::RangeInclusive<u8> = 0x10..=0x12;
const SMB1: [u8; 4] = *b"\xffSMB";
const SMB_COM_TRANSACTION: u8 = 0x25;
const MAILSLOT: &[u8] = b"\\MAILSLOT\\BROWSE\0";
const HOST_ANNOUNCEMENT: u8 = 0x01;
const LOCAL_MASTER_ANNOUNCEMENT: u8 = 0x0f;

#[derive(Clone, Debug)]
pub(super) struct Datagram<'a> {
    pub source: Ipv4Addr,
    pub source_name: Option<Name>,
    pub user_data: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement<'a> {
    pub host: &'a [u8],
    pub version: (u8, u8),
    pub roles: u32,
    pub comment: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Datagram<'_>> {
    let mut cursor = Cursor::new(bytes);
    if !DATAGRAMS.contains(&cursor.u8()?) {
        return None;
    }
    // flags, id
    cursor.skip(1 + 2)?;
    let source = cursor.ipv4()?;
    // port, length, offset
    cursor.skip(2 + 2 + 2)?;
    let source_name = name(&mut cursor);
    let user_data = name(&mut cursor).map(|_| cursor.rest());
    Some(Datagram { source, source_name: source_name.and_then(decode), user_data })
}

/// The first label of an encoded name; labels of a scope are passed over.
fn name<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.u8()?;
    let first = cursor.take(length.into())?;
    while let Some(length) = cursor.u8().filter(|length| *length > 0) {
        cursor.skip(length.into())?;
    }
    Some(first)
}

pub(super) fn announcement(smb: &[u8]) -> Option<Announcement<'_>> {
    let mut cursor = Cursor::new(smb);
    if cursor.array()? != SMB1 || cursor.u8()? != SMB_COM_TRANSACTION {
        return None;
    }
    // the rest of the header, the count of words, the words up to the data's length and offset
    cursor.skip(27 + 1 + 22)?;
    let length = usize::from(cursor.u16_le()?);
    let offset = usize::from(cursor.u16_le()?);
    cursor.rest().windows(MAILSLOT.len()).find(|window| window.eq_ignore_ascii_case(MAILSLOT))?;
    let data = smb.get(offset..)?;
    let mut cursor = Cursor::new(data.get(..length).unwrap_or(data));
    if !matches!(cursor.u8()?, HOST_ANNOUNCEMENT | LOCAL_MASTER_ANNOUNCEMENT) {
        return None;
    }
    // update count, period
    cursor.skip(1 + 4)?;
    let host = cursor.take(16)?.split(|b| *b == 0).next()?;
    let version = (cursor.u8()?, cursor.u8()?);
    let roles = cursor.u32_le()?;
    // browser version, signature
    cursor.skip(2 + 2)?;
    let comment = cursor.rest().split(|b| *b == 0).next()?;
    Some(Announcement { host, version, roles, comment })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::browser::PROTOCOL;
    use crate::nbns::parser::tests::encode;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn datagram() -> Vec<u8> {
        let mut bytes = vec![0x11, 0x0a, 0, 1, 192, 168, 1, 20, 0, 138, 0, 0, 0, 0];
        bytes.extend(encode("FILER", 0x20));
        bytes.extend(encode("WORKGROUP", 0x1d));
        let start = bytes.len();
        bytes.extend(b"\xffSMB\x25");
        bytes.extend([0; 27]);
        bytes.push(17);
        bytes.extend([0; 22]);
        bytes.extend([0, 0, 86, 0]);
        bytes.extend([3, 0, 1, 0, 1, 0, 2, 0, 17, 0]);
        bytes.extend(b"\\MAILSLOT\\BROWSE\0");
        let length = bytes.len();
        bytes[start + 57] = (length - start) as u8;
        bytes.extend([1, 0, 0x80, 0xfc, 0x0a, 0]);
        bytes.extend(b"FILER\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend([6, 1, 0x03, 0x9a, 0x81, 0, 15, 1, 0x55, 0xaa]);
        bytes.extend(b"Samba 4.9.5\0");
        let data = (bytes.len() - length) as u8;
        bytes[start + 55] = data;
        bytes
    }

    #[test]
    fn an_announcement() {
        assert_eq!(
            Said::by(&PROTOCOL, &datagram()).pairs(),
            [
                (Field::BrowserHost, "FILER"),
                (Field::BrowserVersion, "6.1"),
                (Field::BrowserRoles, "print_server,unix,nt_workstation,nt_server"),
                (Field::BrowserComment, "Samba 4.9.5"),
            ]
        );
    }

    #[test]
    fn another_datagram_names_its_sender() {
        let mut bytes = datagram();
        bytes.truncate(14 + 34 + 34);
        assert_eq!(Said::by(&PROTOCOL, &bytes).pairs(), [(Field::BrowserHost, "FILER")]);
        bytes[4] = 10;
        assert!(Said::by(&PROTOCOL, &bytes).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&datagram(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
