//! The lower layer protocol (a vertical tab before each message) and the MSH segment of HL7 2.x, chapter 2.

const START: &[u8] = b"\x0bMSH";

/// Fields 3, 4 and 12 of MSH, components and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub application: &'a [u8],
    pub facility: &'a [u8],
    pub version: &'a [u8],
}

pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(START)
}

/// The header segment, which must be whole.
pub(super) fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let segment = bytes.strip_prefix(START)?;
    let end = segment.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
    let segment = segment.get(..end)?;
    // the separator says itself what it is
    let separator = *segment.first()?;
    let mut fields = segment.split(|b| *b == separator);
    // before the first separator stands nothing; field 1 is the separator itself
    let application = fields.nth(2)?;
    let facility = fields.next()?;
    let version = fields.nth(7).unwrap_or_default();
    Some(Header { application, facility, version })
}

#[cfg(test)]
mod tests {
    use crate::flow::Verdict;
    use crate::hl7::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const MESSAGE: &[u8] =
        b"\x0bMSH|^~\\&|GEPULSE|ICU|EMR|HOSP|20240101||ORU^R01|1|P|2.3\rPID|1||secret\r\x1c\r";

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_monitor_reports() {
        assert_eq!(
            said(MESSAGE).pairs(),
            [(Field::Hl7Application, "GEPULSE"), (Field::Hl7Facility, "ICU"), (Field::Hl7Version, "2.3")]
        );
    }

    #[test]
    fn a_cut_header_is_not_read() {
        assert_eq!(said(&MESSAGE[..20]).verdict, Some(Verdict::NotMine));
    }

    #[test]
    fn survives_any_bytes() {
        survives(MESSAGE, |bytes| {
            said(bytes);
        });
    }
}
