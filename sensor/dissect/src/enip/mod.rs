//! EtherNet/IP: the identity a device gives to ListIdentity.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Identity;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "enip",
    description: "EtherNet/IP ListIdentity: vendor, device type, product, revision, serial number",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read: read_stream }),
};

const PORT: u16 = 44818;

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if parser::length(packet.payload).is_none() {
        return Outcome::NotMine;
    }
    if let Some(identity) = parser::identity(packet.payload) {
        say(&identity, readings);
    }
    Outcome::whole_if(!packet.truncated)
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::length(bytes).is_some()
}

fn read_stream(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    readings.text(Field::EnipRole, "server");
    if let Some(identity) = parser::identity(stream.bytes) {
        say(&identity, readings);
    }
    Verdict::Message
}

fn say(identity: &Identity<'_>, readings: &mut Readings<'_>) {
    readings.text(Field::EnipVendor, &identity.vendor.to_string());
    readings.text(Field::EnipType, &identity.device_type.to_string());
    readings.text(Field::EnipCode, &identity.product_code.to_string());
    let (major, minor) = identity.revision;
    readings.text(Field::EnipRevision, &format!("{major}.{minor}"));
    readings.text(Field::EnipSerial, &format!("{:08x}", identity.serial));
    readings.bytes(Field::EnipProduct, identity.product);
}
