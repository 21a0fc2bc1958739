//! Beckhoff ADS: name and version of TwinCAT controllers, from their discovery and from read-device-info.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ads",
    description: "Beckhoff ADS: device name, host name, TwinCAT version",
    carriers: &[Carrier::Tcp(PORT), Carrier::Within("hiflying")],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 48898;

/// Reads a discovery answer over UDP. Answers whether it was one.
pub(crate) fn read_discovery(bytes: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(answer) = parser::discovery(bytes) else { return false };
    readings.found_inside(PROTOCOL.name);
    if let Some(host) = answer.host {
        readings.bytes(Field::AdsHost, host);
    }
    if let Some(version) = answer.version {
        readings.text(Field::AdsVersion, &version);
    }
    true
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::length(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    if let Some((name, version)) = parser::device_info(stream.bytes) {
        readings.bytes(Field::AdsDevice, name);
        readings.text(Field::AdsVersion, &version);
    }
    Verdict::Message
}
