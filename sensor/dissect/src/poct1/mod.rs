//! POCT1-A: how a point-of-care analyser introduces itself. What it reports about people is not looked at.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::markup::unescape;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "poct1",
    description: "POCT1-A: vendor, model, serial number of analysers",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

/// A greeting that is longer is not waited for.
const MAX_GREETING: usize = 4 * 1024;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    if !parser::is_whole(stream.bytes) && !stream.last && stream.bytes.len() < MAX_GREETING {
        return Verdict::More(stream.bytes.len() + 1);
    }
    let Some(items) = parser::greeting(stream.bytes) else { return Verdict::NotMine };
    for (name, value) in items {
        readings.text(Field::Poct1Device, &format!("{name}={}", unescape(value)));
    }
    Verdict::Done
}
