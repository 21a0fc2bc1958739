//! RFC 854: commands begin with 255; WILL, WONT, DO and DONT have an option, a subnegotiation runs to its end.

use crate::cursor::Cursor;

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
const WILL: u8 = 251;
const DONT: u8 = 254;

/// Whether a direction begins with a negotiation.
pub(super) fn starts(bytes: &[u8]) -> bool {
    matches!(bytes, [IAC, SB..=DONT, ..])
}

/// What is left without commands, without the blanks around it.
pub(super) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(bytes);
    let mut out = Vec::new();
    while let Some(byte) = cursor.u8() {
        if byte != IAC {
            out.push(byte);
            continue;
        }
        match cursor.u8() {
            Some(IAC) => out.push(IAC),
            Some(WILL..=DONT) => {
                cursor.u8();
            }
            Some(SB) => {
                let mut before = 0;
                while let Some(byte) = cursor.u8() {
                    if (before, byte) == (IAC, SE) {
                        break;
                    }
                    before = byte;
                }
            }
            Some(_) | None => {}
        }
    }
    let is_outer = |b: &u8| b.is_ascii_whitespace() || *b == 0;
    let end = out.iter().rposition(|b| !is_outer(b)).map_or(0, |last| last + 1);
    out.truncate(end);
    let start = out.iter().position(|b| !is_outer(b)).unwrap_or(0);
    out.drain(..start);
    out
}

#[cfg(test)]
mod tests {
    use crate::flow::Verdict;
    use crate::telnet::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] =
        b"\xff\xfd\x18\xff\xfb\x01\xff\xfa\x18\x01\xff\xf0\r\nBCM96338 ADSL Router\r\nLogin: ";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 23;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn the_first_text() {
        assert_eq!(said(GREETING).pairs(), [(Field::TelnetBanner, "BCM96338 ADSL Router Login:")]);
        assert_eq!(said(&GREETING[..6]).verdict, Some(Verdict::Done));
    }

    #[test]
    fn text_from_the_middle_is_private() {
        assert_eq!(said(b"cat secret\r\n").verdict, None);
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
