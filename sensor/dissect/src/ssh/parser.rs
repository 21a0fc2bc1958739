//! RFC 4253 section 4.2.

/// Whether a direction that starts so is this protocol's.
pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SSH-")
}

#[cfg(test)]
mod tests {
    use crate::ssh::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] = b"SSH-2.0-dropbear_2019.78\r\n\0\0\x01";

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn the_first_line() {
        assert_eq!(said(GREETING).pairs(), [(Field::SshBanner, "SSH-2.0-dropbear_2019.78")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
