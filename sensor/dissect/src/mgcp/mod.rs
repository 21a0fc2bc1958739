//! MGCP: telephone gateways and the call agents that lead them.

mod parser;

use crate::http::is_local;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "mgcp",
    description: "Media Gateway Control Protocol: role and endpoint of a gateway",
    carriers: &[Carrier::Udp(2427), Carrier::Udp(2727)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(command) = parser::parse(packet.payload) else { return Outcome::NotMine };
    if command.from_gateway {
        readings.text(Field::MgcpRole, "gateway");
        readings.bytes(Field::MgcpEndpoint, command.endpoint);
    } else {
        readings.text(Field::MgcpRole, "agent");
        if packet.destination_ip.is_some_and(|ip| is_local(&ip)) {
            readings.about(packet.destination, packet.destination_ip);
            readings.text(Field::MgcpRole, "gateway");
        }
    }
    Outcome::whole_if(!packet.truncated)
}
