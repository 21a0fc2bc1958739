//! TFTP: the file a device asks for when it starts, which often says what it is.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tftp",
    description: "Trivial File Transfer Protocol: file asked for",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 69;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.destination_port != PORT {
        return Outcome::NotMine;
    }
    let Some(file) = parser::file(packet.payload) else { return Outcome::NotMine };
    readings.bytes(Field::TftpFile, file);
    Outcome::whole_if(!packet.truncated)
}
