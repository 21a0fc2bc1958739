//! Omron FINS: which side is the controller, and its model when somebody reads it.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "fins",
    description: "Omron FINS: role, controller model and version",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 9600;

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if say(packet.payload, readings) {
        Outcome::whole_if(!packet.truncated)
    } else {
        Outcome::NotMine
    }
}

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::framed(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some((length, frame)) = parser::framed(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    say(frame, readings);
    Verdict::Message
}

fn say(frame: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(message) = parser::parse(frame) else { return false };
    readings.text(Field::FinsRole, if message.is_answer { "controller" } else { "client" });
    if let Some((model, version)) = message.controller {
        readings.bytes(Field::FinsModel, model);
        readings.bytes(Field::FinsVersion, version);
    }
    true
}
