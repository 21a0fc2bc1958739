//! Names and addresses of NetBIOS over UDP (RFC 1001 section 14, RFC 1002 section 4.2). Messages are those of DNS.

use std::net::Ipv4Addr;

use crate::cursor::Cursor;
use crate::value::clean;

/// G bit of a name's flags.
pub(super) const GROUP: u16 = 0x8000;
/// Names read of one status answer.
const MAX_NAMES: usize = 32;

/// A name of 15 characters and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub text: String,
    pub suffix: u8,
}

/// From the first-level encoding: each half of a byte as a letter from `A` on. A scope behind it is left out.
pub(crate) fn decode(encoded: &[u8]) -> Option<Name> {
    let mut bytes = [0_u8; 16];
    for (byte, pair) in bytes.iter_mut().zip(encoded.get(..32)?.chunks_exact(2)) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?.map(|letter| letter.wrapping_sub(b'A'));
        if high > 15 || low > 15 {
            return None;
        }
        *byte = high << 4 | low;
    }
    named(&bytes)
}

fn named(bytes: &[u8; 16]) -> Option<Name> {
    let (suffix, text) = bytes.split_last()?;
    let text = clean(text).into_owned();
    // the answer to everything, `*`, is no name
    (!text.is_empty() && text != "*").then_some(Name { text, suffix: *suffix })
}

/// Flags and address of each owner.
pub(super) fn addresses(data: &[u8]) -> impl Iterator<Item = (u16, Ipv4Addr)> + '_ {
    let mut cursor = Cursor::new(data);
    std::iter::from_fn(move || Some((cursor.u16()?, cursor.ipv4()?)))
}

/// The names of a status answer with their flags.
pub(super) fn statuses(data: &[u8]) -> impl Iterator<Item = (Name, u16)> + '_ {
    let mut cursor = Cursor::new(data);
    let count = usize::from(cursor.u8().unwrap_or(0)).min(MAX_NAMES);
    std::iter::from_fn(move || Some((cursor.array::<16>()?, cursor.u16()?)))
        .take(count)
        .filter_map(|(bytes, flags)| Some((named(&bytes)?, flags)))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::nbns::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    pub(crate) fn encode(name: &str, suffix: u8) -> Vec<u8> {
        let mut bytes = [b' '; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[15] = suffix;
        let mut out = vec![32];
        out.extend(bytes.iter().flat_map(|b| [b'A' + (b >> 4), b'A' + (b & 15)]));
        out.push(0);
        out
    }

    fn registration(address: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0x29, 0x10, 0, 1, 0, 0, 0, 0, 0, 1];
        bytes.extend(encode("WIN-PC1", 0x20));
        bytes.extend([0, 0x20, 0, 1, 0xc0, 12, 0, 0x20, 0, 1, 0, 0, 0, 60, 0, 6, 0, 0]);
        bytes.extend(address);
        bytes
    }

    #[test]
    fn a_registration() {
        let said = Said::by(&PROTOCOL, &registration([192, 168, 1, 20]));
        assert_eq!(said.pairs(), [(Field::NbnsName, "WIN-PC1<20>")]);
    }

    #[test]
    fn a_name_server_answers_for_others() {
        let mut bytes = vec![0, 1, 0x85, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend(encode("OTHER", 0));
        bytes.extend([0, 0x20, 0, 1, 0, 0, 0, 60, 0, 6, 0, 0, 192, 168, 1, 99]);
        assert!(Said::by(&PROTOCOL, &bytes).pairs().is_empty());
    }

    #[test]
    fn a_status_answer_lists_all_names() {
        let mut bytes = vec![0, 1, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend(encode("*", 0));
        bytes.extend([0, 0x21, 0, 1, 0, 0, 0, 0, 0, 37, 2]);
        bytes.extend(b"NAS            \x00\x04\x00WORKGROUP      \x00\x84\x00");
        assert_eq!(
            Said::by(&PROTOCOL, &bytes).pairs(),
            [(Field::NbnsName, "NAS<00>"), (Field::NbnsName, "WORKGROUP<00> group")]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&registration([192, 168, 1, 20]), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
