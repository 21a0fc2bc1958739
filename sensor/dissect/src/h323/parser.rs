//! ITU-T H.225.0 (2009), `VendorIdentifier`, in aligned PER (X.691): T.35 country, extension and maker, then product and
//! version as octet strings whose length is written less one. The rest of the message is not taken apart: the identifier
//! is found by what it must look like.

use crate::cursor::Cursor;

const TPKT_VERSION: u8 = 3;
const Q931: u8 = 8;
/// Shortest and longest product and version.
const SHORTEST: usize = 3;
const LONGEST: usize = 64;
/// T.35 country codes whose makers are met: Australia, China, Finland, France, Germany, Israel, Japan, Korea, Norway,
/// Russia, Sweden, Taiwan, United Kingdom, USA, and 0 of those without a code.
const COUNTRIES: [u8; 16] =
    [0x00, 0x09, 0x26, 0x3c, 0x3d, 0x42, 0x04, 0x58, 0x61, 0x82, 0xb8, 0xa5, 0xfe, 0xb4, 0xb5, 0x20];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Product<'a> {
    pub name: &'a [u8],
    pub version: Option<&'a [u8]>,
}

/// The whole length of the Q.931 message in a TPKT that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    if (cursor.u8()?, cursor.u8()?) != (TPKT_VERSION, 0) {
        return None;
    }
    let length = usize::from(cursor.u16()?);
    (cursor.u8()? == Q931 && length > 4).then_some(length)
}

pub(super) fn product(bytes: &[u8]) -> Option<Product<'_>> {
    (4..bytes.len()).find_map(|at| {
        let country = *bytes.get(at - 4)?;
        if !COUNTRIES.contains(&country) {
            return None;
        }
        let (name, rest) = text(bytes.get(at..)?)?;
        // a name has a word in it, or it is a stretch of something else
        let letters = name.iter().filter(|b| b.is_ascii_alphabetic()).count();
        (letters >= SHORTEST).then(|| Product { name, version: text(rest).map(|(version, _)| version) })
    })
}

/// Text behind its length less one, padded with zeros, and what follows.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length) + 1;
    if !(SHORTEST..=LONGEST).contains(&length) {
        return None;
    }
    let (value, rest) = rest.split_at_checked(length)?;
    let end = value.iter().rposition(|b| *b != 0)? + 1;
    let text = value.get(..end)?;
    (end >= SHORTEST && length - end <= 2 && text.iter().all(|b| matches!(b, b' '..=b'~')))
        .then_some((text, rest))
}

#[cfg(test)]
mod tests {
    use crate::h323::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const IDENTIFIER: &[u8] = b"\x22\xc0\xb5\x00\x53\x4c\x08Equivalen\x02102";

    fn setup() -> Vec<u8> {
        let mut bytes = vec![3, 0, 0, 0, 8, 2, 0, 1, 5, 4, 3, 0x80, 0x90, 0xa5, 0x7e, 0, 40, 5, 0x20, 0xa8];
        bytes.extend(IDENTIFIER);
        bytes[3] = bytes.len() as u8;
        bytes
    }

    fn tcp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.destination_port = 1720;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_terminal_calls() {
        let expected = [(Field::H323Product, "Equivalen"), (Field::H323Version, "102")];
        assert_eq!(tcp(&setup()).pairs(), expected);
        assert_eq!(Said::by(&PROTOCOL, IDENTIFIER).pairs(), expected, "and registers");
    }

    #[test]
    fn survives_any_bytes() {
        survives(&setup(), |bytes| {
            tcp(bytes);
            Said::by(&PROTOCOL, bytes);
        });
    }
}
