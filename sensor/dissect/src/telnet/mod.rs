//! Telnet: the first text of a server, which often names the machine before it asks who is there.
//!
//! Only a connection that is seen from its beginning is read, told by the negotiation it starts with: later text may be
//! anything a person works with.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "telnet",
    description: "Telnet: first text of a server",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 23;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let text = parser::text(stream.bytes);
    if text.is_empty() {
        return if stream.last { Verdict::Done } else { Verdict::More(stream.bytes.len() + 1) };
    }
    readings.bytes(Field::TelnetBanner, &text);
    Verdict::Done
}
