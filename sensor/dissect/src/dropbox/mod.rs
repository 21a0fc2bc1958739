//! Dropbox LAN sync: only computers run it.

mod parser;

use crate::json::member;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dropbox",
    description: "Dropbox LAN sync: version",
    carriers: &[Carrier::Udp(17500)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if !packet.payload.starts_with(b"{") || member(packet.payload, "host_int").is_none() {
        return Outcome::NotMine;
    }
    readings.text(Field::DropboxClient, parser::version(packet.payload).as_deref().unwrap_or("unknown"));
    Outcome::whole_if(!packet.truncated)
}
