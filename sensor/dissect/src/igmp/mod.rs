//! IGMP: the IPv4 groups a device listens to, some of which only one kind of thing does, and who asks.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Message;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "igmp",
    description: "IGMP: groups joined, querier",
    carriers: &[Carrier::Ip(2)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    match message {
        Message::Query => readings.text(Field::IgmpQuerier, "query"),
        Message::Join(groups) => {
            for group in groups {
                readings.text(Field::IgmpGroup, &group.to_string());
            }
        }
        Message::Leave => {}
    }
    Outcome::whole_if(!packet.truncated)
}
