//! RFC 5905 section 7.3, the first two bytes; control (6) and private (7) messages are known but not read.

/// The header without extensions.
const HEADER_BYTES: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Client,
    /// Answers, and broadcasts.
    Server,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ntp {
    pub version: u8,
    pub mode: Mode,
    pub stratum: u8,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Ntp> {
    let [first, stratum, ..] = bytes else { return None };
    let version = first >> 3 & 7;
    let mode = match first & 7 {
        3 => Mode::Client,
        4 | 5 => Mode::Server,
        1 | 2 | 6 | 7 => Mode::Other,
        _ => return None,
    };
    let long_enough = bytes.len() >= HEADER_BYTES || mode == Mode::Other;
    ((1..=4).contains(&version) && long_enough).then_some(Ntp { version, mode, stratum: *stratum })
}

#[cfg(test)]
mod tests {
    use crate::ntp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn message(first: u8, stratum: u8) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[0] = first;
        bytes[1] = stratum;
        bytes
    }

    #[test]
    fn who_asks_and_who_answers() {
        assert_eq!(Said::by(&PROTOCOL, &message(0x23, 0)).pairs(), [(Field::NtpClient, "4")]);
        assert_eq!(Said::by(&PROTOCOL, &message(0x1c, 2)).pairs(), [(Field::NtpServer, "3 2")]);
        assert!(Said::by(&PROTOCOL, &message(0x24, 0)).pairs().is_empty());
        assert!(Said::by(&PROTOCOL, &message(0x23, 0)[..40]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&message(0x24, 1), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
