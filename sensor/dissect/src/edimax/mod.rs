//! Edimax discovery: what an Edimax plug or camera answers to the app that looks for it.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "edimax",
    description: "Edimax discovery: model, firmware, name",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 20560;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.source_port != PORT {
        return Outcome::NotMine;
    }
    let Some(answer) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.bytes(Field::EdimaxModel, answer.model);
    readings.bytes(Field::EdimaxFirmware, answer.firmware);
    readings.bytes(Field::EdimaxName, answer.name);
    Outcome::whole_if(!packet.truncated)
}
