//! SIP: which program speaks, which methods it uses, how it registers, and who keeps the register.
//!
//! A proxy passes on what others say about themselves. Of a message that the sender may not have made itself only the
//! method is given: a request that has been through several hands or was last sent by another address, an answer that
//! neither bears the sender's address as its contact nor is of a kind that nobody passes on.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::{Kind, Message};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "sip",
    description: "Session Initiation Protocol: user agent, server, contact, methods",
    carriers: &[Carrier::Udp(5060), Carrier::Udp(5061), Carrier::AnyTcp],
    message: Some(read_packet),
    stream: Some(StreamReader { starts, read: read_stream }),
};

/// A head that is longer is not waited for.
const MAX_HEAD: usize = 8 * 1024;

/// What only a registrar answers to REGISTER (RFC 3261 section 10.3), or the proxy that guards it: done, who are you
/// (two of them), too short.
const REGISTRAR_CODES: [&[u8]; 4] = [b"200", b"401", b"407", b"423"];

fn read_packet(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if parser::is_keep_alive(packet.payload) {
        return Outcome::Whole;
    }
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    say(&message, packet, readings);
    Outcome::whole_if(message.head.whole)
}

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read_stream(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let message = parser::parse(stream.bytes);
    if !message.as_ref().is_some_and(|m| m.head.whole) && !stream.last && stream.bytes.len() < MAX_HEAD {
        return Verdict::More(stream.bytes.len() + 1);
    }
    let Some(message) = message else { return Verdict::NotMine };
    say(&message, stream.packet, readings);
    Verdict::Message
}

fn say(message: &Message<'_>, packet: &Packet<'_>, readings: &mut Readings<'_>) {
    match message.kind {
        Kind::Request(method) => readings.bytes(Field::SipMethod, method),
        Kind::Answer(_) => readings.text(Field::SipMethod, "status"),
    }
    if !packet.source_ip.is_some_and(|sender| message.is_by(sender)) {
        return;
    }
    let agent = message.head.get("user-agent");
    match message.kind {
        Kind::Request(method) => {
            if let Some(agent) = agent {
                readings.bytes(Field::SipUserAgent, agent);
            }
            if method == b"REGISTER" {
                if let Some(contact) = message.contact() {
                    readings.bytes(Field::SipContact, contact);
                }
            }
        }
        Kind::Answer(code) => {
            if message.answered_method() == Some(b"REGISTER") && REGISTRAR_CODES.contains(&code) {
                readings.bytes(Field::SipRegistrar, code);
            }
            // user agents that answer call themselves by either name
            if let Some(server) = message.head.get("server").or(agent) {
                readings.bytes(Field::SipServer, server);
            }
        }
    }
}
