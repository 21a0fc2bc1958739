//! The subject of an X.509 certificate (RFC 5280 section 4.1) and its alternative names (section 4.2.1.6). Nothing is verified: a device's own word is wanted, not
//! trust.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::der::{object_id, Elements, INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE, SET};
use crate::value::clean;

/// Explicit tag of the version.
const VERSION: u8 = 0xa0;
const BMP_STRING: u8 = 0x1e;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Parts of a name, and alternative names, read at most.
const MAX_PARTS: usize = 16;
/// Explicit tag of the extensions, and those of two kinds of alternative name.
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17, subject alternative name.
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The subject's alternative names: host names and addresses.
pub(super) fn alternative_names(certificate: &[u8]) -> Vec<String> {
    let names = || {
        let mut tbs = Elements::new(certificate).enter(SEQUENCE)?.enter(SEQUENCE)?;
        let (_, extensions) = tbs.find(|(tag, _)| *tag == EXTENSIONS)?;
        let extensions = Elements::new(extensions).enter(SEQUENCE)?;
        let names = extensions.filter(|(tag, _)| *tag == SEQUENCE).find_map(|(_, extension)| {
            let mut parts = Elements::new(extension);
            let is_names = parts.expect(OBJECT_ID)? == ALTERNATIVE_NAME;
            // whether it is critical may stand between
            let (_, value) = parts.find(|(tag, _)| *tag == OCTET_STRING)?;
            if is_names {
                Elements::new(value).enter(SEQUENCE)
            } else {
                None
            }
        })?;
        Some(names.filter_map(|(tag, value)| alternative_name(tag, value)).take(MAX_PARTS).collect())
    };
    names().unwrap_or_default()
}

fn alternative_name(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => Some(clean(value).into_owned()),
        IP_ADDRESS => match *value {
            [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
            _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).to_string()),
        },
        _ => None,
    }
}

/// The subject as `CN=…, O=…`, in the certificate's order. The certificate may be cut behind it.
pub(super) fn subject(certificate: &[u8]) -> Option<String> {
    let mut tbs = Elements::new(certificate).enter(SEQUENCE)?.enter(SEQUENCE)?;
    tbs.expect(VERSION);
    let _serial = tbs.expect(INTEGER)?;
    let _algorithm = tbs.expect(SEQUENCE)?;
    let _issuer = tbs.expect(SEQUENCE)?;
    let _validity = tbs.expect(SEQUENCE)?;
    let name = tbs.expect(SEQUENCE)?;
    let parts: Vec<_> = Elements::new(name)
        .take(MAX_PARTS)
        .filter(|(tag, _)| *tag == SET)
        .flat_map(|(_, set)| Elements::new(set))
        .filter_map(|(_, pair)| part(pair))
        .collect();
    Some(parts.join(", ")).filter(|text| !text.is_empty())
}

/// The end of validity (RFC 5280 section 4.1.2.5), as RFC 3339.
pub(super) fn end_of_validity(certificate: &[u8]) -> Option<String> {
    let mut tbs = Elements::new(certificate).enter(SEQUENCE)?.enter(SEQUENCE)?;
    tbs.expect(VERSION);
    let _serial = tbs.expect(INTEGER)?;
    let _algorithm = tbs.expect(SEQUENCE)?;
    let _issuer = tbs.expect(SEQUENCE)?;
    let (tag, end) = Elements::new(tbs.expect(SEQUENCE)?).nth(1)?;
    let digits = std::str::from_utf8(end.strip_suffix(b"Z")?).ok()?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let full = match (tag, digits.len()) {
        // two digits of a year mean 1950 to 2049
        (UTC_TIME, 12) => format!("{}{digits}", if digits < "5" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let part = |range| full.get(range).unwrap_or_default();
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..12),
        part(12..14)
    ))
}

fn part(pair: &[u8]) -> Option<String> {
    let mut elements = Elements::new(pair);
    let id = elements.expect(OBJECT_ID)?;
    let (tag, value) = elements.next()?;
    let name = match id {
        // 2.5.4, the attribute types of X.520
        [0x55, 4, 3] => "CN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        // 1.2.840.113549.1.9.1, PKCS #9
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        // 0.9.2342.19200300.100.1, RFC 4519
        [9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 100, 1, 1] => "UID",
        [9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 100, 1, 25] => "DC",
        other => &object_id(other)?,
    };
    let text = if tag == BMP_STRING {
        let units = value.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        clean(value).into_owned()
    };
    (!text.is_empty()).then(|| format!("{name}={text}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::{packet, survives, Said};
    use crate::tls::PROTOCOL;
    use crate::Field;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        let [high, low] = (value.len() as u16).to_be_bytes();
        [&[tag, 0x82, high, low], value].concat()
    }

    fn name(parts: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let sets: Vec<u8> = parts
            .iter()
            .flat_map(|(id, tag, value)| {
                let pair = [element(OBJECT_ID, id), element(*tag, value)].concat();
                element(SET, &element(SEQUENCE, &pair))
            })
            .collect();
        element(SEQUENCE, &sets)
    }

    fn certificate() -> Vec<u8> {
        let subject = name(&[
            (&[0x55, 4, 10], 0x0c, b"Axis Communications AB"),
            (&[0x55, 4, 3], BMP_STRING, b"\0a\0x\0-\x001"),
        ]);
        let other = element(
            SEQUENCE,
            &[element(OBJECT_ID, &[0x55, 0x1d, 0x0f]), element(OCTET_STRING, &[])].concat(),
        );
        let list = [element(DNS_NAME, b"ax-1.local"), element(IP_ADDRESS, &[192, 168, 1, 20])].concat();
        let names = [
            element(OBJECT_ID, ALTERNATIVE_NAME),
            element(0x01, &[0xff]),
            element(OCTET_STRING, &element(SEQUENCE, &list)),
        ];
        let names = element(SEQUENCE, &names.concat());
        let tbs = [
            element(VERSION, &[2, 1, 2]),
            element(INTEGER, &[1]),
            element(SEQUENCE, &[]),
            name(&[(&[0x55, 4, 3], 0x0c, b"issuer")]),
            element(
                SEQUENCE,
                &[element(UTC_TIME, b"210501120000Z"), element(GENERALIZED_TIME, b"20310501120000Z")]
                    .concat(),
            ),
            subject,
            element(SEQUENCE, &[]),
            element(EXTENSIONS, &element(SEQUENCE, &[other, names].concat())),
        ]
        .concat();
        element(SEQUENCE, &element(SEQUENCE, &tbs))
    }

    /// ServerHello of TLS 1.2, Certificate, in two records.
    fn flight() -> Vec<u8> {
        let certificate = certificate();
        let length = |more: usize| (certificate.len() as u16 + more as u16).to_be_bytes();
        let ([a, b], [c, d], [e, f]) = (length(6), length(3), length(0));
        let mut hello = vec![2, 0, 0, 38, 3, 3];
        hello.extend([9; 32]);
        hello.extend([0, 0xc0, 0x2f, 0]);
        let mut message = vec![11, 0, a, b, 0, c, d, 0, e, f];
        message.extend(&certificate);
        let mut out = vec![22, 3, 3, 0, hello.len() as u8];
        out.extend(hello);
        out.extend([22, 3, 3]);
        out.extend((message.len() as u16).to_be_bytes());
        out.extend(message);
        out
    }

    #[test]
    fn the_subject_not_the_issuer() {
        assert_eq!(subject(&certificate()).as_deref(), Some("O=Axis Communications AB, CN=ax-1"));
    }

    #[test]
    fn a_server_shows_it() {
        let flight = flight();
        let said = Said::in_stream(&PROTOCOL, &packet(&flight));
        assert_eq!(
            said.pairs(),
            [
                (Field::TlsVersion, "TLS 1.2"),
                (Field::TlsCertificate, "O=Axis Communications AB, CN=ax-1"),
                (Field::TlsExpires, "2031-05-01T12:00:00Z"),
                (Field::TlsAltName, "ax-1.local"),
                (Field::TlsAltName, "192.168.1.20"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&certificate(), |bytes| {
            subject(bytes);
            alternative_names(bytes);
        });
        survives(&flight(), |bytes| {
            Said::in_stream(&PROTOCOL, &packet(bytes));
        });
    }
}
