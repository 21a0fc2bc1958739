//! RADIUS: network gear that asks whether somebody may come in, and the server that answers. What is said about people is not looked at.

mod parser;

use crate::cursor::Cursor;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "radius",
    description: "RADIUS: role, name and kind of the network access server",
    carriers: &[Carrier::Udp(1812), Carrier::Udp(1813), Carrier::Udp(1645), Carrier::Udp(1646)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::RadiusRole, message.role);
    for (kind, value) in message.attributes {
        match kind {
            parser::NAS_IDENTIFIER => readings.bytes(Field::RadiusNas, value),
            parser::NAS_PORT_TYPE => {
                if let Some(kind) = Cursor::new(value).u32() {
                    readings.text(Field::RadiusPortType, &kind.to_string());
                }
            }
            parser::VENDOR_SPECIFIC => {
                if let Some(vendor) = Cursor::new(value).u32() {
                    readings.text(Field::RadiusVendor, &vendor.to_string());
                }
            }
            _ => {}
        }
    }
    Outcome::whole_if(!packet.truncated)
}
