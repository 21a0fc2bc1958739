//! eQ-3 discovery: what MAX! cubes and HomeMatic centrals answer to the program that looks for them.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "eq3",
    description: "eQ-3 discovery: MAX! cubes and HomeMatic centrals",
    carriers: &[Carrier::Udp(MAX_PORT), Carrier::Udp(HOMEMATIC_PORT)],
    message: Some(read),
    stream: None,
};

/// MAX! cubes.
const MAX_PORT: u16 = 23272;
/// HomeMatic centrals.
const HOMEMATIC_PORT: u16 = 43439;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if !matches!(packet.source_port, MAX_PORT | HOMEMATIC_PORT) {
        return Outcome::NotMine;
    }
    let Some(answer) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.bytes(Field::Eq3Product, answer.product);
    readings.bytes(Field::Eq3Serial, answer.serial);
    Outcome::whole_if(!packet.truncated)
}
