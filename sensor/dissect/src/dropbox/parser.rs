//! A JSON object with the member `host_int`. There is no public specification.

/// The version, a list of numbers, with points between them.
pub(super) fn version(json: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"version\":";
    let at = json.windows(NAME.len()).position(|window| window == NAME)?;
    let list = json.get(at + NAME.len()..)?.trim_ascii_start().strip_prefix(b"[")?;
    let list = list.get(..list.iter().position(|b| *b == b']')?)?;
    let numbers: Vec<_> = list.split(|b| *b == b',').map(<[u8]>::trim_ascii).collect();
    let is_number = |part: &&[u8]| !part.is_empty() && part.len() < 4 && part.iter().all(u8::is_ascii_digit);
    numbers.iter().all(is_number).then(|| String::from_utf8_lossy(&numbers.join(&b'.')).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::dropbox::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const BEACON: &[u8] =
        br#"{"host_int": 12345678901234567890, "version": [2, 0], "displayname": "", "port": 17500}"#;

    #[test]
    fn a_computer() {
        assert_eq!(Said::by(&PROTOCOL, BEACON).pairs(), [(Field::DropboxClient, "2.0")]);
        assert!(Said::by(&PROTOCOL, b"{}").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(BEACON, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
