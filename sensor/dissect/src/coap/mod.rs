//! CoAP: what small things say they offer.

mod parser;

use crate::http::is_local;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "coap",
    description: "Constrained Application Protocol: resources offered, paths asked for",
    carriers: &[Carrier::Udp(5683)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    if message.is_request {
        if !message.path.is_empty() && packet.destination_ip.is_some_and(|ip| is_local(&ip)) {
            readings.about(packet.destination, packet.destination_ip);
            readings.text(Field::CoapServed, &message.path);
        }
    } else {
        for link in parser::links(message.payload) {
            readings.bytes(Field::CoapResource, link);
        }
    }
    Outcome::whole_if(!packet.truncated)
}
