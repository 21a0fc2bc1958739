//! Cisco Discovery Protocol: what Cisco's gear, and what imitates it, says about itself.

mod parser;

use std::net::IpAddr;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::flags;
use crate::{Carrier, Field, Protocol};
use parser::Tlv;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "cdp",
    description: "Cisco Discovery Protocol: device id, platform, software version, capabilities",
    // the second is how some gear writes it over Ethernet II
    carriers: &[Carrier::Snap([0x00, 0x00, 0x0c], 0x2000), Carrier::EtherType(0x2000)],
    message: Some(read),
    stream: None,
};

/// Capability bits of TLV 4.
const CAPABILITIES: &[(u32, &str)] = &[
    (0x001, "router"),
    (0x002, "bridge"),
    (0x004, "bridge_source_route"),
    (0x008, "switch"),
    (0x010, "host"),
    (0x020, "igmp"),
    (0x040, "repeater"),
    (0x080, "phone"),
    (0x100, "remote"),
];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(mut tlvs) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for tlv in &mut tlvs {
        match tlv {
            Tlv::Device(text) => readings.bytes(Field::CdpDevice, text),
            Tlv::Port(text) => readings.bytes(Field::CdpPort, text),
            Tlv::Platform(text) => readings.bytes(Field::CdpPlatform, text),
            Tlv::Version(text) => readings.bytes(Field::CdpVersion, text),
            Tlv::Capabilities(bits) => readings.text(Field::CdpCapabilities, &flags(CAPABILITIES, bits)),
            Tlv::Addresses(list) => parser::addresses(list)
                .filter(|ip: &IpAddr| !ip.is_unspecified())
                .for_each(|ip| readings.text(Field::CdpAddress, &ip.to_string())),
            Tlv::Other => {}
        }
    }
    Outcome::whole_if(tlvs.whole())
}
