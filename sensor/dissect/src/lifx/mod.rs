//! LIFX: lamps that answer over the local network.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::State;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "lifx",
    description: "LIFX LAN protocol: product of a lamp",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 56700;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.source_port != PORT {
        return Outcome::NotMine;
    }
    match parser::parse(packet.payload) {
        None => return Outcome::NotMine,
        Some(State::Product { vendor, product }) => {
            readings.text(Field::LifxProduct, &format!("{vendor}.{product}"));
        }
        Some(State::Firmware { major, minor }) => {
            readings.text(Field::LifxFirmware, &format!("{major}.{minor}"));
        }
        Some(State::Label(label)) => readings.bytes(Field::LifxLabel, label),
        Some(State::Other(kind)) => readings.text(Field::LifxState, &kind.to_string()),
    }
    Outcome::whole_if(!packet.truncated)
}
