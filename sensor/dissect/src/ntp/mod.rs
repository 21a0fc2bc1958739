//! NTP: who asks for the time, and who gives it.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Carrier, Field, Protocol};
use parser::Mode;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ntp",
    description: "Network Time Protocol: clients and servers",
    carriers: &[Carrier::Udp(123)],
    message: Some(read),
    stream: None,
};

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(message) = parser::parse(packet.payload) else { return Outcome::NotMine };
    match message.mode {
        Mode::Client => readings.text(Field::NtpClient, &message.version.to_string()),
        // stratum 0 is a refusal
        Mode::Server if message.stratum > 0 => {
            readings.text(Field::NtpServer, &format!("{} {}", message.version, message.stratum));
        }
        Mode::Server | Mode::Other => {}
    }
    Outcome::Whole
}
