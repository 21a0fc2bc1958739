//! PJL: what a printer answers on its raw port, and that jobs are sent to one.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::http::is_local;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "pjl",
    description: "Printer Job Language: identification of a printer",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 9100;
/// An identification that is longer is not waited for.
const MAX_ANSWER: usize = 1024;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == PORT || packet.destination_port == PORT) && parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let packet = stream.packet;
    if packet.source_port != PORT {
        if packet.destination_ip.is_some_and(|ip| is_local(&ip)) {
            readings.about(packet.destination, packet.destination_ip);
            readings.text(Field::PjlServed, "job");
        }
        return Verdict::Done;
    }
    if !parser::is_whole(stream.bytes) && !stream.last && stream.bytes.len() < MAX_ANSWER {
        return Verdict::More(stream.bytes.len() + 1);
    }
    if let Some(identity) = parser::identity(stream.bytes) {
        readings.bytes(Field::PjlIdentity, identity);
    }
    Verdict::Message
}
