//! OPC UA over TCP: the role of either side, and how a server describes itself to those who look for its endpoints.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};
use parser::Kind;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "opcua",
    description: "OPC UA: role, application and product of a server",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

/// A description that is longer is read as far as it goes.
const MAX_MESSAGE: usize = 8 * 1024;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::head(bytes).is_some()
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(head) = parser::head(stream.bytes) else { return Verdict::NotMine };
    match head.kind {
        Kind::Hello => readings.text(Field::OpcuaRole, "client"),
        Kind::Acknowledge => readings.text(Field::OpcuaRole, "server"),
        Kind::Message => {
            if stream.bytes.len() < head.length.min(MAX_MESSAGE) && !stream.last {
                return Verdict::More(head.length.min(MAX_MESSAGE));
            }
            if let Some(application) = parser::application(stream.bytes) {
                readings.text(Field::OpcuaRole, "server");
                readings.bytes(Field::OpcuaApplicationUri, application.uri);
                readings.bytes(Field::OpcuaProductUri, application.product);
                readings.bytes(Field::OpcuaApplicationName, application.name);
            }
        }
        Kind::Other => {}
    }
    Verdict::Message
}
