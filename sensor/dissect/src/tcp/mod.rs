//! TCP: how a system opens a connection, or agrees to one.
//!
//! Window, options and their order are chosen by the system, not by the program, so they tell systems apart when nothing
//! else does. The rest of TCP is not read here: `flow` follows connections, and other protocols read what is in them.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Parsed;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tcp",
    description: "TCP: hop limit, window and options of the segments that open a connection",
    carriers: &[Carrier::TcpOpening],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(hop_limit) = packet.hop_limit else { return Outcome::NotMine };
    match parser::parse(packet.payload, hop_limit) {
        Parsed::Opening { agreed, text } => {
            readings.text(if agreed { Field::TcpSynAck } else { Field::TcpSyn }, &text);
            Outcome::Whole
        }
        // half a list of options would look like that of another system
        Parsed::CutShort => Outcome::Partial,
        Parsed::Nonsense => Outcome::NotMine,
    }
}
