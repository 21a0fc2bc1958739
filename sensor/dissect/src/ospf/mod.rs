//! OSPF: routers among each other.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ospf",
    description: "Open Shortest Path First: router identifier",
    carriers: &[Carrier::Ip(89)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(router) = parser::router(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::OspfRouter, &router.to_string());
    Outcome::whole_if(!packet.truncated)
}
