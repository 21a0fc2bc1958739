//! Tuya: things that announce themselves on the local network, in clear or encrypted.

mod parser;

use crate::json::member;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Announcement;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "tuya",
    description: "Tuya announcements: protocol version, product key",
    carriers: &[Carrier::Udp(6666), Carrier::Udp(6667)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(announcement) = parser::parse(packet.payload) else { return Outcome::NotMine };
    match announcement {
        Announcement::Encrypted => readings.text(Field::TuyaAnnouncement, "encrypted"),
        Announcement::Plain(json) => {
            readings.text(Field::TuyaAnnouncement, "plain");
            for name in ["version", "productKey"] {
                if let Some(value) = member(json, name) {
                    readings.text(Field::TuyaInfo, &format!("{name}={value}"));
                }
            }
        }
    }
    Outcome::whole_if(!packet.truncated)
}
