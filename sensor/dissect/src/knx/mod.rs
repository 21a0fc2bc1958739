//! KNXnet/IP: routers and interfaces that describe themselves or pass on telegrams.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::hex;
use crate::{Carrier, Field, Protocol};
use parser::Message;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "knx",
    description: "KNXnet/IP: name, serial number, medium, routing",
    carriers: &[Carrier::Udp(3671)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    match message {
        Message::Device(device) => {
            readings.bytes(Field::KnxName, device.name);
            readings.text(Field::KnxSerial, &hex(device.serial));
            readings.text(Field::KnxMedium, &device.medium.to_string());
        }
        Message::Routing => readings.text(Field::KnxRole, "router"),
        Message::Other => {}
    }
    Outcome::whole_if(!packet.truncated)
}
