//! HART-IP: gateways and field devices that answer, and what kind they are.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "hartip",
    description: "HART-IP: role, device type",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 5094;

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if say(packet.payload, readings) {
        Outcome::whole_if(!packet.truncated)
    } else {
        Outcome::NotMine
    }
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == PORT || packet.destination_port == PORT) && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    say(stream.bytes, readings);
    Verdict::Message
}

fn say(bytes: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(message) = parser::parse(bytes) else { return false };
    readings.text(Field::HartipRole, if message.is_answer { "server" } else { "client" });
    if let Some(kind) = message.device_type {
        readings.text(Field::HartipType, &format!("{kind:04x}"));
    }
    true
}
