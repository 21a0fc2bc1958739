//! RFC 8415 sections 8, 9 and 21: type, transaction, options of 16 bits code and length; relays wrap the whole.

use crate::cursor::Cursor;

const REPLY: u8 = 7;
const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
const OPTION_RELAY_MESSAGE: u16 = 9;
const OPTION_CLIENT_LINK_ADDRESS: u16 = 79;
/// Hardware type of Ethernet before an address (RFC 6939).
const HARDWARE_ETHERNET: u16 = 1;
/// Relays a message may have come through (RFC 8415 section 7.6: 8).
const MAX_RELAYS: usize = 8;
/// Options read of one message.
const MAX_OPTIONS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    /// A server's final answer.
    Reply,
    /// Anything else a server says.
    Server,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub side: Side,
    pub relayed: bool,
    /// As noted by the relay nearest to the client.
    pub client_mac: Option<[u8; 6]>,
    pub options: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut message = bytes;
    let mut client_mac = None;
    for relays in 0..=MAX_RELAYS {
        let mut cursor = Cursor::new(message);
        let kind = cursor.u8()?;
        match kind {
            RELAY_FORWARD | RELAY_REPLY => {
                // hops, link address, peer address
                cursor.skip(1 + 16 + 16)?;
                let mut inner = None;
                for (code, value) in options(cursor.rest()) {
                    match code {
                        OPTION_RELAY_MESSAGE => inner = Some(value),
                        OPTION_CLIENT_LINK_ADDRESS => client_mac = link_address(value),
                        _ => {}
                    }
                }
                message = inner?;
            }
            _ => {
                cursor.skip(3)?;
                let side = match kind {
                    // solicit, request, confirm, renew, rebind, release, decline, information-request
                    1 | 3..=6 | 8 | 9 | 11 => Side::Client,
                    REPLY => Side::Reply,
                    2 | 10 => Side::Server,
                    _ => return None,
                };
                return Some(Message { side, relayed: relays > 0, client_mac, options: cursor.rest() });
            }
        }
    }
    None
}

pub(super) fn options(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || {
        let code = cursor.u16()?;
        let length = cursor.u16()?;
        Some((code, cursor.take(length.into())?))
    })
    .take(MAX_OPTIONS)
}

/// Strings of 16 bits length each.
pub(super) fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || {
        let length = cursor.u16()?;
        cursor.take(length.into())
    })
    .take(MAX_OPTIONS)
}

/// A name in DNS wire form, which may end without its last dot.
pub(super) fn labels(bytes: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(bytes);
    let mut text = Vec::new();
    while let Some(label) =
        cursor.u8().filter(|length| *length > 0).and_then(|length| cursor.take(length.into()))
    {
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(label);
    }
    text
}

fn link_address(value: &[u8]) -> Option<[u8; 6]> {
    let mut cursor = Cursor::new(value);
    (cursor.u16()? == HARDWARE_ETHERNET).then_some(())?;
    cursor.array()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::dhcp6::PROTOCOL;
    use crate::testing::{survives, Said, PEER};
    use crate::Field;

    fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
        out.extend(code.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
    }

    fn solicit() -> Vec<u8> {
        let mut bytes = vec![1, 1, 2, 3];
        option(&mut bytes, 1, &[0, 3, 0, 1, 0, 1, 2, 3, 4, 5]);
        option(&mut bytes, 6, &[0, 23, 0, 24]);
        option(&mut bytes, 16, b"\0\0\x01\x37\0\x08MSFT 5.0");
        option(&mut bytes, 39, b"\0\x06office\x04corp");
        bytes
    }

    #[test]
    fn a_client_says_what_it_is() {
        assert_eq!(
            Said::by(&PROTOCOL, &solicit()).pairs(),
            [
                (Field::Dhcp6Duid, "00030001000102030405"),
                (Field::Dhcp6Requests, "23,24"),
                (Field::Dhcp6VendorClass, "311 MSFT 5.0"),
                (Field::Dhcp6Fqdn, "office.corp"),
            ]
        );
    }

    #[test]
    fn a_relayed_client_is_known_by_the_relays_note_only() {
        let mut relayed = vec![12, 0];
        relayed.extend([0; 32]);
        option(&mut relayed, 9, &solicit());
        assert!(Said::by(&PROTOCOL, &relayed).pairs().is_empty());
        option(&mut relayed, 79, &[0, 1, 2, 0, 0, 0, 0, 9]);
        assert_eq!(Said::by(&PROTOCOL, &relayed).macs(), ["02:00:00:00:00:09"; 4]);
    }

    #[test]
    fn a_reply_binds_the_client() {
        let mut address = vec![0; 12];
        let mut inner = vec![0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        inner.extend([0; 8]);
        option(&mut address, 5, &inner);
        let mut bytes = vec![7, 1, 2, 3];
        option(&mut bytes, 2, &[0, 1]);
        option(&mut bytes, 3, &address);
        let said = Said::by(&PROTOCOL, &bytes);
        assert_eq!(said.pairs(), [(Field::Dhcp6Server, "0001"), (Field::Dhcp6Address, "2001:db8::9")]);
        assert_eq!(said.observations[1].mac, PEER);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&solicit(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
