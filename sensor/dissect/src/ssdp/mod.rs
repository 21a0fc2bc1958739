//! SSDP: what a device announces to control points, and what control points look for.
//!
//! UPnP Device Architecture 2.0 section 1. The readings of an announcement are about its sender; `USER-AGENT` of a
//! search describes the one who searches.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::clean;
use crate::{Carrier, Field, Protocol};
use parser::Kind;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ssdp",
    description: "Simple Service Discovery Protocol of UPnP: server, type, location",
    // the second is Yeelight's
    carriers: &[Carrier::Udp(1900), Carrier::Udp(1982)],
    message: Some(read),
    stream: None,
};

/// Headers that say nothing about the product. Lower case.
const PLUMBING: &[&str] = &[
    "host",
    "cache-control",
    "nts",
    "ext",
    "date",
    "opt",
    "01-nls",
    "content-length",
    "content-type",
    "connection",
    "man",
    "mx",
    "bootid.upnp.org",
    "nextbootid.upnp.org",
    "configid.upnp.org",
    "searchport.upnp.org",
    "al",
];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some((kind, head)) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for (name, value) in head.headers() {
        let lower = name.to_ascii_lowercase();
        match (kind, lower.as_slice()) {
            (Kind::Search, b"user-agent") => readings.bytes(Field::SsdpUserAgent, value),
            (Kind::Search, b"st") => readings.bytes(Field::SsdpSearch, value),
            (Kind::Search, _) => {}
            (Kind::Announcement, b"server") => readings.bytes(Field::SsdpServer, value),
            (Kind::Announcement, b"nt" | b"st") => readings.bytes(Field::SsdpType, value),
            (Kind::Announcement, b"usn") => readings.bytes(Field::SsdpUsn, value),
            (Kind::Announcement, b"location") => readings.bytes(Field::SsdpLocation, value),
            (Kind::Announcement, other) => {
                if !value.is_empty() && !PLUMBING.iter().any(|plain| plain.as_bytes() == other) {
                    readings.text(Field::SsdpHeader, &format!("{}: {}", clean(name), clean(value)));
                }
            }
        }
    }
    Outcome::whole_if(head.whole && !packet.truncated)
}
