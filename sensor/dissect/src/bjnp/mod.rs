//! BJNP: Canon printers and scanners that answer.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "bjnp",
    description: "Canon BJNP: device identifier and kind",
    carriers: &[Carrier::Udp(8610), Carrier::Udp(8611), Carrier::Udp(8612), Carrier::Udp(8613)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(answer) = parser::parse(packet.payload) else { return Outcome::NotMine };
    let Some(kind) = answer.kind else { return Outcome::whole_if(!packet.truncated) };
    readings.text(Field::BjnpKind, kind);
    if let Some(identifier) = answer.identifier {
        readings.bytes(Field::BjnpIdentifier, identifier);
    }
    Outcome::whole_if(!packet.truncated)
}
