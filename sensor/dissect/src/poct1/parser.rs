//! CLSI POCT1-A2, appendix B: the message HEL.R01, an XML document whose elements have their values in the attribute `V`.

use crate::head::find;

const GREETING: &[u8] = b"<hel.r01";
const GREETING_END: &[u8] = b"</hel.r01>";
/// Elements of the object DEV that say what the device is.
const WANTED: &[&str] = &[
    "device_id",
    "vendor_id",
    "model_id",
    "serial_id",
    "manufacturer_name",
    "hw_version",
    "sw_version",
    "device_name",
];
/// Bytes in which the document's name must come.
const SEARCHED: usize = 256;

pub(super) fn starts(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(b"<") && find(bytes.get(..SEARCHED).unwrap_or(bytes), GREETING).is_some()
}

pub(super) fn is_whole(bytes: &[u8]) -> bool {
    find(bytes, GREETING_END).is_some()
}

pub(super) fn greeting(bytes: &[u8]) -> Option<impl Iterator<Item = (&'static str, &[u8])>> {
    starts(bytes).then(|| WANTED.iter().filter_map(move |name| Some((*name, value(bytes, name)?))))
}

/// The attribute `V` of the element `DEV.name`.
fn value<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let tag = format!("<DEV.{name} ");
    let rest = bytes.get(find(bytes, tag.as_bytes())? + tag.len()..)?;
    let rest = rest.get(..rest.iter().position(|b| *b == b'>')?)?;
    let value = rest.get(find(rest, b"v=\"")? + 3..)?;
    let value = value.get(..value.iter().position(|b| *b == b'"')?)?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::poct1::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?><HEL.R01><HDR><HDR.message_type V="HEL.R01"/></HDR><DEV><DEV.device_id V="00-11-22-33-44-55"/><DEV.vendor_id V="ACME"/><DEV.model_id V="GlucoCheck 2"/><DEV.serial_id V="G2-1234"/><DEV.sw_version V="3.1"/></DEV></HEL.R01>"#;

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn an_analyser_introduces_itself() {
        assert_eq!(
            said(GREETING).all(Field::Poct1Device),
            [
                "device_id=00-11-22-33-44-55",
                "vendor_id=ACME",
                "model_id=GlucoCheck 2",
                "serial_id=G2-1234",
                "sw_version=3.1",
            ]
        );
        assert!(said(b"<?xml version=\"1.0\"?><OBS.R01><PT.name V=\"x\"/></OBS.R01>").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
