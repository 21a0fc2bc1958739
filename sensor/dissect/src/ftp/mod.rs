//! FTP: the greeting of a server, and that somebody logs in to it in clear (who, and with what, is not given).

mod parser;

use crate::banner::{line, say_line};
use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "ftp",
    description: "File Transfer Protocol: greeting, log-in in clear",
    carriers: &[Carrier::Tcp(PORT)],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

const PORT: u16 = 21;
/// Longest user name waited for, with its command.
const MAX_LOGIN: usize = 256;

fn starts(bytes: &[u8], packet: &Packet<'_>) -> bool {
    (packet.source_port == PORT && parser::starts(bytes))
        || (packet.destination_port == PORT && parser::logs_in(bytes))
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    if stream.packet.destination_port == PORT {
        return login(stream, readings);
    }
    say_line(stream, b"220", Field::FtpBanner, readings)
}

fn login(stream: &Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(line) = line(stream.bytes) else {
        let give_up = stream.last || stream.bytes.len() >= MAX_LOGIN;
        return if give_up { Verdict::Done } else { Verdict::More(stream.bytes.len() + 1) };
    };
    readings.about(stream.packet.destination, stream.packet.destination_ip);
    readings.text(Field::FtpLogin, if parser::is_anonymous(line) { "anonymous" } else { "named" });
    Verdict::Done
}
