//! RFC 8010 section 3: version, status, request, then groups of attributes. A value without a name belongs to the attribute
//! before it.

use crate::cursor::Cursor;

const MAX_VERSION: u8 = 2;
/// Tags up to this delimit groups; the third ends them.
const LAST_DELIMITER: u8 = 0x0f;
const END: u8 = 0x03;
/// Values looked at in one answer.
const MAX_VALUES: usize = 512;
/// Attributes that say what the printer is. Where it stands and who may use it is left alone.
const WANTED: &[&str] = &[
    "printer-make-and-model",
    "printer-device-id",
    "printer-info",
    "printer-dns-sd-name",
    "printer-firmware-name",
    "printer-firmware-string-version",
    "printer-serial-number",
    "printer-uuid",
    "document-format-supported",
];

/// Names and first values of the wanted attributes.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<(&'static str, &[u8])>> {
    let mut cursor = Cursor::new(unchunked(bytes));
    let major = cursor.u8()?;
    let minor = cursor.u8()?;
    if !(1..=MAX_VERSION).contains(&major) || minor > MAX_VERSION {
        return None;
    }
    cursor.skip(2 + 4)?;
    if cursor.rest().first().is_some_and(|tag| *tag > LAST_DELIMITER) {
        return None;
    }
    let mut found = Vec::new();
    for _ in 0..MAX_VALUES {
        let Some(tag) = cursor.u8().filter(|tag| *tag != END) else { break };
        if tag <= LAST_DELIMITER {
            continue;
        }
        let Some((name, value)) = attribute(&mut cursor) else { break };
        if let Some(name) = WANTED.iter().find(|wanted| wanted.as_bytes() == name) {
            found.push((*name, value));
        }
    }
    Some(found)
}

/// Without the line that gives the length of the first chunk (RFC 9112 section 7.1), which holds all that is read here.
fn unchunked(bytes: &[u8]) -> &[u8] {
    let line =
        bytes.iter().position(|b| *b == b'\n').filter(|_| bytes.first().is_some_and(u8::is_ascii_hexdigit));
    line.and_then(|end| bytes.get(end + 1..)).unwrap_or(bytes)
}

fn attribute<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let length = cursor.u16()?;
    let name = cursor.take(length.into())?;
    let length = cursor.u16()?;
    Some((name, cursor.take(length.into())?))
}

#[cfg(test)]
mod tests {
    use crate::http;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn attribute(tag: u8, name: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![tag, 0, name.len() as u8];
        bytes.extend(name.as_bytes());
        bytes.extend([0, value.len() as u8]);
        bytes.extend(value.as_bytes());
        bytes
    }

    fn answer() -> Vec<u8> {
        let mut body = vec![1, 1, 0, 0, 0, 0, 0, 7, 1];
        body.extend(attribute(0x47, "attributes-charset", "utf-8"));
        body.push(4);
        body.extend(attribute(0x41, "printer-make-and-model", "HP LaserJet 4250"));
        body.extend(attribute(0x41, "printer-device-id", "MFG:HP;MDL:LaserJet 4250;"));
        body.push(3);
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: HP-ChaiServer/3.0\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&http::PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_printer_gives_its_attributes() {
        assert_eq!(
            said(&answer()).all(Field::IppAttribute),
            ["printer-make-and-model=HP LaserJet 4250", "printer-device-id=MFG:HP;MDL:LaserJet 4250;"]
        );
    }

    #[test]
    fn in_chunks() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/ipp\r\n\r\n20\r\n\x01\x01\0\0\0\0\0\x07\x04\x41\0\x0cprinter-info\0\x04Hall\x03\r\n0\r\n\r\n";
        assert_eq!(said(bytes).all(Field::IppAttribute), ["printer-info=Hall"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            said(bytes);
        });
    }
}
