//! RFC 9110 and RFC 9112, as far as a device gives itself away: heads, and the two kinds of body that do.

use std::net::IpAddr;

use crate::head::{self, find};

const METHODS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"PATCH ",
    b"OPTIONS /",
    b"OPTIONS *",
    b"OPTIONS http",
    b"CONNECT ",
    b"NOTIFY /",
    b"SUBSCRIBE /",
    b"UNSUBSCRIBE /",
    b"PROPFIND /",
    b"M-POST ",
];
const ANSWER: &[u8] = b"HTTP/1.";

/// Ends of the parts of a body that are read.
const TITLE_END: &[u8] = b"</title";
const DEVICE_END: &[u8] = b"</device>";
const DEVICE_LIST: &[u8] = b"<devicelist>";
const ENVELOPE_END: &[u8] = b"envelope>";
/// The longest of them.
pub(super) const LONGEST_END: usize = DEVICE_LIST.len();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// HTML.
    Page,
    Xml,
    /// Internet printing.
    Ipp,
    /// Nothing that is read.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub kind: Kind,
    head: head::Head<'a>,
}

pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(ANSWER) || METHODS.iter().any(|method| bytes.starts_with(method))
}

/// A head, or as much as there is of one.
pub(super) fn parse(bytes: &[u8]) -> Option<Head<'_>> {
    let kind = if bytes.starts_with(ANSWER) { Kind::Answer } else { Kind::Request };
    let head = head::head(bytes)?;
    // a request that another protocol began with the same word has no HTTP at the end of its line
    (kind == Kind::Answer || find(head.start, b" http/1.").is_some()).then_some(Head { kind, head })
}

impl<'a> Head<'a> {
    pub(super) fn is_whole(&self) -> bool {
        self.head.whole
    }

    pub(super) fn length(&self) -> usize {
        self.head.length
    }

    pub(super) fn start(&self) -> &'a [u8] {
        self.head.start
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.head.get(name)
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.head.headers()
    }

    pub(super) fn content_length(&self) -> Option<usize> {
        std::str::from_utf8(self.get("content-length")?).ok()?.parse().ok()
    }

    /// Whether that is all of the body, as far as its length is announced.
    pub(super) fn body_is_whole(&self, body: &[u8]) -> bool {
        match self.content_length() {
            Some(length) => body.len() >= length,
            None => self.get("transfer-encoding").is_some() && body.ends_with(b"\r\n0\r\n\r\n"),
        }
    }

    /// What follows the head, by its headers.
    pub(super) fn body(&self) -> Body {
        let encoded = self
            .get("content-encoding")
            .is_some_and(|e| !e.is_empty() && !e.eq_ignore_ascii_case(b"identity"));
        if !self.head.whole || encoded || self.content_length() == Some(0) {
            return Body::Other;
        }
        let kind = self.get("content-type").unwrap_or_default();
        if find(kind, b"html").is_some() {
            Body::Page
        } else if find(kind, b"xml").is_some() {
            Body::Xml
        } else if find(kind, b"application/ipp").is_some() {
            Body::Ipp
        } else {
            Body::Other
        }
    }
}

/// The realm of a challenge (RFC 9110 section 11.5), quoted or bare.
pub(crate) fn realm(challenge: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"realm=";
    let value = challenge.get(find(challenge, NAME)? + NAME.len()..)?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|b| *b == b'"').next(),
        None => value.split(|b| *b == b',').next(),
    }
}

/// Whether the part of a body that is read has ended within these bytes.
pub(super) fn has_end(bytes: &[u8], is_page: bool) -> bool {
    if is_page {
        find(bytes, TITLE_END).is_some()
    } else {
        [DEVICE_END, DEVICE_LIST, ENVELOPE_END].iter().any(|end| find(bytes, end).is_some())
    }
}

/// The text of a page's title, which must be whole.
pub(super) fn title(page: &[u8]) -> Option<&[u8]> {
    let open = page.get(find(page, b"<title")?..)?;
    let text = open.get(open.iter().position(|b| *b == b'>')? + 1..)?;
    text.get(..find(text, TITLE_END)?)
}

/// An address of the own network: private, link-local or unique local.
pub(crate) fn is_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::flow::Verdict;
    use crate::http::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    const REQUEST: &[u8] = b"GET /onvif/snapshot?user=admin&pwd=secret HTTP/1.1\r\nHost: 192.168.1.1\r\n\
        Authorization: Basic YWRtaW46YWRtaW4=\r\nUser-Agent: HikVision/3.0\r\n\r\n";
    const CHALLENGE: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nServer: alphapd/2.1.8\r\n\
        WWW-Authenticate: Basic realm=\"DCS-935L\"\r\nSet-Cookie: uid=abc; path=/\r\nContent-Type: text/html\r\n\
        Content-Length: 60\r\n\r\n<html><head><TITLE>\n Unauthorized &amp; out </TITLE></head></html>";
    const DESCRIPTION: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n\
        <root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><modelName>DCS-935L</modelName></device></root>";

    #[test]
    fn a_request_without_its_secrets() {
        let said = said(REQUEST);
        assert_eq!(said.verdict, Some(Verdict::Message));
        assert_eq!(
            said.pairs(),
            [
                (Field::HttpUserAgent, "HikVision/3.0"),
                (Field::HttpHost, "192.168.1.1"),
                (Field::HttpPath, "GET /onvif/snapshot"),
                (Field::HttpServed, "/onvif/snapshot"),
                (Field::HttpBasic, "factory"),
            ]
        );
        assert_eq!(said.observations[3].mac, crate::testing::PEER);
    }

    #[test]
    fn what_is_asked_of_the_internet_is_not_the_routers() {
        let mut far = packet(REQUEST);
        far.destination_ip = Some("93.184.216.34".parse().unwrap());
        assert!(Said::in_stream(&PROTOCOL, &far).all(Field::HttpServed).is_empty());
    }

    #[test]
    fn a_challenge_with_a_page() {
        assert_eq!(
            said(CHALLENGE).pairs(),
            [
                (Field::HttpServer, "alphapd/2.1.8"),
                (Field::HttpRealm, "DCS-935L"),
                (Field::HttpCookie, "uid"),
                (Field::HttpTitle, "Unauthorized & out"),
            ]
        );
    }

    #[test]
    fn a_device_description_passes_by() {
        assert_eq!(said(DESCRIPTION).pairs(), [(Field::UpnpDevice, "modelName=DCS-935L")]);
    }

    #[test]
    fn a_cut_head_gives_its_whole_lines() {
        assert_eq!(said(&CHALLENGE[..70]).pairs(), [(Field::HttpServer, "alphapd/2.1.8")]);
    }

    #[test]
    fn other_protocols_are_left_alone() {
        assert_eq!(said(b"OPTIONS rtsp://cam/ RTSP/1.0\r\n\r\n").verdict, None);
        assert_eq!(said(b"GET key\r\nEND\r\n").verdict, Some(Verdict::NotMine));
    }

    #[test]
    fn realms() {
        assert_eq!(
            realm(b"Digest qop=\"auth\", Realm=\"IP Camera(C12)\", nonce=\"x\""),
            Some(&b"IP Camera(C12)"[..])
        );
        assert_eq!(realm(b"Basic realm=x, y"), Some(&b"x"[..]));
        assert_eq!(realm(b"Negotiate"), None);
    }

    #[test]
    fn survives_any_bytes() {
        for good in [REQUEST, CHALLENGE, DESCRIPTION] {
            survives(good, |bytes| {
                said(bytes);
            });
        }
    }
}
