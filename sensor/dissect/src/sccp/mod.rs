//! SCCP ("Skinny"): the name and type under which a Cisco phone registers.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "sccp",
    description: "Skinny Client Control Protocol: device name and type of Cisco phones",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 2000;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.destination_port == PORT && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    readings.text(Field::SccpRole, "client");
    let Some(registration) = parser::registration(stream.bytes) else { return Verdict::Message };
    readings.bytes(Field::SccpDevice, registration.name);
    if let Some(kind) = registration.device_type {
        readings.text(Field::SccpType, &kind.to_string());
    }
    Verdict::Done
}
