//! SNMP: what an agent says about the machine it runs on, in answers and traps.
//!
//! Requests say nothing but that their sender manages something. Communities are never given, only that an
//! agent answered one of the two it left the factory with. An engine id is given
//! where its sender is the agent; it names the maker even when the rest is encrypted.

mod parser;

use crate::der::object_id;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::{clean, hex};
use crate::{Carrier, Field, Protocol};
use parser::{Body, Value, Version};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "snmp",
    description: "Simple Network Management Protocol: system description, object id, name, engine id, traps",
    carriers: &[Carrier::Udp(161), Carrier::Udp(162)],
    message: Some(read),
    stream: None,
};

/// Objects that name a product, without their instance: host resources, printer and entity MIB.
const OBJECTS: &[&[u8]] = &[
    &[0x2b, 6, 1, 2, 1, 25, 3, 2, 1, 3],
    &[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 16],
    &[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 17],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 2],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 8],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 9],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 10],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 12],
    &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 13],
];
/// The system group: description, object, name, location.
const SYSTEM_DESCRIPTION: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
const SYSTEM_OBJECT: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 2, 0];
const SYSTEM_NAME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 5, 0];
const SYSTEM_LOCATION: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 6, 0];
/// snmpTrapOID of SNMPv2 traps, and where makers' own begin.
const TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
const ENTERPRISES: &str = "1.3.6.1.4.1.";
/// Values read of one message.
const MAX_VALUES: usize = 64;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(
        Field::SnmpVersion,
        match message.version {
            Version::V1 => "1",
            Version::V2c => "2c",
            Version::V3 => "3",
        },
    );
    let speaks_for_agent = match message.body {
        Body::Request => false,
        Body::Answer | Body::Trap => true,
        Body::Hidden => packet.source_port == 161 || packet.destination_port == 162,
    };
    if !speaks_for_agent {
        return Outcome::Whole;
    }
    if message.default_community && message.body == Body::Answer {
        readings.text(Field::SnmpCommunity, "default");
    }
    if let Some(engine) = message.engine.filter(|engine| !engine.is_empty()) {
        readings.text(Field::SnmpEngine, &hex(engine));
    }
    // a generic trap names a standard's object
    if let Some(enterprise) = message.enterprise.as_ref().filter(|id| id.starts_with(ENTERPRISES)) {
        readings.text(Field::SnmpTrap, enterprise);
    }
    for (object, value) in message.values().take(MAX_VALUES) {
        say(object, &value, readings);
    }
    Outcome::whole_if(message.whole)
}

/// Identifiers are compared in the form of the message (X.690 section 8.19), because most are asked about nothing here.
fn say(object: &[u8], value: &Value<'_>, readings: &mut Readings<'_>) {
    match (object, value) {
        (SYSTEM_DESCRIPTION, Value::Text(text)) => readings.bytes(Field::SnmpDescription, text),
        (SYSTEM_OBJECT, Value::Object(id)) => {
            if let Some(id) = object_id(id) {
                readings.text(Field::SnmpObjectId, &id);
            }
        }
        (SYSTEM_NAME, Value::Text(text)) => readings.bytes(Field::SnmpName, text),
        (SYSTEM_LOCATION, Value::Text(text)) => readings.bytes(Field::SnmpLocation, text),
        (TRAP_OID, Value::Object(id)) => {
            if let Some(id) = object_id(id).filter(|id| id.starts_with(ENTERPRISES)) {
                readings.text(Field::SnmpTrap, &id);
            }
        }
        (object, Value::Text(text)) if !text.is_empty() && is_product(object) => {
            if let Some(object) = object_id(object) {
                readings.text(Field::SnmpObject, &format!("{object}={}", clean(text)));
            }
        }
        _ => {}
    }
}

fn is_product(object: &[u8]) -> bool {
    OBJECTS.iter().any(|known| object.len() > known.len() && object.starts_with(known))
}
