//! TP-Link's smart home protocol: the system information a plug, switch or bulb gives to whoever asks.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tplink",
    description: "TP-Link smart home: model, name, software and hardware version",
    carriers: &[Carrier::Udp(PORT), Carrier::Tcp(PORT)],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read: read_stream }),
};

const PORT: u16 = 9999;

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if !parser::is_ours(packet.payload) {
        return Outcome::NotMine;
    }
    say(packet.payload, packet, readings);
    Outcome::whole_if(!packet.truncated)
}

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    packet.source_port == PORT && parser::framed(bytes).is_some()
}

fn read_stream(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some((length, body)) = parser::framed(stream.bytes) else { return Verdict::NotMine };
    if body.len() < length && !stream.last {
        return Verdict::More(length + 4);
    }
    say(body, stream.packet, readings);
    Verdict::Message
}

fn say(body: &[u8], packet: &Packet<'_>, readings: &mut Readings<'_>) {
    if packet.source_port != PORT {
        return;
    }
    let text = parser::decode(body);
    for (name, value) in parser::system_information(&text) {
        readings.text(Field::TplinkInfo, &format!("{name}={value}"));
    }
}
