//! RTSP: what a camera's streaming server and a recorder's client call themselves, and how a stream is described.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::head::{head, words, Head};
use crate::http::{is_local, realm};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "rtsp",
    description: "Real-Time Streaming Protocol: server, user agent, realm, path, session description",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

/// A head that is longer is not waited for.
const MAX_HEAD: usize = 4 * 1024;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let head = head(stream.bytes);
    if !head.is_some_and(|head| head.whole) && !stream.last && stream.bytes.len() < MAX_HEAD {
        return Verdict::More(stream.bytes.len() + 1);
    }
    let Some(head) = head else { return Verdict::NotMine };
    let length = head.length.saturating_add(parser::description_length(&head));
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    if parser::is_answer(head.start) {
        answer(&head, stream.bytes.get(head.length..).unwrap_or_default(), readings);
    } else {
        request(&head, stream.packet, readings);
    }
    Verdict::Message
}

fn request(head: &Head<'_>, packet: &Packet<'_>, readings: &mut Readings<'_>) {
    if let Some(agent) = head.get("user-agent") {
        readings.bytes(Field::RtspUserAgent, agent);
    }
    // as with HTTP, what is asked of a remote address is not the router's
    let path = words(head.start).and_then(|(_, target, _)| parser::path(target));
    if let (Some(path), true) = (path, packet.destination_ip.is_some_and(|ip| is_local(&ip))) {
        readings.about(packet.destination, packet.destination_ip);
        readings.bytes(Field::RtspServed, path);
        readings.about(packet.source, packet.source_ip);
    }
}

fn answer(head: &Head<'_>, body: &[u8], readings: &mut Readings<'_>) {
    if let Some(server) = head.get("server") {
        readings.bytes(Field::RtspServer, server);
    }
    if let Some(realm) = head.get("www-authenticate").and_then(realm) {
        readings.bytes(Field::RtspRealm, realm);
    }
    if parser::description_length(head) > 0 {
        for (kind, text) in parser::description(body) {
            readings.text(Field::RtspSession, &format!("{kind}={}", clean(text)));
        }
    }
}
