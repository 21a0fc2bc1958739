//! VRRP: routers that share an address.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "vrrp",
    description: "Virtual Router Redundancy Protocol: group and priority",
    carriers: &[Carrier::Ip(112)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(advertisement) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::VrrpGroup, &advertisement.to_string());
    Outcome::whole_if(!packet.truncated)
}
