//! DHCP: what a client says about itself, and which address it was given.
//!
//! Readings of a client's message are about its hardware address (chaddr), also when a relay sent the frame. Readings of
//! an answer are about the client where they give it an address, and about the frame's sender where they show a server;
//! a relayed answer shows no server, since the frame comes from the relay.

mod parser;

use std::net::{IpAddr, Ipv4Addr};

use eyot_contract::MacAddr;

use crate::cursor::Cursor;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::{clean, hex, is_text, join_decimal};
use crate::{Carrier, Field, Protocol};
use parser::{Dhcp, Operation};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dhcp",
    description:
        "Dynamic Host Configuration Protocol for IPv4: host name, vendor class, requested options, address",
    carriers: &[Carrier::Udp(67), Carrier::Udp(68)],
    message: Some(read),
    stream: None,
};

/// Option codes, IANA "BOOTP Vendor Extensions and DHCP Options".
mod option {
    pub const ROUTER: u8 = 3;
    pub const NAME_SERVERS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_LIST: u8 = 55;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const USER_CLASS: u8 = 77;
    pub const CLIENT_FQDN: u8 = 81;
    pub const VENDOR_IDENTIFYING_CLASS: u8 = 124;
    pub const VENDOR_IDENTIFYING_INFO: u8 = 125;
}

const TYPE_OFFER: u8 = 2;
const TYPE_REQUEST: u8 = 3;
const TYPE_ACK: u8 = 5;
/// E bit of option 81's flags: the name is in DNS wire form.
const FQDN_WIRE: u8 = 0x04;

/// Name servers given out per answer: resolvers use no more than three.
const MAX_NAME_SERVERS: usize = 3;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    let client = message.client_mac.map(MacAddr);
    let kind = message.option(option::MESSAGE_TYPE).and_then(|value| value.first().copied());
    match message.operation {
        Operation::Request => {
            readings.about(client, address(message.client_address).map(IpAddr::V4));
            request(&message, kind, readings);
        }
        Operation::Reply => reply(&message, kind, client, packet, readings),
    }
    Outcome::whole_if(message.whole && !packet.truncated)
}

fn request(message: &Dhcp<'_>, kind: Option<u8>, readings: &mut Readings<'_>) {
    // a client that keeps an address says so; one that asks for one (50) has been offered it or had it before
    if let Some(kept) = address(message.client_address) {
        readings.text(Field::DhcpAddress, &kept.to_string());
    } else if kind == Some(TYPE_REQUEST) {
        let wanted = message.option(option::REQUESTED_ADDRESS).and_then(|value| Cursor::new(value).ipv4());
        if let Some(wanted) = wanted.and_then(address) {
            readings.text(Field::DhcpRequested, &wanted.to_string());
        }
    }
    for (code, value) in message.options() {
        match code {
            option::HOST_NAME => readings.bytes(Field::DhcpHostname, value),
            option::VENDOR_CLASS => readings.bytes(Field::DhcpVendorClass, value),
            option::PARAMETER_LIST => {
                readings.text(Field::DhcpParameterList, &join_decimal(value.iter().copied()));
            }
            option::CLIENT_ID => readings.text(Field::DhcpClientId, &hex(value)),
            option::USER_CLASS => readings.bytes(Field::DhcpUserClass, user_class(value)),
            option::CLIENT_FQDN => fqdn(value, readings),
            option::VENDOR_IDENTIFYING_CLASS | option::VENDOR_IDENTIFYING_INFO => {
                vendor_info(code, value, readings);
            }
            _ => {}
        }
    }
    readings.text(Field::DhcpOptions, &join_decimal(message.options().map(|(code, _)| code)));
}

fn reply(
    message: &Dhcp<'_>,
    kind: Option<u8>,
    client: Option<MacAddr>,
    packet: &Packet<'_>,
    readings: &mut Readings<'_>,
) {
    // plain BOOTP has no type and its answer is final
    if matches!(kind, Some(TYPE_ACK) | None) {
        if let Some(given) = address(message.your_address).or(address(message.client_address)) {
            readings.about(client, Some(IpAddr::V4(given)));
            readings.text(Field::DhcpAddress, &given.to_string());
        }
    }
    if !matches!(kind, Some(TYPE_OFFER | TYPE_ACK)) || address(message.relay_address).is_some() {
        return;
    }
    readings.about(packet.source, packet.source_ip);
    if let Some(server) = message.option(option::SERVER_ID).and_then(|value| Cursor::new(value).ipv4()) {
        readings.text(Field::DhcpServer, &server.to_string());
    }
    if let Some(router) = message.option(option::ROUTER).and_then(|value| Cursor::new(value).ipv4()) {
        readings.text(Field::DhcpRouter, &router.to_string());
    }
    let mut servers = Cursor::new(message.option(option::NAME_SERVERS).unwrap_or_default());
    for _ in 0..MAX_NAME_SERVERS {
        let Some(server) = servers.ipv4() else { break };
        readings.text(Field::DhcpDns, &server.to_string());
    }
}

fn address(address: Ipv4Addr) -> Option<Ipv4Addr> {
    Some(address).filter(|a| !a.is_unspecified() && !a.is_broadcast())
}

/// RFC 3004 has a length before each class; Microsoft and iPXE clients send the bare text.
fn user_class(value: &[u8]) -> &[u8] {
    match value.split_first() {
        Some((length, rest)) if usize::from(*length) == rest.len() => rest,
        _ => value,
    }
}

/// RFC 4702: flags, two result codes, the name as text or in DNS wire form.
fn fqdn(value: &[u8], readings: &mut Readings<'_>) {
    let Some(([flags, _, _], name)) = value.split_first_chunk() else { return };
    if flags & FQDN_WIRE == 0 {
        return readings.bytes(Field::DhcpFqdn, name);
    }
    let mut labels = Cursor::new(name);
    let mut text = Vec::new();
    while let Some(label) =
        labels.u8().filter(|length| *length > 0).and_then(|length| labels.take(length.into()))
    {
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(label);
    }
    readings.bytes(Field::DhcpFqdn, &text);
}

/// RFC 3925: per enterprise a number, a length and data; in 125 the data is options of one-byte code and length.
fn vendor_info(code: u8, value: &[u8], readings: &mut Readings<'_>) {
    let mut cursor = Cursor::new(value);
    while let (Some(enterprise), Some(length)) = (cursor.u32(), cursor.u8()) {
        let (data, whole) = cursor.take_lax(length.into());
        let mut items = Cursor::new(data);
        let mut said = false;
        while let Some(item_code) = items.u8() {
            let item = if code == option::VENDOR_IDENTIFYING_INFO {
                items.u8().map_or(&[][..], |length| items.take_lax(length.into()).0)
            } else {
                items.take_lax(item_code.into()).0
            };
            if is_text(item) {
                readings.text(Field::DhcpVendorInfo, &format!("{enterprise} {}", clean(item)));
                said = true;
            }
        }
        if !said {
            readings.text(Field::DhcpVendorInfo, &enterprise.to_string());
        }
        if !whole {
            break;
        }
    }
}
