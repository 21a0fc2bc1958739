//! Niagara Fox: what a building controller says of itself in its greeting.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "fox",
    description: "Niagara Fox: host, application, system and brand of building controllers",
    carriers: &[Carrier::Tcp(PORT), Carrier::Tcp(SECURE_PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 1911;
const SECURE_PORT: u16 = 4911;
/// A greeting that is longer is read as far as it goes.
const MAX_GREETING: usize = 2 * 1024;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    if !parser::is_whole(stream.bytes) && !stream.last && stream.bytes.len() < MAX_GREETING {
        return Verdict::More(stream.bytes.len() + 1);
    }
    let from_server = matches!(stream.packet.source_port, PORT | SECURE_PORT);
    readings.text(Field::FoxRole, if from_server { "station" } else { "client" });
    if from_server {
        for item in parser::items(stream.bytes) {
            readings.bytes(Field::FoxItem, item);
        }
    }
    Verdict::Done
}
