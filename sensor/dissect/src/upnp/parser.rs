//! Where in a description the root device stands. Its elements are read by `markup`.

use crate::head::find;

/// The root device's part of a description: from `<device>` to the list of embedded devices, or as far as there is.
pub(crate) fn root_device(body: &[u8]) -> Option<&[u8]> {
    let start = body.windows(8).position(|w| w == b"<device>" || w == b"<device ")?;
    let device = body.get(start + 8..)?;
    // the schema's name tells a description from other XML that happens to have a device in it
    find(body.get(..start)?, b"schemas-upnp-org:device")?;
    let end = device.windows(12).position(|w| w == b"<deviceList>").unwrap_or(device.len());
    device.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::Readings;
    use crate::testing::{owned, survives, DEVICE};

    const DESCRIPTION: &[u8] = br#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device>
<deviceType>urn:Belkin:device:insight:1</deviceType>
<friendlyName>Lamp &amp; &#x46;an</friendlyName>
<manufacturer>Belkin International Inc.</manufacturer>
<modelName>Insight</modelName><modelNumber>1.0</modelNumber>
<serialNumber></serialNumber>
<firmwareVersion>WeMo_WW_2.00.8095.PVT-OWRT-Insight</firmwareVersion>
<iconList><icon><mimetype>jpg</mimetype></icon></iconList>
<deviceList><device><friendlyName>part</friendlyName></device></deviceList>
</device></root>"#;

    fn said(body: &[u8]) -> Vec<String> {
        let mut values = Vec::new();
        let mut sink = |o: &crate::Observation<'_>| values.push(owned(o).value.into_owned());
        crate::upnp::read(body, &mut Readings::new(&mut sink, Some(DEVICE), None, None));
        values
    }

    #[test]
    fn the_root_device_only() {
        assert_eq!(
            said(DESCRIPTION),
            [
                "deviceType=urn:Belkin:device:insight:1",
                "friendlyName=Lamp & Fan",
                "manufacturer=Belkin International Inc.",
                "modelName=Insight",
                "modelNumber=1.0",
                "firmwareVersion=WeMo_WW_2.00.8095.PVT-OWRT-Insight",
            ]
        );
    }

    #[test]
    fn a_cut_description_gives_whole_elements() {
        let cut = &DESCRIPTION[..find(DESCRIPTION, b"Insight</modelName>").unwrap_or(0) + 4];
        assert_eq!(said(cut).last().map(String::as_str), Some("manufacturer=Belkin International Inc."));
    }

    #[test]
    fn other_xml_is_not_a_description() {
        assert!(said(b"<list><device><modelName>x</modelName></device></list>").is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(DESCRIPTION, |bytes| {
            said(bytes);
        });
    }
}
