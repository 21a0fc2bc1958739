//! WS-Discovery 1.1 (and the April 2005 draft that devices speak): SOAP messages told apart by their Action. Elements
//! are read by `markup`.

use crate::head::find;
use crate::markup::elements;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Hello, ProbeMatches, ResolveMatches.
    Announcement,
    /// Probe.
    Search,
    /// Resolve, Bye and what is not known.
    Other,
}

pub(super) fn action(bytes: &[u8]) -> Option<Action> {
    find(bytes, b"envelope")?;
    let action = elements(bytes).find(|element| element.name == "Action")?;
    let name = action.text.trim_ascii().rsplit(|b| *b == b'/').next()?;
    Some(match name {
        b"Hello" | b"ProbeMatches" | b"ResolveMatches" => Action::Announcement,
        b"Probe" => Action::Search,
        _ => Action::Other,
    })
}

/// A name without its prefix.
pub(super) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// A body in which a device describes itself: WS-MetadataExchange's ThisModel and ThisDevice, or ONVIF's answer.
pub(super) fn is_description(body: &[u8]) -> bool {
    find(body, b"envelope").is_some()
        && [&b"ThisModel"[..], b"ThisDevice", b"GetDeviceInformationResponse"]
            .iter()
            .any(|name| find(body, name).is_some())
}

#[cfg(test)]
mod tests {
    use crate::testing::{packet, survives, Said};
    use crate::wsd::PROTOCOL;
    use crate::{http, Field};

    const HELLO: &[u8] = br#"<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>
<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Hello</wsa:Action></s:Header><s:Body><d:Hello>
<wsa:EndpointReference><wsa:Address>urn:uuid:1419d68a-1dd2-11b2-a105-000000000001</wsa:Address></wsa:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>
<d:Scopes>onvif://www.onvif.org/hardware/DS-2CD2032-I onvif://www.onvif.org/name/HIKVISION%20DS-2CD2032-I</d:Scopes>
<d:XAddrs>http://192.168.1.20/onvif/device_service</d:XAddrs></d:Hello></s:Body></s:Envelope>"#;

    #[test]
    fn a_camera_says_hello() {
        assert_eq!(
            Said::by(&PROTOCOL, HELLO).pairs(),
            [
                (Field::WsdEndpoint, "urn:uuid:1419d68a-1dd2-11b2-a105-000000000001"),
                (Field::WsdType, "NetworkVideoTransmitter"),
                (Field::WsdType, "Device"),
                (Field::WsdScope, "onvif://www.onvif.org/hardware/DS-2CD2032-I"),
                (Field::WsdScope, "onvif://www.onvif.org/name/HIKVISION%20DS-2CD2032-I"),
                (Field::WsdAddress, "http://192.168.1.20/onvif/device_service"),
            ]
        );
    }

    #[test]
    fn a_probe_describes_what_is_looked_for() {
        let probe =
            b"<s:Envelope><a:Action>http://x/Probe</a:Action><d:Types>wsdp:Device</d:Types></s:Envelope>";
        assert_eq!(Said::by(&PROTOCOL, probe).pairs(), [(Field::WsdSearch, "Device")]);
    }

    #[test]
    fn a_camera_answers_over_http() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n<env:Envelope><env:Body>\
            <tds:GetDeviceInformationResponse><tds:Manufacturer>Dahua</tds:Manufacturer><tds:Model>IPC-HDW1431S</tds:Model>\
            <tds:FirmwareVersion>2.622.0</tds:FirmwareVersion></tds:GetDeviceInformationResponse></env:Body></env:Envelope>";
        assert_eq!(
            Said::in_stream(&http::PROTOCOL, &packet(answer)).pairs(),
            [
                (Field::WsdDevice, "Manufacturer=Dahua"),
                (Field::WsdDevice, "Model=IPC-HDW1431S"),
                (Field::WsdDevice, "FirmwareVersion=2.622.0"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(HELLO, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
