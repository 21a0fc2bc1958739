//! PPPP, the peer-to-peer protocol of cheap cameras: a device that logs in at its server or makes itself known nearby.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "pppp",
    description: "Peer-to-peer camera protocol (PPPP): identifier prefix of a device",
    carriers: &[Carrier::Udp(32100), Carrier::Udp(32108)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    if let Some(prefix) = message.device {
        readings.bytes(Field::PpppDevice, prefix);
    }
    Outcome::whole_if(!packet.truncated)
}
