//! Modbus/TCP: which side of a connection answers, and what it says when asked for its identification.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "modbus",
    description: "Modbus/TCP: role, device identification",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 502;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == PORT || packet.destination_port == PORT) && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    let is_server = stream.packet.source_port == PORT;
    readings.text(Field::ModbusRole, if is_server { "server" } else { "client" });
    if is_server {
        for (name, text) in parser::identification(stream.bytes) {
            readings.text(Field::ModbusObject, &format!("{name}={}", clean(text)));
        }
    }
    Verdict::Message
}
