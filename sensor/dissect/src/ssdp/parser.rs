//! The three messages of SSDP, told apart by their first line.

use crate::head::{head, Head};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// NOTIFY, or the answer to a search.
    Announcement,
    /// M-SEARCH.
    Search,
}

pub(crate) fn parse(bytes: &[u8]) -> Option<(Kind, Head<'_>)> {
    let head = head(bytes)?;
    let kind = if head.start.starts_with(b"NOTIFY ") || head.start.starts_with(b"HTTP/1.") {
        Kind::Announcement
    } else if head.start.starts_with(b"M-SEARCH ") {
        Kind::Search
    } else {
        return None;
    };
    Some((kind, head))
}

#[cfg(test)]
mod tests {
    use crate::registry::Outcome;
    use crate::ssdp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const NOTIFY: &[u8] = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=100\r\n\
        LOCATION: http://192.168.1.20:80/description.xml\r\nSERVER: FreeRTOS/6.0.5, UPnP/1.0, IpBridge/0.1\r\n\
        NTS: ssdp:alive\r\nhue-bridgeid: 001788FFFE200646\r\nNT: upnp:rootdevice\r\n\
        USN: uuid:2f402f80-da50-11e1-9b23-001788200646::upnp:rootdevice\r\n\r\n";

    #[test]
    fn an_announcement() {
        let said = Said::by(&PROTOCOL, NOTIFY);
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::SsdpLocation, "http://192.168.1.20:80/description.xml"),
                (Field::SsdpServer, "FreeRTOS/6.0.5, UPnP/1.0, IpBridge/0.1"),
                (Field::SsdpHeader, "hue-bridgeid: 001788FFFE200646"),
                (Field::SsdpType, "upnp:rootdevice"),
                (Field::SsdpUsn, "uuid:2f402f80-da50-11e1-9b23-001788200646::upnp:rootdevice"),
            ]
        );
    }

    #[test]
    fn a_search_describes_who_searches() {
        let said = Said::by(
            &PROTOCOL,
            b"M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: roku:ecp\r\nUSER-AGENT: Google Chrome/51 Windows\r\n\r\n",
        );
        assert_eq!(
            said.pairs(),
            [(Field::SsdpSearch, "roku:ecp"), (Field::SsdpUserAgent, "Google Chrome/51 Windows")]
        );
    }

    #[test]
    fn an_answer_is_an_announcement() {
        let said = Said::by(&PROTOCOL, b"HTTP/1.1 200 OK\r\nST: urn:Belkin:device:insight:1\r\n\r\n");
        assert_eq!(said.pairs(), [(Field::SsdpType, "urn:Belkin:device:insight:1")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(NOTIFY, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
