//! IPv6 neighbour discovery: which IPv6 address a device claims, and which device is a router.
//!
//! RFC 4861 accepts these messages with hop limit 255 only, and so do we: anything else came through a router. A
//! solicitation from the unspecified address (duplicate address detection) claims nothing yet.

mod parser;

use std::net::IpAddr;

use eyot_contract::MacAddr;

use crate::packet::Packet;
use crate::readings::{is_device, Readings};
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Message;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "nd",
    description: "IPv6 neighbour discovery: addresses of neighbours, and routers",
    carriers: &[Carrier::Ip(58)],
    message: Some(read),
    stream: None,
};

/// Only a neighbour's message still has it.
const HOP_LIMIT: u8 = 255;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.hop_limit != Some(HOP_LIMIT) {
        return Outcome::NotMine;
    }
    match parser::parse(packet.payload) {
        None => return Outcome::NotMine,
        Some(Message::RouterSolicitation | Message::NeighbourSolicitation) => {
            if let Some(ip) = packet.source_ip {
                readings.text(Field::NdAddress, &ip.to_string());
            }
        }
        Some(Message::RouterAdvertisement { lifetime, prefixes }) => {
            readings.text(Field::NdRouter, &lifetime.to_string());
            for (prefix, length) in prefixes {
                readings.text(Field::NdPrefix, &format!("{prefix}/{length}"));
            }
        }
        Some(Message::NeighbourAdvertisement { target, router, mac }) => {
            let owner = mac.map(MacAddr).filter(is_device).or(packet.source);
            readings.about(owner, Some(IpAddr::V6(target)));
            readings.text(Field::NdAddress, &target.to_string());
            if router {
                readings.text(Field::NdRouter, "flag");
            }
        }
    }
    Outcome::Whole
}
