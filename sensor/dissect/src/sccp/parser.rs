//! Messages of SCCP: length, version and message id, 32 bits each, little-endian; the length counts from the id on.
//! There is no public specification; the layout of a registration is what every decoder has.

use crate::cursor::Cursor;

const REGISTER: u32 = 0x0001;
/// The longest message of the protocol is far below.
const MAX_LENGTH: u32 = 2048;
/// Highest version number of the header seen in use, and of message ids.
const MAX_VERSION: u32 = 0x20;
const MAX_MESSAGE_ID: u32 = 0x8200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registration<'a> {
    pub name: &'a [u8],
    pub device_type: Option<u32>,
}

/// The whole length of the message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let length = cursor.u32_le()?;
    let version = cursor.u32_le()?;
    let id = cursor.u32_le()?;
    let plausible = (4..=MAX_LENGTH).contains(&length) && version <= MAX_VERSION && id <= MAX_MESSAGE_ID;
    plausible.then_some(usize::try_from(length).ok()? + 8)
}

pub(super) fn registration(bytes: &[u8]) -> Option<Registration<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(8)?;
    if cursor.u32_le()? != REGISTER {
        return None;
    }
    let name = cursor.take(16)?.split(|b| *b == 0).next()?;
    // user, instance, address
    let device_type = cursor.skip(4 + 4 + 4).and_then(|()| cursor.u32_le());
    Some(Registration { name, device_type })
}

#[cfg(test)]
mod tests {
    use crate::sccp::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn register() -> Vec<u8> {
        let mut bytes = vec![0x28, 0, 0, 0, 0x11, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend(b"SEP001122334455\0");
        bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, 192, 168, 1, 20, 0x33, 1, 0, 0, 5, 0, 0, 0]);
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.destination_port = 2000;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_phone_registers() {
        assert_eq!(
            said(&register()).pairs(),
            [(Field::SccpRole, "client"), (Field::SccpDevice, "SEP001122334455"), (Field::SccpType, "307")]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&register(), |bytes| {
            said(bytes);
        });
    }
}
