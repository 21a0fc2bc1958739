//! RFC 1350 section 5: a request is an operation code, a file name and a mode, each text ended by zero.

use crate::cursor::Cursor;
use crate::value::is_text;

const READ: u16 = 1;
const WRITE: u16 = 2;

pub(super) fn file(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    if !matches!(cursor.u16()?, READ | WRITE) {
        return None;
    }
    let mut parts = cursor.rest().splitn(2, |b| *b == 0);
    let file = parts.next().filter(|file| is_text(file))?;
    parts.next().map(|_| file)
}

#[cfg(test)]
mod tests {
    use crate::testing::{packet, survives, Said};
    use crate::tftp::PROTOCOL;
    use crate::Field;

    const REQUEST: &[u8] = b"\0\x01SEP001122334455.cnf.xml\0octet\0";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.destination_port = 69;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_telephone_asks_for_its_configuration() {
        assert_eq!(said(REQUEST).pairs(), [(Field::TftpFile, "SEP001122334455.cnf.xml")]);
        assert!(said(b"\0\x03\0\x01data").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(REQUEST, |bytes| {
            said(bytes);
        });
    }
}
