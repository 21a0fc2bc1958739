//! WiZ: lamps and plugs that report to the app over the local network.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "wiz",
    description: "WiZ: module, firmware, events of lamps",
    carriers: &[Carrier::Udp(38899), Carrier::Udp(38900)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(event) = parser::parse(packet.payload) else { return Outcome::NotMine };
    readings.text(Field::WizEvent, &event.method);
    if let Some(module) = event.module {
        readings.text(Field::WizModule, &module);
    }
    if let Some(firmware) = event.firmware {
        readings.text(Field::WizFirmware, &firmware);
    }
    Outcome::whole_if(!packet.truncated)
}
