//! NetBIOS name service: the names a device registers, refreshes or answers for.
//!
//! An answer whose address is not its sender's comes from a name server and is about somebody else: no reading.

pub(crate) mod parser;

use std::net::IpAddr;

use crate::dns::parser::{parse, Entry, Section};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::{addresses, decode, statuses, Name, GROUP};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "nbns",
    description: "NetBIOS name service: computer, user and group names",
    carriers: &[Carrier::Udp(137)],
    message: Some(read),
    stream: None,
};

/// RFC 1002 section 4.2.1.1.
const QUERY: u8 = 0;
const REGISTRATION: u8 = 5;
const REFRESH: u8 = 8;
/// What some systems send instead.
const REFRESH_OTHER: u8 = 9;
const MULTIHOMED_REGISTRATION: u8 = 15;
const TYPE_NB: u16 = 0x20;
const TYPE_STATUS: u16 = 0x21;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parse(packet.payload) else { return Outcome::NotMine };
    let claims = match (message.response, message.opcode) {
        (false, REGISTRATION | REFRESH | REFRESH_OTHER | MULTIHOMED_REGISTRATION) => Section::Additional,
        (true, QUERY) => Section::Answer,
        // what is asked for says nothing about who asks, and what a name server grants nothing about itself
        (false, _) | (true, _) => return Outcome::Whole,
    };
    let mut entries = message.entries();
    for entry in &mut entries {
        let Entry::Record(record) = entry else { continue };
        if record.section != claims {
            continue;
        }
        match record.kind {
            TYPE_NB => {
                let Some(name) = message.name(record.name).and_then(|name| decode(name.as_bytes())) else {
                    continue;
                };
                let own = |(_, address): &(u16, _)| packet.source_ip == Some(IpAddr::V4(*address));
                if let Some((flags, _)) = addresses(record.data).find(own) {
                    say(&name, flags & GROUP != 0, readings);
                }
            }
            TYPE_STATUS => {
                statuses(record.data).for_each(|(name, flags)| say(&name, flags & GROUP != 0, readings))
            }
            _ => {}
        }
    }
    Outcome::whole_if(entries.whole())
}

fn say(name: &Name, group: bool, readings: &mut Readings<'_>) {
    let group = if group { " group" } else { "" };
    readings.text(Field::NbnsName, &format!("{}<{:02X}>{group}", name.text, name.suffix));
}
