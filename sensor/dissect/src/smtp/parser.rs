//! RFC 5321 section 4.2: code 220 greets.

/// Whether a direction that starts so is this protocol's.
pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(b"220")
}

#[cfg(test)]
mod tests {
    use crate::smtp::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] = b"220 mail ESMTP Postfix (Debian/GNU)\r\n";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 25;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn the_first_line() {
        assert_eq!(said(GREETING).pairs(), [(Field::SmtpBanner, "mail ESMTP Postfix (Debian/GNU)")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
