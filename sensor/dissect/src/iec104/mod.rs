//! IEC 60870-5-104: which side is the controlled station.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "iec104",
    description: "IEC 60870-5-104: role",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 2404;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == PORT || packet.destination_port == PORT) && parser::is_frame(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let is_station = stream.packet.source_port == PORT;
    readings.text(Field::Iec104Role, if is_station { "controlled" } else { "controlling" });
    Verdict::Done
}
