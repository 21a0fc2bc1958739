//! DICOM PS3.8 section 9.3 (association PDUs) and PS3.7 annex D (user information).

use crate::cursor::Cursor;

const ASSOCIATE_REQUEST: u8 = 1;
const ASSOCIATE_ACCEPT: u8 = 2;
/// Up to the items: version, reserved, two titles of 16, 32 reserved.
const FIXED_BYTES: usize = 2 + 2 + 16 + 16 + 32;
/// Longest association waited for.
const MAX_LENGTH: usize = 16 * 1024;
const USER_INFORMATION: u8 = 0x50;
pub(super) const IMPLEMENTATION_CLASS: u8 = 0x52;
pub(super) const IMPLEMENTATION_VERSION: u8 = 0x55;
/// Items read of one association: one for each kind of image a modality knows.
const MAX_ITEMS: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(super) struct Association<'a> {
    /// The sender's own: the calling one of a request, the called one of an acceptance.
    pub title: &'a [u8],
    items: &'a [u8],
}

/// Cheap: an association of protocol version 1 with a title that can be one.
pub(super) fn starts(bytes: &[u8]) -> bool {
    let [ASSOCIATE_REQUEST | ASSOCIATE_ACCEPT, 0, _, _, _, _, 0, 1, 0, 0, title, ..] = bytes else {
        return false;
    };
    length(bytes).is_some() && title.is_ascii_graphic()
}

pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(2)?;
    let length = usize::try_from(cursor.u32()?).ok()?;
    (FIXED_BYTES..=MAX_LENGTH).contains(&length).then_some(length + 6)
}

pub(super) fn parse(bytes: &[u8]) -> Option<Association<'_>> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.u8()?;
    cursor.skip(1 + 4 + 2 + 2)?;
    let called = cursor.take(16)?;
    let calling = cursor.take(16)?;
    let title = if kind == ASSOCIATE_REQUEST { calling } else { called };
    cursor.take_lax(32);
    Some(Association { title, items: cursor.rest() })
}

impl<'a> Association<'a> {
    pub(super) fn user_information(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        items(self.items).filter(|(kind, _)| *kind == USER_INFORMATION).flat_map(|(_, value)| items(value))
    }
}

/// Type, a reserved byte, length, value.
fn items(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || {
        let kind = cursor.u8()?;
        cursor.skip(1)?;
        let length = cursor.u16()?;
        Some((kind, cursor.take(length.into())?))
    })
    .take(MAX_ITEMS)
}

#[cfg(test)]
mod tests {
    use crate::dicom::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn association(kind: u8) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        bytes.extend(b"PACS            CT01            ");
        bytes.extend([0; 32]);
        bytes.extend(b"\x10\0\0\x15\x31.2.840.10008.3.1.1.1");
        bytes.extend(b"\x50\0\0\x28\x51\0\0\x04\0\0\x40\0");
        bytes.extend(b"\x52\0\0\x0c1.3.12.2.1.1\x55\0\0\x0cSIEMENS_SWFV");
        bytes[5] = (bytes.len() - 6) as u8;
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_modality_calls() {
        assert_eq!(
            said(&association(1)).pairs(),
            [
                (Field::DicomTitle, "CT01"),
                (Field::DicomImplementation, "1.3.12.2.1.1"),
                (Field::DicomVersion, "SIEMENS_SWFV"),
            ]
        );
    }

    #[test]
    fn an_archive_accepts_under_its_own_title() {
        assert_eq!(said(&association(2)).all(Field::DicomTitle), ["PACS"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&association(1), |bytes| {
            said(bytes);
        });
    }
}
