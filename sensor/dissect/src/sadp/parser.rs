//! XML documents `Probe` and `ProbeMatch`. There is no public specification; the elements are those of the answers.

use crate::head::find;

const ANSWER: &[u8] = b"<probematch";

/// Whether a device answers; a search is a `Probe`.
pub(super) fn is_answer(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<") && find(bytes, ANSWER).is_some()
}

#[cfg(test)]
mod tests {
    use crate::sadp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const ANSWER: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ProbeMatch>\n<Uuid>1</Uuid>\n<Types>inquiry</Types>\n<DeviceType>140001</DeviceType>\n<DeviceDescription>DS-2CD2032-I</DeviceDescription>\n<DeviceSN>DS-2CD2032-I20140101CCWR000000001</DeviceSN>\n<SoftwareVersion>V5.2.0build 140721</SoftwareVersion>\n</ProbeMatch>";

    #[test]
    fn a_camera_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, ANSWER).all(Field::SadpDevice),
            [
                "DeviceDescription=DS-2CD2032-I",
                "DeviceSN=DS-2CD2032-I20140101CCWR000000001",
                "SoftwareVersion=V5.2.0build 140721",
            ]
        );
        let search = b"<?xml version=\"1.0\"?><Probe><Types>inquiry</Types></Probe>";
        assert!(Said::by(&PROTOCOL, search).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
