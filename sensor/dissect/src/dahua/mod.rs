//! Dahua discovery: cameras, recorders and door stations that answer a search on the local network.

mod parser;

use crate::json::member;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dahua",
    description: "Dahua discovery: class, model, serial number, version",
    carriers: &[Carrier::Udp(37810)],
    message: Some(read),
    stream: None,
};

/// Members that say what the device is.
const WANTED: &[&str] = &["DeviceClass", "DeviceType", "MachineName", "SerialNo", "Vendor", "Version"];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(json) = parser::device_info(packet.payload) else { return Outcome::NotMine };
    for name in WANTED {
        if let Some(value) = member(json, name) {
            readings.text(Field::DahuaDevice, &format!("{name}={value}"));
        }
    }
    Outcome::whole_if(!packet.truncated)
}
