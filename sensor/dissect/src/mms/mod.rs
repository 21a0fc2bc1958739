//! MMS of IEC 61850: the role of a protection or bay device and what it answers to `identify`. It shares its port, and the
//! layers below, with S7 communication, which hands over what is not its own.

mod parser;

use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "mms",
    description: "Manufacturing Message Specification (IEC 61850): role, vendor, model, revision",
    carriers: &[Carrier::Within("s7")],
    message: None,
    stream: None,
};

/// Reads one data unit of a server, as it stands in its TPKT. Answers whether it was one.
pub(crate) fn read(bytes: &[u8], readings: &mut Readings<'_>) -> bool {
    if !parser::is_session(bytes) {
        return false;
    }
    readings.found_inside(PROTOCOL.name);
    readings.text(Field::MmsRole, "server");
    if let Some(identity) = parser::identity(bytes) {
        readings.bytes(Field::MmsVendor, identity.vendor);
        readings.bytes(Field::MmsModel, identity.model);
        readings.bytes(Field::MmsRevision, identity.revision);
    }
    true
}
