//! Hikvision SADP: cameras and recorders that answer a search on the local network.

mod parser;

use crate::markup::{elements, unescape};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "sadp",
    description: "Hikvision SADP: model, serial number, software",
    carriers: &[Carrier::Udp(37020)],
    message: Some(read),
    stream: None,
};

/// Elements that say what the device is.
const WANTED: &[&str] = &["DeviceDescription", "DeviceSN", "SoftwareVersion", "OEMInfo", "DeviceName"];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if !parser::is_answer(packet.payload) {
        return Outcome::NotMine;
    }
    for element in elements(packet.payload).filter(|e| WANTED.contains(&e.name)).take(WANTED.len()) {
        readings.text(Field::SadpDevice, &format!("{}={}", element.name, unescape(element.text).trim()));
    }
    Outcome::whole_if(!packet.truncated)
}
