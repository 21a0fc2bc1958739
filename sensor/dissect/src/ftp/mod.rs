//! FTP: the greeting of a server.

mod parser;

use crate::banner::say_line;
use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ftp",
    description: "File Transfer Protocol: greeting",
    carriers: &[Carrier::Tcp(21)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == 21 && parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    say_line(stream, b"220", Field::FtpBanner, readings)
}
