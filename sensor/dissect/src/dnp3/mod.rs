//! DNP3: which side is the outstation, and the attributes it gives.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dnp3",
    description: "DNP3: role, device attributes",
    carriers: &[Carrier::Tcp(PORT), Carrier::Udp(PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 20000;

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
    readings.text(Field::Dnp3Role, if message.from_master { "master" } else { "outstation" });
    for (variation, text) in message.attributes {
        readings.text(Field::Dnp3Attribute, &format!("{variation}={}", clean(&text)));
    }
    true
}
