//! CAPWAP control: access points that look for their controller, and the controller that answers.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Kind;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "capwap",
    description: "CAPWAP control: access point model, serial number, name, version",
    carriers: &[Carrier::Udp(5246)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::CapwapRole, message.role());
    for item in message.items() {
        let field = match item.kind {
            Kind::Model => Field::CapwapModel,
            Kind::Serial => Field::CapwapSerial,
            Kind::Name => Field::CapwapName,
            Kind::Software => Field::CapwapSoftware,
        };
        readings.bytes(field, item.value);
    }
    if let Some(vendor) = message.vendor() {
        readings.text(Field::CapwapVendor, &vendor.to_string());
    }
    Outcome::whole_if(!packet.truncated)
}
