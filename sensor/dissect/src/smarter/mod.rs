//! Smarter's kettles and coffee machines, which answer over the local network.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "smarter",
    description: "Smarter kettles and coffee machines: kind and firmware",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read),
    stream: Some(StreamReader { starts, read: read_stream }),
};

const PORT: u16 = 2081;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.source_port != PORT {
        return Outcome::NotMine;
    }
    match tell(packet.payload, readings) {
        true => Outcome::whole_if(!packet.truncated),
        false => Outcome::NotMine,
    }
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::message(bytes).is_some()
}

fn read_stream(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    // states follow each other for as long as somebody listens; the kind is in one of the first
    match tell(stream.bytes, readings) {
        true => Verdict::Message,
        false => Verdict::NotMine,
    }
}

fn tell(bytes: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(message) = parser::message(bytes) else { return false };
    match message {
        parser::Message::Device { kind, firmware } => {
            readings.text(Field::SmarterDevice, &format!("{kind} {firmware}"));
        }
        parser::Message::State { kind } => readings.text(Field::SmarterState, kind),
    }
    true
}
