//! EAPOL: which side of a network access check a device is on, and the name a machine gives there. Names of people are never given.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "eapol",
    description: "802.1X and Wi-Fi key exchange: role, machine identity",
    carriers: &[Carrier::EtherType(0x888e)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::EapolRole, message.role);
    if let Some(identity) = message.identity.filter(|identity| parser::is_machine(identity)) {
        readings.bytes(Field::EapolIdentity, identity);
    }
    Outcome::whole_if(!packet.truncated)
}
