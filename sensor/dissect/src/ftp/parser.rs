//! RFC 959 section 5.4: code 220 greets.

/// Whether a direction that starts so is this protocol's.
pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(b"220")
}

#[cfg(test)]
mod tests {
    use crate::ftp::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] = b"220 NASFTPD Turbo station 1.3.5a Server (ProFTPD)\r\n";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 21;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn the_first_line() {
        assert_eq!(
            said(GREETING).pairs(),
            [(Field::FtpBanner, "NASFTPD Turbo station 1.3.5a Server (ProFTPD)")]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
