//! HSRP: Cisco routers that share an address. Version 2 names the sender's own hardware address, which the frame hides.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "hsrp",
    description: "Hot Standby Router Protocol: group, state, priority",
    carriers: &[Carrier::Udp(1985), Carrier::Udp(2029)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(hello) = parser::parse(packet.payload) else { return Outcome::NotMine };
    if let Some(router) = hello.router {
        readings.about(Some(router), packet.source_ip);
    }
    readings.text(Field::HsrpGroup, &hello.to_string());
    Outcome::whole_if(!packet.truncated)
}
