//! RFC 3261: first line and headers, compact forms included (section 7.3.3), and whose words a message carries.

use std::net::IpAddr;

use crate::head::{find, head, words, Head};

const VERSION: &[u8] = b"SIP/2.0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// With its method.
    Request(&'a [u8]),
    /// With its status code.
    Answer(&'a [u8]),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub kind: Kind<'a>,
    pub head: Head<'a>,
}

/// Cheap: whether a connection that begins so is SIP.
pub(super) fn starts(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"SIP/2.0 ") {
        return true;
    }
    let Some((_, target, _)) = words(bytes.get(..64).unwrap_or(bytes)) else { return false };
    target.starts_with(b"sip:") || target.starts_with(b"sips:")
}

/// Empty lines (RFC 5626 section 3.5.1), or the zeros that some phones send, to keep a translator's entry.
pub(super) fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0))
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let head = head(bytes)?;
    let (first, second, last) = words(head.start)?;
    let kind = if first == VERSION {
        Kind::Answer(second)
    } else if last == VERSION && !first.is_empty() && first.iter().all(u8::is_ascii_uppercase) {
        Kind::Request(first)
    } else {
        return None;
    };
    Some(Message { kind, head })
}

impl<'a> Message<'a> {
    pub(super) fn contact(&self) -> Option<&'a [u8]> {
        self.head.get("contact").or_else(|| self.head.get("m"))
    }

    /// The method that an answer is to (section 20.16).
    pub(super) fn answered_method(&self) -> Option<&'a [u8]> {
        self.head.get("cseq")?.rsplit(|b| b.is_ascii_whitespace()).next()
    }

    /// Whether the sender made the message itself, as far as one message tells; in doubt not.
    pub(super) fn is_by(&self, sender: IpAddr) -> bool {
        match self.kind {
            Kind::Request(_) => self.hops() <= 1 && self.last_hop().is_none_or(|hop| hop == sender),
            Kind::Answer(code) => self.is_answer_by(code, sender),
        }
    }

    /// A proxy takes its own Via off an answer and passes on the rest as it is (section 16.7), so the count of them
    /// says nothing.
    fn is_answer_by(&self, code: &[u8], sender: IpAddr) -> bool {
        // Trying, and what answers CANCEL, is from the next hop (sections 16.7 and 16.10)
        if code == b"100" || self.answered_method() == Some(b"CANCEL") {
            return true;
        }
        if self.goes_through(sender) {
            return false;
        }
        // The contacts of an answer to REGISTER are the registered ones. A proxy on the way that does not ask to stay
        // there cannot be told from the registrar.
        if self.answered_method() == Some(b"REGISTER") {
            return true;
        }
        // Without a contact, as to BYE, it may be anybody's.
        self.contact().and_then(uri_host) == Some(sender)
    }

    /// The sender has put itself on the way, as proxies do: in Record-Route (section 16.6) or Path (RFC 3327).
    fn goes_through(&self, sender: IpAddr) -> bool {
        let is_way =
            |name: &[u8]| name.eq_ignore_ascii_case(b"record-route") || name.eq_ignore_ascii_case(b"path");
        self.head
            .headers()
            .filter(|(name, _)| is_way(name))
            .flat_map(|(_, value)| value.split(|b| *b == b','))
            .any(|way| uri_host(way) == Some(sender))
    }

    /// How many have sent a request so far.
    fn hops(&self) -> usize {
        // a comma at the end: the rest of the list stands in a folded line, which is not read
        self.vias().map(|via| occurrences(via, VERSION) + usize::from(via.ends_with(b","))).sum()
    }

    /// Who sent a request last by its own word (section 18.1.1), where that is an address.
    fn last_hop(&self) -> Option<IpAddr> {
        let via = self.vias().next()?;
        let (_, sent_by) = via.split_at_checked(via.iter().position(u8::is_ascii_whitespace)?)?;
        let sent_by = sent_by.trim_ascii_start();
        let end = sent_by.iter().position(|b| matches!(b, b';' | b',' | b' ')).unwrap_or(sent_by.len());
        address(sent_by.get(..end)?)
    }

    fn vias(&self) -> impl Iterator<Item = &'a [u8]> {
        let is_via = |name: &[u8]| name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v");
        self.head.headers().filter(move |(name, _)| is_via(name)).map(|(_, value)| value)
    }
}

fn occurrences(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

/// The host of the first URI, where it is an address.
fn uri_host(text: &[u8]) -> Option<IpAddr> {
    let start = match find(text, b"sip:") {
        Some(at) => at + b"sip:".len(),
        None => find(text, b"sips:")? + b"sips:".len(),
    };
    let uri = text.get(start..)?;
    let end = uri.iter().position(|b| matches!(b, b'>' | b';' | b' ' | b'?')).unwrap_or(uri.len());
    let uri = uri.get(..end)?;
    address(uri.rsplit(|b| *b == b'@').next()?)
}

/// Of `host`, `host:port` or `[host]:port`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let host = match text.strip_prefix(b"[") {
        Some(v6) => v6.split(|b| *b == b']').next()?,
        None => text.split(|b| *b == b':').next()?,
    };
    std::str::from_utf8(host).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::flow::Verdict;
    use crate::registry::Outcome;
    use crate::sip::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const REGISTER: &[u8] = b"REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.20:5060;branch=z9\r\n\
        CSeq: 1 REGISTER\r\nContact: <sip:100@192.168.1.20:5060>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004F2010203>\"\r\n\
        User-Agent: PolycomVVX-VVX_410-UA/5.9.0\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_phone_registers() {
        let said = Said::by(&PROTOCOL, REGISTER);
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::SipMethod, "REGISTER"),
                (Field::SipUserAgent, "PolycomVVX-VVX_410-UA/5.9.0"),
                (
                    Field::SipContact,
                    "<sip:100@192.168.1.20:5060>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0004F2010203>\""
                ),
            ]
        );
        let stream = Said::in_stream(&PROTOCOL, &packet(REGISTER));
        assert_eq!((stream.verdict, stream.pairs()), (Some(Verdict::Message), said.pairs()));
    }

    /// What the device, 192.168.1.20, says beside the method.
    fn said(text: &str) -> Vec<(Field, String)> {
        let text = text.replace('\n', "\r\n") + "\r\n\r\n";
        let said = Said::by(&PROTOCOL, text.as_bytes());
        assert_eq!(said.outcome, Some(Outcome::Whole));
        let pairs = said.pairs().into_iter().filter(|(field, _)| *field != Field::SipMethod);
        pairs.map(|(field, value)| (field, value.to_owned())).collect()
    }

    fn server(name: &str) -> Vec<(Field, String)> {
        vec![(Field::SipServer, name.to_owned())]
    }

    #[test]
    fn a_request_that_came_through_a_proxy() {
        let two = "INVITE sip:200@10.0.0.3 SIP/2.0\nVia: SIP/2.0/UDP 192.168.1.20\nv: SIP/2.0/UDP 10.0.0.9\n\
            User-Agent: snom370/8.7";
        assert_eq!(said(two), []);
        let listed = "INVITE sip:200@10.0.0.3 SIP/2.0\nVia: SIP/2.0/UDP 192.168.1.20, SIP/2.0/UDP 10.0.0.9\n\
            User-Agent: snom370/8.7";
        assert_eq!(said(listed), []);
        let folded =
            "INVITE sip:200@10.0.0.3 SIP/2.0\nVia: SIP/2.0/UDP 192.168.1.20,\n SIP/2.0/UDP 10.0.0.9\n\
            User-Agent: snom370/8.7";
        assert_eq!(said(folded), []);
    }

    #[test]
    fn a_request_that_another_sent_last() {
        let relayed = "INVITE sip:200@10.0.0.3 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9\nUser-Agent: snom370/8.7";
        assert_eq!(said(relayed), []);
        let named = "INVITE sip:200@10.0.0.3 SIP/2.0\nVia: SIP/2.0/TCP phone.example;branch=z9\nUser-Agent: snom370/8.7";
        assert_eq!(said(named), [(Field::SipUserAgent, "snom370/8.7".to_owned())]);
    }

    #[test]
    fn an_answer_whose_contact_is_the_sender() {
        let own = "SIP/2.0 180 Ringing\nVia: SIP/2.0/UDP 10.0.0.5, SIP/2.0/UDP 10.0.0.9\nRecord-Route: <sip:10.0.0.5;lr>\n\
            CSeq: 1 INVITE\nm: <sip:192.168.1.20:5060>\nUser-Agent: snom370/8.7";
        assert_eq!(said(own), server("snom370/8.7"));
    }

    #[test]
    fn an_answer_that_a_proxy_passes_on() {
        let contact = "SIP/2.0 200 OK\nCSeq: 1 INVITE\nContact: <sip:200@10.0.0.3>\nServer: snom370/8.7";
        assert_eq!(said(contact), []);
        let rewritten =
            "SIP/2.0 200 OK\nCSeq: 1 INVITE\nRecord-Route: <sip:10.0.0.5;lr>,<sip:192.168.1.20;lr;ftag=1>\n\
            Contact: <sip:200@192.168.1.20>\nServer: snom370/8.7";
        assert_eq!(said(rewritten), []);
        let path = "SIP/2.0 200 OK\nCSeq: 1 REGISTER\nPath: <sip:192.168.1.20;lr>\nServer: Asterisk PBX 16.2";
        assert_eq!(said(path), []);
    }

    #[test]
    fn an_answer_without_a_contact_may_be_anybodys() {
        let bye = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.9\nCSeq: 2 BYE\nUser-Agent: snom370/8.7";
        assert_eq!(said(bye), []);
    }

    #[test]
    fn answers_that_nobody_passes_on() {
        let trying =
            "SIP/2.0 100 trying -- your call is important to us\nCSeq: 1 INVITE\nServer: kamailio (5.6.3)";
        assert_eq!(said(trying), server("kamailio (5.6.3)"));
        let cancelled = "SIP/2.0 200 canceling\nCSeq: 1 CANCEL\nServer: kamailio (5.6.3)";
        assert_eq!(said(cancelled), server("kamailio (5.6.3)"));
    }

    #[test]
    fn a_registrar() {
        let registered = |code: &str| {
            said(&format!(
                "SIP/2.0 {code} x\nCSeq: 1 REGISTER\nContact: <sip:200@10.0.0.3>\nServer: Asterisk PBX 16.2"
            ))
        };
        let asterisk = (Field::SipServer, "Asterisk PBX 16.2".to_owned());
        for code in ["200", "401", "407", "423"] {
            assert_eq!(registered(code), [(Field::SipRegistrar, code.to_owned()), asterisk.clone()]);
        }
        // a telephone that is asked to register somebody
        for code in ["100", "404", "405", "501"] {
            assert_eq!(registered(code), server("Asterisk PBX 16.2"));
        }
    }

    #[test]
    fn hosts() {
        let is = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(uri_host(b"\"a\" <sip:1@10.0.0.1:5060;x=y>;z"), is("10.0.0.1"));
        assert_eq!(uri_host(b"sips:[fe80::1]:5061"), is("fe80::1"));
        assert_eq!(uri_host(b"sip:[fe80::1]:5061"), is("fe80::1"));
        assert_eq!(uri_host(b"sip:pbx"), None);
        assert_eq!(address(b"10.0.0.1"), is("10.0.0.1"));
        assert_eq!(address(b"fe80::1"), None);
    }

    #[test]
    fn survives_any_bytes() {
        survives(REGISTER, |bytes| {
            Said::by(&PROTOCOL, bytes);
            Said::in_stream(&PROTOCOL, &packet(bytes));
        });
    }
}
