//! Ubiquiti discovery: model, firmware and host name of Ubiquiti gear.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ubiquiti",
    description: "Ubiquiti discovery: model, firmware, host name",
    carriers: &[Carrier::Udp(10001)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(items) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for (kind, value) in items {
        let field = match kind {
            0x03 | 0x16 => Field::UbiquitiFirmware,
            0x0b => Field::UbiquitiHostname,
            0x0c | 0x14 | 0x15 => Field::UbiquitiModel,
            _ => continue,
        };
        readings.bytes(field, value);
    }
    Outcome::whole_if(!packet.truncated)
}
