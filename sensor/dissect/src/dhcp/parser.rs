//! RFC 2131 section 2 (the BOOTP frame) and RFC 2132 (options), with option overload (52).

use std::net::Ipv4Addr;

use crate::cursor::Cursor;

const MAGIC_COOKIE: u32 = 0x6382_5363;
const HARDWARE_ETHERNET: u8 = 1;
const OPTION_PAD: u8 = 0;
const OPTION_OVERLOAD: u8 = 52;
const OPTION_END: u8 = 255;
/// Bits of option 52: which of the fixed fields hold options instead.
const OVERLOAD_FILE: u8 = 1;
const OVERLOAD_SERVER_NAME: u8 = 2;
/// Options read of one message.
const MAX_OPTIONS: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Request,
    Reply,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Dhcp<'a> {
    pub operation: Operation,
    /// chaddr, where the hardware is Ethernet.
    pub client_mac: Option<[u8; 6]>,
    /// ciaddr, yiaddr, giaddr.
    pub client_address: Ipv4Addr,
    pub your_address: Ipv4Addr,
    pub relay_address: Ipv4Addr,
    /// The end option was there, or it is plain BOOTP without options.
    pub whole: bool,
    areas: [&'a [u8]; 3],
}

impl<'a> Dhcp<'a> {
    /// Code and value, in order; those of the overloaded fields last.
    pub(crate) fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.areas.into_iter().flat_map(|area| Options(Cursor::new(area))).take(MAX_OPTIONS)
    }

    /// The first option of that code.
    pub(crate) fn option(&self, code: u8) -> Option<&'a [u8]> {
        self.options().find(|(c, _)| *c == code).map(|(_, value)| value)
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Dhcp<'_>> {
    let mut cursor = Cursor::new(bytes);
    let operation = match cursor.u8()? {
        1 => Operation::Request,
        2 => Operation::Reply,
        _ => return None,
    };
    let hardware = cursor.u8()?;
    let length = cursor.u8()?;
    // hops, transaction, seconds, flags
    cursor.skip(1 + 4 + 2 + 2)?;
    let client_address = cursor.ipv4()?;
    let your_address = cursor.ipv4()?;
    let _server_address = cursor.ipv4()?;
    let relay_address = cursor.ipv4()?;
    let mac = cursor.array::<6>()?;
    cursor.skip(10)?;
    let client_mac = (hardware == HARDWARE_ETHERNET && length == 6).then_some(mac);
    let server_name = cursor.take_lax(64).0;
    let file = cursor.take_lax(128).0;
    let (options, is_bootp) = match cursor.u32() {
        Some(MAGIC_COOKIE) => (cursor.rest(), false),
        // plain BOOTP, unless it is cut before
        other => (&[][..], other.is_some()),
    };
    let overload = Options(Cursor::new(options))
        .take(MAX_OPTIONS)
        .find(|(code, _)| *code == OPTION_OVERLOAD)
        .and_then(|(_, value)| value.first().copied())
        .unwrap_or(0);
    let area = |bit: u8, area| if overload & bit == 0 { &[][..] } else { area };
    let mut rest = Options(Cursor::new(options));
    rest.by_ref().for_each(drop);
    Some(Dhcp {
        operation,
        client_mac,
        client_address,
        your_address,
        relay_address,
        whole: is_bootp || rest.0.rest().first() == Some(&OPTION_END),
        areas: [options, area(OVERLOAD_FILE, file), area(OVERLOAD_SERVER_NAME, server_name)],
    })
}

/// Stops at the end option, leaving it, or where an option is not whole.
struct Options<'a>(Cursor<'a>);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut cursor = self.0;
            let code = cursor.u8()?;
            if code == OPTION_END {
                return None;
            }
            if code == OPTION_PAD {
                self.0 = cursor;
                continue;
            }
            let length = cursor.u8()?;
            let value = cursor.take(length.into())?;
            self.0 = cursor;
            return Some((code, value));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::dhcp::PROTOCOL;
    use crate::registry::Outcome;
    use crate::testing::{survives, Said};
    use crate::Field;

    const CLIENT: [u8; 6] = [0x50, 0xc7, 0xbf, 0x00, 0x11, 0x22];

    fn message(operation: u8, client: [u8; 4], yours: [u8; 4], relay: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![operation, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
        bytes.extend(client);
        bytes.extend(yours);
        bytes.extend([0; 4]);
        bytes.extend(relay);
        bytes.extend(CLIENT);
        bytes.extend([0; 10 + 64 + 128]);
        bytes.extend([0x63, 0x82, 0x53, 0x63]);
        bytes.extend(options);
        bytes
    }

    fn request() -> Vec<u8> {
        let mut options = vec![53, 1, 3, 0, 61, 7, 1];
        options.extend(CLIENT);
        options.extend([50, 4, 192, 168, 0, 7, 12, 6]);
        options.extend(b"HS100\0");
        options.extend([60, 12]);
        options.extend(b"udhcp 1.19.4");
        options.extend([55, 3, 1, 3, 6]);
        options.extend([81, 8, 0x04, 0, 0, 4, b'h', b'o', b's', b't', 77, 4, 3, b'a', b'b', b'c']);
        options.extend([125, 11, 0, 0, 0x63, 0xa2, 6, 1, 4]);
        options.extend(b"H3C1");
        options.push(255);
        message(1, [0; 4], [0; 4], [0; 4], &options)
    }

    #[test]
    fn a_client_says_what_it_is() {
        let said = Said::by(&PROTOCOL, &request());
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::DhcpRequested, "192.168.0.7"),
                (Field::DhcpClientId, "0150c7bf001122"),
                (Field::DhcpHostname, "HS100"),
                (Field::DhcpVendorClass, "udhcp 1.19.4"),
                (Field::DhcpParameterList, "1,3,6"),
                (Field::DhcpFqdn, "host"),
                (Field::DhcpUserClass, "abc"),
                (Field::DhcpVendorInfo, "25506 H3C1"),
                (Field::DhcpOptions, "53,61,50,12,60,55,81,77,125"),
            ]
        );
        assert!(said.macs().iter().all(|mac| mac == "50:c7:bf:00:11:22"));
        assert!(said.observations.iter().all(|o| o.ip.is_none()));
    }

    #[test]
    fn an_acknowledgement_binds_the_client_and_shows_the_server() {
        let options = [53, 1, 5, 54, 4, 192, 168, 1, 1, 3, 4, 192, 168, 1, 254, 255];
        let bytes = message(2, [0; 4], [192, 168, 1, 9], [0; 4], &options);
        let said = Said::by(&PROTOCOL, &bytes);
        assert_eq!(
            said.pairs(),
            [
                (Field::DhcpAddress, "192.168.1.9"),
                (Field::DhcpServer, "192.168.1.1"),
                (Field::DhcpRouter, "192.168.1.254"),
            ]
        );
        assert_eq!(said.macs(), ["50:c7:bf:00:11:22", "00:11:22:33:44:55", "00:11:22:33:44:55"]);
        assert_eq!(said.observations[0].ip.unwrap().to_string(), "192.168.1.9");
    }

    #[test]
    fn a_relayed_answer_shows_no_server() {
        let options = [53, 1, 5, 54, 4, 10, 0, 0, 1, 255];
        let bytes = message(2, [0; 4], [10, 1, 1, 9], [10, 1, 1, 1], &options);
        assert_eq!(Said::by(&PROTOCOL, &bytes).pairs(), [(Field::DhcpAddress, "10.1.1.9")]);
    }

    #[test]
    fn options_may_stand_in_the_file_field() {
        let mut bytes = message(1, [0; 4], [0; 4], [0; 4], &[53, 1, 1, 52, 1, 1, 255]);
        bytes[108..115].copy_from_slice(&[12, 4, b'c', b'a', b'm', b'1', 255]);
        assert_eq!(Said::by(&PROTOCOL, &bytes).all(Field::DhcpHostname), ["cam1"]);
    }

    #[test]
    fn a_cut_message_gives_what_was_there() {
        let bytes = request();
        let cut = &bytes[..bytes.len() - 20];
        let said = Said::by(&PROTOCOL, cut);
        assert_eq!(said.outcome, Some(Outcome::Partial));
        assert_eq!(said.all(Field::DhcpHostname), ["HS100"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&request(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
