//! IPP: the attributes a printer gives, inside HTTP answers.

mod parser;

use crate::readings::Readings;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ipp",
    description: "Internet Printing Protocol: make and model, device identifier, firmware of printers",
    carriers: &[Carrier::Within("http")],
    message: None,
    stream: None,
};

/// Reads an answer, or as much as there is of one. Answers whether it was one.
pub(crate) fn read(body: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(attributes) = parser::parse(body) else { return false };
    readings.found_inside(PROTOCOL.name);
    for (name, value) in attributes {
        readings.text(Field::IppAttribute, &format!("{name}={}", clean(value)));
    }
    true
}
