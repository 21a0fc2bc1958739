//! PROFINET DCP: the name, maker and role a device gives when it is looked for, or says when it starts.

mod parser;

use std::net::IpAddr;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::flags;
use crate::{Carrier, Field, Protocol};
use parser::Block;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "profinet",
    description: "PROFINET DCP: name of station, vendor, device id, role",
    carriers: &[Carrier::EtherType(0x8892)],
    message: Some(read),
    stream: None,
};

const ROLES: &[(u32, &str)] =
    &[(0x01, "io_device"), (0x02, "io_controller"), (0x04, "io_multidevice"), (0x08, "io_supervisor")];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    // cyclic data and alarms share the Ethernet type and say nothing about who sends them
    let Some(blocks) = parser::parse(packet.payload) else { return Outcome::Whole };
    if let Some(address) = blocks.iter().find_map(|block| match block {
        Block::Address(address) => Some(*address),
        _ => None,
    }) {
        readings.at(IpAddr::V4(address));
    }
    for block in blocks {
        match block {
            Block::Vendor(text) => readings.bytes(Field::ProfinetVendor, text),
            Block::Station(text) => readings.bytes(Field::ProfinetStation, text),
            Block::Device(vendor, device) => {
                readings.text(Field::ProfinetDevice, &format!("{vendor:04x} {device:04x}"));
            }
            Block::Role(bits) => readings.text(Field::ProfinetRole, &flags(ROLES, bits.into())),
            Block::Address(_) => {}
        }
    }
    Outcome::whole_if(!packet.truncated)
}
