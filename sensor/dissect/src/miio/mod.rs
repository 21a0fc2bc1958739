//! Xiaomi miIO: things that answer over the local network.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "miio",
    description: "Xiaomi miIO: device identifier",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 54321;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.source_port != PORT {
        return Outcome::NotMine;
    }
    let Some(device) = parser::device(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::MiioDevice, &device.to_string());
    Outcome::whole_if(!packet.truncated)
}
