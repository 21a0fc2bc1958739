//! S7 communication: the module identification a Siemens controller gives when its system status lists are read.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{mms, Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "s7",
    description: "S7 communication: order number, firmware, module and plant names of Siemens controllers",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 102;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    if mms::read(stream.bytes, readings) {
        return Verdict::Message;
    }
    if parser::is_s7(stream.bytes) {
        readings.text(Field::S7Role, "server");
    }
    for (list, index, text) in parser::status_list(stream.bytes) {
        readings.text(Field::S7Module, &format!("{list:04x}.{index:04x}={text}"));
    }
    Verdict::Message
}
