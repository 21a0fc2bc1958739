//! Spanning tree: the sender is a bridge, and this is its identifier.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Bpdu;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "stp",
    description: "Spanning Tree Protocol: bridge and root identifiers",
    // the second is Cisco's per VLAN
    carriers: &[Carrier::Llc(0x42), Carrier::Snap([0x00, 0x00, 0x0c], 0x010b)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    match parser::parse(packet.payload) {
        None => Outcome::NotMine,
        Some(Bpdu::TopologyChange) => Outcome::Whole,
        Some(Bpdu::Configuration { version, root, bridge }) => {
            readings.text(Field::StpVersion, &version.to_string());
            readings.text(Field::StpBridge, &bridge.to_string());
            readings.text(Field::StpRoot, &root.to_string());
            Outcome::Whole
        }
    }
}
