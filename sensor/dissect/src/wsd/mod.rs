//! WS-Discovery, with what ONVIF cameras, printers and Windows machines put into it; and the descriptions that such
//! devices give over HTTP when somebody asks (WS-MetadataExchange, ONVIF GetDeviceInformation).

mod parser;

use crate::markup::{elements, unescape};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Action;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "wsd",
    description: "WS-Discovery and ONVIF: types, scopes, addresses, device information",
    carriers: &[Carrier::Udp(3702), Carrier::Within("http")],
    message: Some(read),
    stream: None,
};

/// Elements looked at in one message: more than a list of every device on a link needs.
const MAX_ELEMENTS: usize = 256;
/// Words of one list given out.
const MAX_WORDS: usize = 32;
/// Elements of a description that are given out.
const DESCRIPTION: &[&str] = &[
    "Manufacturer",
    "ManufacturerUrl",
    "ModelName",
    "ModelNumber",
    "Model",
    "FriendlyName",
    "FirmwareVersion",
    "SerialNumber",
    "HardwareId",
];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(action) = parser::action(packet.payload) else { return Outcome::NotMine };
    for element in elements(packet.payload).take(MAX_ELEMENTS) {
        let text = unescape(element.text);
        let words = || text.split_ascii_whitespace().take(MAX_WORDS);
        match (action, element.name) {
            (Action::Announcement, "Types") => {
                words().for_each(|word| readings.text(Field::WsdType, parser::local(word)));
            }
            (Action::Announcement, "Scopes") => words().for_each(|word| readings.text(Field::WsdScope, word)),
            (Action::Announcement, "XAddrs") => {
                words().for_each(|word| readings.text(Field::WsdAddress, word))
            }
            (Action::Announcement, "Address") if text.trim_start().starts_with("urn:") => {
                readings.text(Field::WsdEndpoint, text.trim());
            }
            (Action::Search, "Types") => {
                words().for_each(|word| readings.text(Field::WsdSearch, parser::local(word)));
            }
            _ => {}
        }
    }
    Outcome::whole_if(!packet.truncated)
}

/// Reads a description out of the body of an HTTP answer. Answers whether it was one.
pub(crate) fn read_description(body: &[u8], readings: &mut Readings<'_>) -> bool {
    if !parser::is_description(body) {
        return false;
    }
    readings.found_inside(PROTOCOL.name);
    for element in elements(body).filter(|element| DESCRIPTION.contains(&element.name)).take(MAX_WORDS) {
        let text = unescape(element.text);
        if !text.trim().is_empty() {
            readings.text(Field::WsdDevice, &format!("{}={}", element.name, text.trim()));
        }
    }
    true
}
