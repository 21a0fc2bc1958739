//! IEEE 802.1X-2020 section 11, EAP of RFC 3748 section 4, and the key descriptor of IEEE 802.11 section 12.7.2.

use crate::cursor::Cursor;

const EAP_PACKET: u8 = 0;
const START: u8 = 1;
const KEY: u8 = 3;
const EAP_REQUEST: u8 = 1;
const EAP_RESPONSE: u8 = 2;
const EAP_IDENTITY: u8 = 1;
/// The bit of key information that only an access point sets: an answer is wanted.
const KEY_ACK: u16 = 0x0080;
const MAX_VERSION: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    pub identity: Option<&'a [u8]>,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u8()?;
    let kind = cursor.u8()?;
    let length = cursor.u16()?;
    if !(1..=MAX_VERSION).contains(&version) {
        return None;
    }
    let (body, _) = cursor.take_lax(length.into());
    match kind {
        START => Some(Message { role: "supplicant", identity: None }),
        EAP_PACKET => eap(body),
        KEY => {
            let mut cursor = Cursor::new(body);
            cursor.skip(1)?;
            let role = if cursor.u16()? & KEY_ACK != 0 { "access_point" } else { "station" };
            Some(Message { role, identity: None })
        }
        _ => None,
    }
}

fn eap(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let code = cursor.u8()?;
    cursor.skip(1)?;
    let length = usize::from(cursor.u16()?);
    match code {
        EAP_REQUEST => Some(Message { role: "authenticator", identity: None }),
        EAP_RESPONSE => {
            let is_identity = cursor.u8()? == EAP_IDENTITY;
            let identity = length.checked_sub(5).and_then(|length| cursor.take(length));
            Some(Message { role: "supplicant", identity: identity.filter(|_| is_identity) })
        }
        _ => None,
    }
}

/// Whether it names a machine: a host's account, a telephone by model and address, or a bare hardware address.
pub(super) fn is_machine(identity: &[u8]) -> bool {
    let starts = |prefix: &[u8]| identity.get(..prefix.len()).is_some_and(|i| i.eq_ignore_ascii_case(prefix));
    let digits = identity.iter().filter(|b| !matches!(b, b':' | b'-' | b'.'));
    starts(b"host/")
        || starts(b"CP-")
        || starts(b"SEP")
        || identity.ends_with(b"$")
        || (digits.clone().count() == 12 && digits.clone().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use crate::eapol::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn identity(text: &[u8]) -> Vec<u8> {
        let length = text.len() as u8 + 5;
        [&[1, 0, 0, length, 2, 7, 0, length, 1], text].concat()
    }

    #[test]
    fn a_telephone_and_a_computer_say_who_they_are() {
        let said = Said::by(&PROTOCOL, &identity(b"CP-8841-SEP001122334455"));
        assert_eq!(
            said.pairs(),
            [(Field::EapolRole, "supplicant"), (Field::EapolIdentity, "CP-8841-SEP001122334455")]
        );
        let said = Said::by(&PROTOCOL, &identity(b"host/pc17.example.org"));
        assert_eq!(said.all(Field::EapolIdentity), ["host/pc17.example.org"]);
    }

    #[test]
    fn a_person_stays_unnamed() {
        let said = Said::by(&PROTOCOL, &identity(b"anna@example.org"));
        assert_eq!(said.pairs(), [(Field::EapolRole, "supplicant")]);
    }

    #[test]
    fn both_sides_of_a_key_exchange() {
        let key = |low| [1, 3, 0, 5, 2, 0, low, 0, 16];
        assert_eq!(Said::by(&PROTOCOL, &key(0x8a)).all(Field::EapolRole), ["access_point"]);
        assert_eq!(Said::by(&PROTOCOL, &key(0x0a)).all(Field::EapolRole), ["station"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&identity(b"host/pc17.example.org"), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
