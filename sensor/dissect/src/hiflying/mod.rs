//! Discovery of Hi-Flying's Wi-Fi modules, and of Beckhoff controllers, which use the same port.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{ads, Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "hiflying",
    description: "Hi-Flying module discovery: module name",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 48899;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.source_port != PORT {
        return Outcome::NotMine;
    }
    if let Some(module) = parser::module(packet.payload) {
        readings.bytes(Field::HiflyingModule, module);
        return Outcome::whole_if(!packet.truncated);
    }
    if ads::read_discovery(packet.payload, readings) {
        return Outcome::whole_if(!packet.truncated);
    }
    Outcome::NotMine
}
