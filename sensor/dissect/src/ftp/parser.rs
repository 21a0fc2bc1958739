//! RFC 959 section 5.4: code 220 greets.

/// Whether a direction that starts so is this protocol's.
pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(b"220")
}

/// Whether a client's direction starts with a user name (RFC 959 section 4.1.1).
pub(super) fn logs_in(bytes: &[u8]) -> bool {
    bytes.get(..5).is_some_and(|command| command.eq_ignore_ascii_case(b"USER "))
}

/// Whether the name in this line is one for everybody (RFC 1635).
pub(super) fn is_anonymous(line: &[u8]) -> bool {
    let name = line.get(5..).unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"anonymous") || name.eq_ignore_ascii_case(b"ftp")
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
    fn a_login_without_its_name() {
        for (bytes, expected) in
            [(&b"USER carol\r\nPASS s3cret\r\n"[..], "named"), (b"user anonymous\r\n", "anonymous")]
        {
            let mut packet = packet(bytes);
            packet.destination_port = 21;
            let said = Said::in_stream(&PROTOCOL, &packet);
            assert_eq!(said.pairs(), [(Field::FtpLogin, expected)]);
            assert_eq!(said.macs(), [crate::testing::PEER.to_string()], "it is about the server");
        }
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
