//! TiVo beacons: digital video recorders, and computers that serve them.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tivo",
    description: "TiVo beacon: platform, machine, software version",
    carriers: &[Carrier::Udp(2190)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(items) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for item in items {
        readings.bytes(Field::TivoItem, item);
    }
    Outcome::whole_if(!packet.truncated)
}
