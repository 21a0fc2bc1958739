//! BACnet/IP: who a building controller says it is (I-Am), and the properties of its device object when somebody reads
//! them.
//!
//! A message that a router or a broadcast device passes on is about somebody behind it and gives no reading.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};
use parser::{Message, Value};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "bacnet",
    description: "BACnet/IP: device instance, vendor, model, firmware",
    carriers: &[Carrier::Udp(47808)],
    message: Some(read),
    stream: None,
};

/// Properties of a device object that say what it is (ANSI/ASHRAE 135 clause 21, BACnetPropertyIdentifier).
const PROPERTIES: &[(u32, &str)] = &[
    (12, "application-software-version"),
    (28, "description"),
    (44, "firmware-revision"),
    (58, "location"),
    (70, "model-name"),
    (77, "object-name"),
    (120, "vendor-identifier"),
    (121, "vendor-name"),
    (372, "serial-number"),
];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    match parser::parse(packet.payload, packet.source_ip) {
        None => return Outcome::NotMine,
        Some(Message::IAm { instance, vendor }) => {
            readings.text(Field::BacnetDevice, &instance.to_string());
            if let Some(vendor) = vendor {
                readings.text(Field::BacnetVendor, &vendor.to_string());
            }
        }
        Some(Message::Properties(list)) => {
            for (property, value) in list {
                let Some((_, name)) = PROPERTIES.iter().find(|(number, _)| *number == property) else {
                    continue;
                };
                match value {
                    Value::Text(text) if !text.is_empty() => {
                        readings.text(Field::BacnetProperty, &format!("{name}={}", clean(text)));
                    }
                    Value::Unsigned(number) => {
                        readings.text(Field::BacnetProperty, &format!("{name}={number}"))
                    }
                    _ => {}
                }
            }
        }
        Some(Message::Other) => {}
    }
    Outcome::whole_if(!packet.truncated)
}
