//! HL7 version 2: the application and facility that send a message. What the message says about people is not looked at.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "hl7",
    description: "HL7 version 2: sending application and facility, version",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

/// A header segment that is longer is not waited for.
const MAX_SEGMENT: usize = 1024;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(header) = parser::header(stream.bytes) else {
        let wait = !stream.last && stream.bytes.len() < MAX_SEGMENT;
        return if wait { Verdict::More(stream.bytes.len() + 1) } else { Verdict::NotMine };
    };
    readings.bytes(Field::Hl7Application, header.application);
    readings.bytes(Field::Hl7Facility, header.facility);
    readings.bytes(Field::Hl7Version, header.version);
    Verdict::Done
}
