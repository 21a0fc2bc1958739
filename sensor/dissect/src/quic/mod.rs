//! QUIC: the client's hello in its first packet, which is encrypted with keys that follow from the packet itself (RFC
//! 9001 section 5.2) and so readable by everybody on the way.
//!
//! One packet is read at a time. A hello that fills more than one gives what stands in the first from its beginning.

mod parser;
mod protection;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::tls::fingerprint::{ja4, Transport};
use crate::tls::offers;
use crate::tls::parser::client_hello;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "quic",
    description: "QUIC: server name, ALPN and JA4 of a client's first packet",
    carriers: &[Carrier::Udp(PORT)],
    message: Some(read),
    stream: None,
};

const PORT: u16 = 443;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    if packet.destination_port != PORT {
        return Outcome::Whole;
    }
    // most are packets of connections that stand, or of versions whose keys are not known
    let Some(initial) = parser::initial(packet.payload) else { return Outcome::Whole };
    let Some(frames) = protection::open(packet.payload, &initial) else { return Outcome::Whole };
    let handshake = parser::handshake(&frames);
    let Some((body, whole)) = parser::hello(&handshake) else { return Outcome::Whole };
    let Some(hello) = client_hello(body) else { return Outcome::Partial };
    if let Some(name) = hello.server_name() {
        readings.bytes(Field::QuicSni, name);
    }
    readings.text(Field::QuicAlpn, &offers(&hello));
    if whole && hello.whole {
        readings.text(Field::QuicJa4, &ja4(&hello, Transport::Quic));
    }
    Outcome::whole_if(whole)
}
