//! UPnP device descriptions, read when somebody fetches one over HTTP.
//!
//! UPnP Device Architecture 2.0 section 2.3. Only the root device is read: embedded ones describe parts. Besides the
//! standard's elements those whose name speaks of a firmware, software or hardware version or of a model are given,
//! which vendors add under names of their own.

mod parser;

use crate::markup::{elements, unescape};
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "upnp",
    description: "UPnP device description: manufacturer, model, serial number, name",
    carriers: &[Carrier::Within("http")],
    message: None,
    stream: None,
};

/// Elements given out of one description.
const MAX_ELEMENTS: usize = 32;

/// Reads a description, or as much as there is of one. Answers whether it was one.
pub(crate) fn read(body: &[u8], readings: &mut Readings<'_>) -> bool {
    let Some(device) = parser::root_device(body) else { return false };
    readings.found_inside(PROTOCOL.name);
    let wanted = elements(device).filter(|element| is_wanted(element.name));
    for element in wanted.take(MAX_ELEMENTS) {
        let text = unescape(element.text);
        if !text.trim().is_empty() {
            readings.text(Field::UpnpDevice, &format!("{}={}", element.name, text.trim()));
        }
    }
    true
}

fn is_wanted(name: &str) -> bool {
    const STANDARD: &[&str] = &[
        "deviceType",
        "friendlyName",
        "manufacturer",
        "manufacturerURL",
        "modelDescription",
        "modelName",
        "modelNumber",
        "modelURL",
        "serialNumber",
        "UDN",
        "UPC",
    ];
    let lower = || name.to_ascii_lowercase();
    STANDARD.contains(&name)
        || ["firmware", "swversion", "softwareversion", "hardwareversion", "model", "roomname", "macaddress"]
            .iter()
            .any(|part| lower().contains(part))
}
