//! MQTT: the client identifier and user name with which a device connects. The password is never given.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "mqtt",
    description: "MQTT: client identifier and user name of a connection",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    if let Some(length) = parser::length(stream.bytes) {
        if stream.bytes.len() < length && !stream.last {
            return Verdict::More(length);
        }
    }
    let Some(connect) = parser::parse(stream.bytes) else { return Verdict::NotMine };
    readings.bytes(Field::MqttClient, connect.client);
    if let Some(user) = connect.user {
        readings.bytes(Field::MqttUser, user);
    }
    Verdict::Done
}
