//! MikroTik Neighbor Discovery: identity, software, platform and board of MikroTik gear.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "mndp",
    description: "MikroTik Neighbor Discovery Protocol: identity, version, platform, board",
    carriers: &[Carrier::Udp(5678)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(items) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for (kind, value) in items {
        let field = match kind {
            5 => Field::MndpIdentity,
            7 => Field::MndpVersion,
            8 => Field::MndpPlatform,
            12 => Field::MndpBoard,
            _ => continue,
        };
        readings.bytes(field, value);
    }
    Outcome::whole_if(!packet.truncated)
}
