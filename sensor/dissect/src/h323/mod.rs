//! H.323: product and version that a terminal, gateway or gatekeeper gives.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "h323",
    description: "H.323 call signalling and RAS: product, version",
    carriers: &[Carrier::Udp(1718), Carrier::Udp(RAS_PORT), Carrier::Tcp(CALL_PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read }),
};

const RAS_PORT: u16 = 1719;
const CALL_PORT: u16 = 1720;

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    match parser::product(packet.payload) {
        Some(product) => {
            say(product, readings);
            Outcome::whole_if(!packet.truncated)
        }
        None => Outcome::NotMine,
    }
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == CALL_PORT || packet.destination_port == CALL_PORT)
        && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    if let Some(product) = parser::product(stream.bytes) {
        say(product, readings);
    }
    Verdict::Message
}

fn say(product: parser::Product<'_>, readings: &mut Readings<'_>) {
    readings.bytes(Field::H323Product, product.name);
    if let Some(version) = product.version {
        readings.bytes(Field::H323Version, version);
    }
}
