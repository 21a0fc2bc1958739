//! Computer browser announcements over NetBIOS datagrams: host name, Windows version, roles, comment.

mod parser;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::flags;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "browser",
    description: "Computer browser: host name, operating system version, roles",
    carriers: &[Carrier::Udp(138)],
    message: Some(read),
    stream: None,
};

/// Server type bits, [MS-BRWS] and [MS-SRVS] section 2.2.2.7. Those every machine sets say nothing and are not named.
const ROLES: &[(u32, &str)] = &[
    (0x0000_0004, "sql_server"),
    (0x0000_0008, "domain_controller"),
    (0x0000_0010, "backup_controller"),
    (0x0000_0020, "time_source"),
    (0x0000_0040, "afp_server"),
    (0x0000_0080, "novell"),
    (0x0000_0200, "print_server"),
    (0x0000_0400, "dial_in"),
    (0x0000_0800, "unix"),
    (0x0000_1000, "nt_workstation"),
    (0x0000_2000, "windows_for_workgroups"),
    (0x0000_8000, "nt_server"),
    (0x0040_0000, "windows_9x"),
    (0x0100_0000, "cluster"),
    (0x0400_0000, "terminal_server"),
];

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(datagram) = parser::parse(packet.payload) else { return Outcome::NotMine };
    // another address inside is a distribution server's doing, which passes on what others sent
    if packet.source_ip != Some(datagram.source.into()) {
        return Outcome::Whole;
    }
    let announcement = datagram.user_data.and_then(parser::announcement);
    if let Some(host) = announcement.map(|a| a.host) {
        readings.bytes(Field::BrowserHost, host);
    } else if let Some(name) = datagram.source_name.filter(|name| matches!(name.suffix, 0x00 | 0x20)) {
        readings.text(Field::BrowserHost, &name.text);
    }
    if let Some(announcement) = announcement {
        let (major, minor) = announcement.version;
        readings.text(Field::BrowserVersion, &format!("{major}.{minor}"));
        let named = ROLES.iter().fold(0, |all, (bit, _)| all | bit);
        readings.text(Field::BrowserRoles, &flags(ROLES, announcement.roles & named));
        readings.bytes(Field::BrowserComment, announcement.comment);
    }
    Outcome::whole_if(!packet.truncated)
}
