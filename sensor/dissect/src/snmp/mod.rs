//! SNMP: what an agent says about the machine it runs on, in answers and traps.
//!
//! Requests say nothing but that their sender manages something. Communities are never given, only that an
//! agent answered one of the two it left the factory with. An engine id is given
//! where its sender is the agent; it names the maker even when the rest is encrypted.

mod parser;

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
const OBJECTS: &[&str] = &[
    "1.3.6.1.2.1.25.3.2.1.3.",
    "1.3.6.1.2.1.43.5.1.1.16.",
    "1.3.6.1.2.1.43.5.1.1.17.",
    "1.3.6.1.2.1.47.1.1.1.1.2.",
    "1.3.6.1.2.1.47.1.1.1.1.8.",
    "1.3.6.1.2.1.47.1.1.1.1.9.",
    "1.3.6.1.2.1.47.1.1.1.1.10.",
    "1.3.6.1.2.1.47.1.1.1.1.11.",
    "1.3.6.1.2.1.47.1.1.1.1.12.",
    "1.3.6.1.2.1.47.1.1.1.1.13.",
];
/// snmpTrapOID of SNMPv2 traps, and where makers' own begin.
const TRAP_OID: &str = "1.3.6.1.6.3.1.1.4.1.0";
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
        say(&object, &value, readings);
    }
    Outcome::whole_if(message.whole)
}

fn say(object: &str, value: &Value<'_>, readings: &mut Readings<'_>) {
    match (object, value) {
        ("1.3.6.1.2.1.1.1.0", Value::Text(text)) => readings.bytes(Field::SnmpDescription, text),
        ("1.3.6.1.2.1.1.2.0", Value::Object(id)) => readings.text(Field::SnmpObjectId, id),
        ("1.3.6.1.2.1.1.5.0", Value::Text(text)) => readings.bytes(Field::SnmpName, text),
        ("1.3.6.1.2.1.1.6.0", Value::Text(text)) => readings.bytes(Field::SnmpLocation, text),
        (TRAP_OID, Value::Object(id)) if id.starts_with(ENTERPRISES) => readings.text(Field::SnmpTrap, id),
        (object, Value::Text(text))
            if OBJECTS.iter().any(|known| object.starts_with(known)) && !text.is_empty() =>
        {
            readings.text(Field::SnmpObject, &format!("{object}={}", clean(text)));
        }
        _ => {}
    }
}
