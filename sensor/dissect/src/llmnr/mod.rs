//! Link-local multicast name resolution: names a device owns and asks for. Messages are those of DNS (RFC 4795 section
//! 2.1), and read by its parser.

mod parser;

use crate::dns::parser::{parse, Data, Entry, Section};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "llmnr",
    description: "Link-Local Multicast Name Resolution: host names",
    carriers: &[Carrier::Udp(5355)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parse(packet.payload).filter(|message| message.is_query()) else {
        return Outcome::NotMine;
    };
    let mut entries = message.entries();
    for entry in &mut entries {
        match entry {
            Entry::Question(question) if !message.response => {
                if let Some(name) = message.name(question.name) {
                    readings.text(Field::LlmnrQuery, &name);
                }
            }
            Entry::Record(record) if message.response && record.section == Section::Answer => {
                if let (Data::Address(_), Some(name)) = (message.data(&record), message.name(record.name)) {
                    readings.text(Field::LlmnrName, parser::host(&name));
                }
            }
            _ => {}
        }
    }
    Outcome::whole_if(entries.whole())
}
