//! FDP: what Foundry and Brocade switches tell their neighbours.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "fdp",
    description: "Foundry Discovery Protocol: device, platform, version",
    carriers: &[Carrier::Snap([0x00, 0xe0, 0x52], 0x2000)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(items) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for (kind, value) in items {
        let field = match kind {
            1 => Field::FdpDevice,
            5 => Field::FdpVersion,
            6 => Field::FdpPlatform,
            _ => continue,
        };
        readings.bytes(field, value);
    }
    Outcome::whole_if(!packet.truncated)
}
