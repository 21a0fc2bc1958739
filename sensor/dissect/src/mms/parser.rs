//! ISO 9506-2, the answer to `identify`: vendor, model and revision, context tags 0 to 2, inside an answer (context 1) of
//! that service (context 2). The session and presentation layers around it (ISO 8327, ISO 8823) are not taken apart.

use crate::cursor::Cursor;
use crate::value::is_text;

const COTP_DATA: u8 = 0xf0;
/// Session layer: accept (of a connection), and the two bytes of data that follow later.
const SESSION_ACCEPT: u8 = 0x0e;
const SESSION_DATA: [u8; 4] = [0x01, 0x00, 0x01, 0x00];
const IDENTIFY: u8 = 0xa2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub vendor: &'a [u8],
    pub model: &'a [u8],
    pub revision: &'a [u8],
}

/// What is in a COTP data unit behind TPKT.
fn session(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(4)?;
    let length = usize::from(cursor.u8()?);
    let header = cursor.take(length)?;
    (*header.first()? == COTP_DATA).then_some(cursor.rest())
}

pub(super) fn is_session(bytes: &[u8]) -> bool {
    session(bytes)
        .is_some_and(|data| data.first() == Some(&SESSION_ACCEPT) || data.starts_with(&SESSION_DATA))
}

pub(super) fn identity(bytes: &[u8]) -> Option<Identity<'_>> {
    let data = session(bytes)?;
    (0..data.len()).find_map(|at| candidate(data.get(at..)?))
}

fn candidate(bytes: &[u8]) -> Option<Identity<'_>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != IDENTIFY {
        return None;
    }
    let length = cursor.u8()?;
    let mut inner = Cursor::new(cursor.take(length.into())?);
    let vendor = text(&mut inner, 0x80)?;
    let model = text(&mut inner, 0x81)?;
    Some(Identity { vendor, model, revision: text(&mut inner, 0x82)? })
}

fn text<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Option<&'a [u8]> {
    if cursor.u8()? != tag {
        return None;
    }
    let length = cursor.u8()?;
    cursor.take(length.into()).filter(|text| is_text(text))
}

#[cfg(test)]
mod tests {
    use crate::s7;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn answer() -> Vec<u8> {
        let mut inner = b"\x80\x07SIEMENS\x81\x068SJ632\x82\x05V4.21".to_vec();
        let mut identify = vec![0xa2, inner.len() as u8];
        identify.append(&mut inner);
        let mut bytes = vec![3, 0, 0, 0, 2, 0xf0, 0x80, 1, 0, 1, 0, 0x61, 0x30, 0x30, 0x2e, 2, 1, 3];
        bytes.extend([0xa0, 0x29, 0xa1, 0x27, 2, 1, 1]);
        bytes.extend(identify);
        bytes[3] = bytes.len() as u8;
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 102;
        Said::in_stream(&s7::PROTOCOL, &packet)
    }

    #[test]
    fn a_bay_device_says_what_it_is() {
        assert_eq!(
            said(&answer()).pairs(),
            [
                (Field::MmsRole, "server"),
                (Field::MmsVendor, "SIEMENS"),
                (Field::MmsModel, "8SJ632"),
                (Field::MmsRevision, "V4.21"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            said(bytes);
        });
    }
}
