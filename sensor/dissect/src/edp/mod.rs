//! EDP: what Extreme Networks switches tell their neighbours.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Item;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "edp",
    description: "Extreme Discovery Protocol: name and software version",
    carriers: &[Carrier::Snap([0x00, 0xe0, 0x2b], 0x00bb)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(items) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for item in items {
        match item {
            Item::Name(name) => readings.bytes(Field::EdpName, name),
            Item::Version(version) => readings.text(Field::EdpVersion, &version),
            Item::Other => {}
        }
    }
    Outcome::whole_if(!packet.truncated)
}
