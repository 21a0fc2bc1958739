//! DNS over UDP and TCP: what a device asks for, and what a server answers about others.
//!
//! Names a device asks for tell whose cloud it belongs to. Reverse look-ups say more about who is being looked at than
//! about who asks and give no reading. An answer's reading is about the server that gave it; its value names the other.

pub(crate) mod parser;

use std::net::IpAddr;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::{Data, Entry, Section};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dns",
    description: "Domain Name System: names asked for and answered",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read),
    stream: Some(StreamReader { starts, read: read_stream }),
};

const PORT: u16 = 53;
/// Length of a message's header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// Addresses given out per answer; a long round-robin list says nothing new.
const MAX_ANSWERS: usize = 8;

/// Over TCP two bytes before a message say how long it is (RFC 1035 section 4.2.2, RFC 7766).
fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    let on_port = packet.source_port == PORT || packet.destination_port == PORT;
    on_port && framed(bytes).is_some_and(|(length, rest)| length >= HEADER && parser::parse(rest).is_some())
}

fn read_stream(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some((length, rest)) = framed(stream.bytes) else { return Verdict::NotMine };
    if rest.len() < length && !stream.last {
        return Verdict::More(length + 2);
    }
    let message = rest.get(..length).unwrap_or(rest);
    match read(&Packet { payload: message, ..*stream.packet }, readings) {
        Outcome::NotMine => Verdict::NotMine,
        Outcome::Whole | Outcome::Partial => Verdict::Message,
    }
}

fn framed(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*length).into(), rest))
}

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    if !message.is_query() || message.response != (packet.source_port == PORT) {
        return Outcome::NotMine;
    }
    let mut entries = message.entries();
    // aliases lead from the name asked for to the one that has the address; the reader wants the first
    let mut asked = String::new();
    let mut answers = 0;
    for entry in &mut entries {
        match entry {
            Entry::Question(question) => {
                let Some(name) = message.name(question.name) else { continue };
                if !message.response && !parser::is_reverse(&name) {
                    readings.text(Field::DnsQuery, &name);
                }
                asked = name;
            }
            Entry::Record(record) if record.section == Section::Answer && answers < MAX_ANSWERS => {
                match message.data(&record) {
                    Data::Address(address) => {
                        readings.text(Field::DnsAnswer, &format!("{asked}={address}"));
                        answers += 1;
                    }
                    Data::Pointer(host) => {
                        if let Some(address) = parser::reverse_address(&asked) {
                            readings.text(Field::DnsAnswer, &format!("{host}={address}"));
                            answers += 1;
                        }
                    }
                    _ => {}
                }
            }
            Entry::Record(_) => {}
        }
    }
    Outcome::whole_if(entries.whole())
}

/// `true` for an address that a record may give to a host: not a group, not nothing.
pub(crate) fn is_host(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback()
}
