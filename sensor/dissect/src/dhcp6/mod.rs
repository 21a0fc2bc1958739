//! DHCPv6: what a client says about itself, and which address it was given.
//!
//! A client speaks from its own hardware address, unless a relay passes its message on; then the relay's note of it
//! (RFC 6939) is needed, and without one nothing is said. An address is read from a reply that goes to the client itself.

mod parser;

use std::net::IpAddr;

use eyot_contract::MacAddr;

use crate::cursor::Cursor;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::{clean, hex, push_decimal};
use crate::{Carrier, Field, Protocol};
use parser::Side;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dhcp6",
    description: "Dynamic Host Configuration Protocol for IPv6: identifier, vendor class, name, address",
    carriers: &[Carrier::Udp(546), Carrier::Udp(547)],
    message: Some(read),
    stream: None,
};

/// Option codes, IANA "DHCPv6 Option Codes".
mod option {
    pub const CLIENT_ID: u16 = 1;
    pub const SERVER_ID: u16 = 2;
    pub const ADDRESSES: u16 = 3;
    pub const TEMPORARY_ADDRESSES: u16 = 4;
    pub const ADDRESS: u16 = 5;
    pub const REQUESTS: u16 = 6;
    pub const USER_CLASS: u16 = 15;
    pub const VENDOR_CLASS: u16 = 16;
    pub const CLIENT_FQDN: u16 = 39;
}

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    match message.side {
        Side::Client => {
            if message.relayed {
                readings.about(message.client_mac.map(MacAddr), None);
            }
            for (code, value) in parser::options(message.options) {
                client_option(code, value, readings);
            }
        }
        Side::Reply if !message.relayed => {
            for (code, value) in parser::options(message.options) {
                reply_option(code, value, packet, readings);
            }
        }
        Side::Reply | Side::Server => {}
    }
    Outcome::whole_if(!packet.truncated)
}

fn client_option(code: u16, value: &[u8], readings: &mut Readings<'_>) {
    match code {
        option::CLIENT_ID => readings.text(Field::Dhcp6Duid, &hex(value)),
        option::REQUESTS => {
            let mut cursor = Cursor::new(value);
            let mut codes = String::with_capacity(value.len() * 2);
            while let Some(code) = cursor.u16() {
                if !codes.is_empty() {
                    codes.push(',');
                }
                push_decimal(&mut codes, code.into());
            }
            readings.text(Field::Dhcp6Requests, &codes);
        }
        option::USER_CLASS => {
            parser::strings(value).for_each(|class| readings.bytes(Field::Dhcp6UserClass, class));
        }
        option::VENDOR_CLASS => {
            let Some((enterprise, classes)) = value.split_first_chunk() else { return };
            let enterprise = u32::from_be_bytes(*enterprise);
            for class in parser::strings(classes) {
                readings.text(Field::Dhcp6VendorClass, &format!("{enterprise} {}", clean(class)));
            }
        }
        option::CLIENT_FQDN => {
            let labels = parser::labels(value.get(1..).unwrap_or_default());
            readings.bytes(Field::Dhcp6Fqdn, &labels);
        }
        _ => {}
    }
}

fn reply_option(code: u16, value: &[u8], packet: &Packet<'_>, readings: &mut Readings<'_>) {
    let fixed = match code {
        option::SERVER_ID => {
            readings.about(packet.source, packet.source_ip);
            return readings.text(Field::Dhcp6Server, &hex(value));
        }
        // association, two timers
        option::ADDRESSES => 12,
        option::TEMPORARY_ADDRESSES => 4,
        _ => return,
    };
    for (code, value) in parser::options(value.get(fixed..).unwrap_or_default()) {
        if let (option::ADDRESS, Some(address)) = (code, Cursor::new(value).ipv6()) {
            readings.about(packet.destination, Some(IpAddr::V6(address)));
            readings.text(Field::Dhcp6Address, &address.to_string());
        }
    }
}
