//! ARP: which IPv4 address a device claims.
//!
//! A probe (sender address 0.0.0.0, RFC 5227) claims nothing yet and gives no reading. The reading is about the sender
//! hardware address inside the message, which a bridge that rewrites the frame's own leaves alone.

mod parser;

use std::net::IpAddr;

use eyot_contract::MacAddr;

use crate::packet::Packet;
use crate::readings::{is_device, Readings};
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "arp",
    description: "Address Resolution Protocol: the IPv4 address of a neighbour",
    carriers: &[Carrier::EtherType(0x0806)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    let sender = Some(MacAddr(message.sender_mac)).filter(is_device).or(packet.source);
    if !message.sender.is_unspecified() && !message.sender.is_multicast() && !message.sender.is_broadcast() {
        readings.about(sender, Some(IpAddr::V4(message.sender)));
        readings.text(Field::ArpAddress, &message.sender.to_string());
    }
    Outcome::Whole
}

/// The address that a message is about.
pub(crate) fn target(payload: &[u8]) -> Option<IpAddr> {
    parser::parse(payload)?.target.filter(|ip| !ip.is_unspecified()).map(IpAddr::V4)
}
