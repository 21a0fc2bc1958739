//! "Printer Job Language Technical Reference Manual" (Hewlett-Packard): chapter 7, status readback.

use crate::head::find;

/// Universal exit, which jobs begin with.
const EXIT: &[u8] = b"\x1b%-12345X";
const PREFIX: &[u8] = b"@PJL";
const IDENTITY: &[u8] = b"@PJL INFO ID";
/// What ends an answer.
const END: u8 = 0x0c;

pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(EXIT) || bytes.starts_with(PREFIX)
}

pub(super) fn is_whole(bytes: &[u8]) -> bool {
    bytes.contains(&END)
}

/// The text behind the question for an identification, quoted or bare.
pub(super) fn identity(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.get(find(bytes, IDENTITY)? + IDENTITY.len()..)?.trim_ascii_start();
    let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | &END))?;
    let text = rest.get(..end)?;
    Some(text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use crate::pjl::PROTOCOL;
    use crate::testing::{packet, survives, Said, PEER};
    use crate::Field;

    const ANSWER: &[u8] = b"@PJL INFO ID\r\n\"HP LASERJET 4100 SERIES\"\r\n\x0c";

    fn from_printer(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 9100;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_printer_says_what_it_is() {
        assert_eq!(from_printer(ANSWER).pairs(), [(Field::PjlIdentity, "HP LASERJET 4100 SERIES")]);
        let bare = b"@PJL INFO ID\r\nLexmark MS610dn\r\n\x0c";
        assert_eq!(from_printer(bare).pairs(), [(Field::PjlIdentity, "Lexmark MS610dn")]);
    }

    #[test]
    fn a_job_is_sent_to_a_printer() {
        let mut packet = packet(b"\x1b%-12345X@PJL SET COPIES=1\r\n");
        packet.destination_port = 9100;
        let said = Said::in_stream(&PROTOCOL, &packet);
        assert_eq!(said.pairs(), [(Field::PjlServed, "job")]);
        assert_eq!(said.macs(), [PEER.to_string()]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            from_printer(bytes);
        });
    }
}
