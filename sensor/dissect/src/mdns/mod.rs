//! Multicast DNS and DNS service discovery: what a device calls itself and which services it offers.
//!
//! Only records that the sender publishes count: all of a response, and the authority section of a probe (RFC 6762
//! section 8.2). The answers of a query are what the asker already knows about others. A goodbye (lifetime 0) says
//! nothing new. A record that gives an address is about the sender at that address; a reflector that repeats others'
//! records is for the inventory to recognise.

mod parser;

use std::net::IpAddr;

use crate::dns::is_host;
use crate::dns::parser::{parse, reverse_address, Data, Entry, Message, Record, Section, TYPE_HINFO};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};
use parser::{local, offered};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "mdns",
    description: "Multicast DNS and DNS-SD: host names, offered services and their TXT records",
    carriers: &[Carrier::Udp(5353)],
    message: Some(read),
    stream: None,
};

/// Strings given out of one TXT record; printers have some thirty.
const MAX_STRINGS: usize = 64;
/// Lists the service types themselves (RFC 6763 section 9).
const META_QUERY: &str = "_services._dns-sd._udp";

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parse(packet.payload) else { return Outcome::NotMine };
    if !message.is_query() {
        return Outcome::NotMine;
    }
    let mut entries = message.entries();
    for entry in &mut entries {
        match entry {
            Entry::Question(question) if !message.response => {
                if let Some(name) = message.name(question.name) {
                    readings.text(Field::MdnsQuery, local(&name));
                }
            }
            Entry::Record(record)
                if record.ttl > 0 && (message.response || record.section == Section::Authority) =>
            {
                owned(&message, &record, packet.source_ip, readings);
            }
            _ => {}
        }
    }
    Outcome::whole_if(entries.whole())
}

/// A record the sender publishes.
fn owned(message: &Message<'_>, record: &Record<'_>, sender: Option<IpAddr>, readings: &mut Readings<'_>) {
    let data = message.data(record);
    if data == Data::Other {
        return;
    }
    let Some(name) = message.name(record.name) else { return };
    let name = local(&name);
    match data {
        Data::Pointer(target) => {
            let target = local(&target);
            if let Some(address) = reverse_address(name) {
                readings.at(address);
                readings.text(Field::MdnsHostname, target);
                if let Some(sender) = sender {
                    readings.at(sender);
                }
            } else if name == META_QUERY {
                readings.text(Field::MdnsService, target);
            } else if let Some((_, service)) = offered(target) {
                readings.text(Field::MdnsService, service);
                readings.text(Field::MdnsInstance, target);
            }
        }
        Data::Service(target) => {
            if offered(name).is_some() {
                readings.text(Field::MdnsInstance, name);
            }
            readings.text(Field::MdnsHostname, local(&target));
        }
        Data::Strings(strings) if record.kind == TYPE_HINFO => {
            let words: Vec<_> = strings.take(2).map(clean).collect();
            readings.text(Field::MdnsHostInfo, &words.join(" "));
        }
        Data::Strings(strings) => {
            let Some((_, service)) = offered(name) else { return };
            for string in strings.filter(|string| !string.is_empty()).take(MAX_STRINGS) {
                readings.text(Field::MdnsTxt, &format!("{service} {}", clean(string)));
            }
        }
        Data::Address(address) => {
            if is_host(&address) {
                readings.at(address);
                readings.text(Field::MdnsHostname, name);
                if let Some(sender) = sender {
                    readings.at(sender);
                }
            }
        }
        Data::Other => {}
    }
}
