//! SSH: the identification line of a server or a client, on any port.

mod parser;

use crate::banner::say_line;
use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ssh",
    description: "Secure Shell: identification line",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    say_line(stream, b"", Field::SshBanner, readings)
}
