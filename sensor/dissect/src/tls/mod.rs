//! TLS handshakes: whom a client asks for and how, and what certificate a server shows while it still shows one in
//! clear (up to TLS 1.2).

mod certificate;
pub(crate) mod fingerprint;
pub(crate) mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};
use fingerprint::Transport;
use parser::{ClientHello, Handshake};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tls",
    description: "Transport Layer Security: server name, ALPN, JA3, JA4, certificate subject and names",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let records = parser::records(stream.bytes);
    let mut messages = parser::messages(&records.handshake);
    for message in messages.by_ref() {
        match message {
            Handshake::ClientHello(body) => {
                if let Some(hello) = parser::client_hello(body) {
                    client_hello(&hello, readings);
                }
                return Verdict::Done;
            }
            // from here on the certificate is encrypted
            Handshake::ServerHello { version } => {
                // a reader that is asked again about the same bytes has told it already
                if *stream.mark == 0 {
                    readings.text(Field::TlsVersion, version_name(version));
                }
                *stream.mark = 1;
                if version == parser::TLS13 {
                    return Verdict::Done;
                }
            }
            Handshake::Certificate(body) => {
                leaf(body, readings);
                return Verdict::Done;
            }
            Handshake::Other(_) => {}
        }
    }
    if records.ended || stream.last {
        // what there is of the message that is not whole
        match messages.rest() {
            Some(Handshake::ClientHello(body)) => {
                if let Some(hello) = parser::client_hello(body) {
                    names(&hello, readings);
                }
            }
            Some(Handshake::Certificate(body)) => leaf(body, readings),
            _ => {}
        }
        return Verdict::Done;
    }
    Verdict::More(stream.bytes.len() + messages.missing().max(1))
}

/// All that a client's hello says. Fingerprints need all of it.
fn client_hello(hello: &ClientHello<'_>, readings: &mut Readings<'_>) {
    names(hello, readings);
    if hello.whole {
        readings.text(Field::TlsJa3, &fingerprint::ja3(hello));
        readings.text(Field::TlsJa4, &fingerprint::ja4(hello, Transport::Tcp));
    }
}

fn names(hello: &ClientHello<'_>, readings: &mut Readings<'_>) {
    if let Some(name) = hello.server_name() {
        readings.bytes(Field::TlsSni, name);
    }
    readings.text(Field::TlsAlpn, &offers(hello));
}

/// Empty, which is not given, for what is no version.
fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        parser::TLS13 => "TLS 1.3",
        _ => "",
    }
}

/// ALPN offers joined by commas.
pub(crate) fn offers(hello: &ClientHello<'_>) -> String {
    let offers: Vec<_> =
        hello.alpn().filter(|offer| !fingerprint::is_grease_offer(offer)).map(clean).collect();
    offers.join(",")
}

/// The first certificate is the server's own.
fn leaf(chain: &[u8], readings: &mut Readings<'_>) {
    let Some(certificate) = parser::first_certificate(chain) else { return };
    if let Some(subject) = certificate::subject(certificate) {
        readings.text(Field::TlsCertificate, &subject);
    }
    if let Some(end) = certificate::end_of_validity(certificate) {
        readings.text(Field::TlsExpires, &end);
    }
    for name in certificate::alternative_names(certificate) {
        readings.text(Field::TlsAltName, &name);
    }
}
