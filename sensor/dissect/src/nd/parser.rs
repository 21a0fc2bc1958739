//! RFC 4861 sections 4.1 to 4.6. Options are type, length in units of 8 bytes, value.

use std::net::Ipv6Addr;

use crate::cursor::Cursor;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OPTION_TARGET_LINK_ADDRESS: u8 = 2;
const OPTION_PREFIX: u8 = 3;
/// R bit of a neighbour advertisement's flags.
const FLAG_ROUTER: u8 = 0x80;
/// Prefixes kept of one advertisement.
const MAX_PREFIXES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    RouterSolicitation,
    RouterAdvertisement {
        /// Seconds; 0 is "not a default router".
        lifetime: u16,
        prefixes: Vec<(Ipv6Addr, u8)>,
    },
    NeighbourSolicitation,
    NeighbourAdvertisement {
        target: Ipv6Addr,
        router: bool,
        mac: Option<[u8; 6]>,
    },
}

/// `None` for other ICMPv6 messages and for those that end before their fixed part does.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.u8()?;
    cursor.skip(3)?;
    match kind {
        ROUTER_SOLICITATION => Some(Message::RouterSolicitation),
        ROUTER_ADVERTISEMENT => {
            cursor.skip(2)?;
            let lifetime = cursor.u16()?;
            cursor.skip(8)?;
            let prefixes = options(cursor)
                .filter_map(|(kind, value)| if kind == OPTION_PREFIX { prefix(value) } else { None })
                .take(MAX_PREFIXES)
                .collect();
            Some(Message::RouterAdvertisement { lifetime, prefixes })
        }
        NEIGHBOUR_SOLICITATION => Some(Message::NeighbourSolicitation),
        NEIGHBOUR_ADVERTISEMENT => {
            let router = cursor.u8()? & FLAG_ROUTER != 0;
            cursor.skip(3)?;
            let target = cursor.ipv6()?;
            let mac = options(cursor)
                .find(|(kind, _)| *kind == OPTION_TARGET_LINK_ADDRESS)
                .and_then(|(_, value)| Cursor::new(value).array());
            Some(Message::NeighbourAdvertisement { target, router, mac })
        }
        _ => None,
    }
}

fn options(mut cursor: Cursor<'_>) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let kind = cursor.u8()?;
        // a length of 0 would never end; RFC 4861 has such messages dropped
        let length = usize::from(cursor.u8()?) * 8;
        Some((kind, cursor.take(length.checked_sub(2)?)?))
    })
}

fn prefix(value: &[u8]) -> Option<(Ipv6Addr, u8)> {
    let mut cursor = Cursor::new(value);
    let length = cursor.u8()?;
    // flags, two lifetimes, reserved
    cursor.skip(1 + 4 + 4 + 4)?;
    Some((cursor.ipv6()?, length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::nd::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn advertisement() -> Vec<u8> {
        let mut bytes = vec![136, 0, 0, 0, 0xa0, 0, 0, 0];
        bytes.extend("fe80::211:22ff:fe33:4455".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend([2, 1, 0x00, 0x11, 0x22, 0x33, 0x44, 0x66]);
        bytes
    }

    fn router_advertisement() -> Vec<u8> {
        let mut bytes = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([1, 1, 0, 0x11, 0x22, 0x33, 0x44, 0x55]);
        bytes.extend([3, 4, 64, 0xc0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0]);
        bytes.extend("2001:db8:7::".parse::<Ipv6Addr>().unwrap().octets());
        bytes
    }

    #[test]
    fn an_advertisement_is_about_its_target() {
        let said = Said::by(&PROTOCOL, &advertisement());
        assert_eq!(said.pairs(), [(Field::NdAddress, "fe80::211:22ff:fe33:4455"), (Field::NdRouter, "flag")]);
        assert_eq!(said.macs(), ["00:11:22:33:44:66"; 2]);
        assert_eq!(said.observations[0].ip.unwrap().to_string(), "fe80::211:22ff:fe33:4455");
    }

    #[test]
    fn a_router_says_its_lifetime_and_prefixes() {
        let said = Said::by(&PROTOCOL, &router_advertisement());
        assert_eq!(said.pairs(), [(Field::NdRouter, "1800"), (Field::NdPrefix, "2001:db8:7::/64")]);
    }

    #[test]
    fn what_came_through_a_router_is_not_believed() {
        let bytes = advertisement();
        let mut far = packet(&bytes);
        far.hop_limit = Some(254);
        assert!(Said::in_packet(&PROTOCOL, &far).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        for good in [advertisement(), router_advertisement()] {
            survives(&good, |bytes| {
                Said::by(&PROTOCOL, bytes);
            });
        }
    }
}
