//! SLP: services that printers, servers and their management announce.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "slp",
    description: "Service Location Protocol: service addresses and attributes",
    carriers: &[Carrier::Udp(427)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(said) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for url in said.urls {
        readings.bytes(Field::SlpService, url);
    }
    for attribute in said.attributes {
        readings.bytes(Field::SlpAttribute, attribute);
    }
    Outcome::whole_if(!packet.truncated)
}
