//! A product word that begins with `eQ3` and the ten characters of a serial number, among other bytes. There is no public
//! specification. A question has asterisks where an answer has the serial number.

use crate::value::runs;

const PRODUCT: &[u8] = b"eQ3";
const SERIAL_LENGTH: usize = 10;
/// MAX! cubes write the serial number directly behind this word.
const CUBE: &[u8] = b"eQ3MaxAp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub product: &'a [u8],
    pub serial: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Answer<'_>> {
    let mut runs = runs(bytes, PRODUCT.len());
    let found = runs.find(|run| run.starts_with(PRODUCT))?;
    if found.contains(&b'*') {
        return None;
    }
    if let Some(rest) = found.strip_prefix(CUBE) {
        let serial = rest.get(..SERIAL_LENGTH).filter(|s| is_serial(s)).unwrap_or_default();
        return Some(Answer { product: CUBE, serial });
    }
    let serial = runs.find_map(|run| run.get(..SERIAL_LENGTH).filter(|s| is_serial(s)))?;
    Some(Answer { product: found, serial })
}

/// Three letters or digits and seven digits, as `KEQ0123456`.
fn is_serial(text: &[u8]) -> bool {
    let (letters, digits) = text.split_at(3.min(text.len()));
    letters.iter().all(u8::is_ascii_alphanumeric)
        && digits.len() == 7
        && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use crate::eq3::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const CUBE_ANSWER: &[u8] = b"eQ3MaxApKEQ0123456>I\0\x09\x7f\x2c\x01\x13";
    const CENTRAL_ANSWER: &[u8] = b"\x02\x8f\x91\xc0\x01eQ3-HM-CCU2-App\0NEQ0123456\x002.29.23\0";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 23272;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_cube_and_a_central() {
        assert_eq!(
            said(CUBE_ANSWER).pairs(),
            [(Field::Eq3Product, "eQ3MaxAp"), (Field::Eq3Serial, "KEQ0123456")]
        );
        assert_eq!(
            said(CENTRAL_ANSWER).pairs(),
            [(Field::Eq3Product, "eQ3-HM-CCU2-App"), (Field::Eq3Serial, "NEQ0123456")]
        );
    }

    #[test]
    fn a_question_says_nothing() {
        assert!(said(b"eQ3Max*\0**********I").pairs().is_empty());
        assert!(Said::by(&PROTOCOL, CUBE_ANSWER).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        for good in [CUBE_ANSWER, CENTRAL_ANSWER] {
            survives(good, |bytes| {
                said(bytes);
            });
        }
    }
}
