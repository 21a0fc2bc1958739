//! RFC 3261: first line and headers, compact forms included (section 7.3.3).

use std::net::IpAddr;

use crate::head::{find, head, words, Head};

const VERSION: &[u8] = b"SIP/2.0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// With its method.
    Request(&'a [u8]),
    Answer,
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
    let (first, _, last) = words(head.start)?;
    let kind = if first == VERSION {
        Kind::Answer
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

    /// Somebody else made what this sender passes on.
    pub(super) fn was_forwarded(&self, sender: Option<IpAddr>) -> bool {
        match self.kind {
            Kind::Request(_) => {
                let hops: usize = self
                    .head
                    .headers()
                    .filter(|(name, _)| name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v"))
                    .map(|(_, value)| value.windows(VERSION.len()).filter(|w| *w == VERSION).count())
                    .sum();
                hops > 1
            }
            Kind::Answer => {
                // the contacts of an answer to REGISTER are the registered ones
                let to_register = self.head.get("cseq").is_some_and(|cseq| cseq.ends_with(b"REGISTER"));
                let contact = self.contact().and_then(host).filter(|_| !to_register);
                matches!((contact, sender), (Some(contact), Some(sender)) if contact != sender)
            }
        }
    }
}

/// The host of a contact's URI, where it is an address.
fn host(contact: &[u8]) -> Option<IpAddr> {
    let uri = contact.get(find(contact, b"sip:")? + 4..)?;
    let end = uri.iter().position(|b| matches!(b, b'>' | b';' | b' ' | b'?')).unwrap_or(uri.len());
    let uri = uri.get(..end)?;
    let host = uri.rsplit(|b| *b == b'@').next()?;
    let host = match host.strip_prefix(b"[") {
        Some(v6) => v6.split(|b| *b == b']').next()?,
        None => host.split(|b| *b == b':').next()?,
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

    #[test]
    fn a_proxy_does_not_speak_for_itself() {
        let text = b"INVITE sip:200@10.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.20\r\nv: SIP/2.0/UDP 10.0.0.9\r\n\
            User-Agent: snom370/8.7\r\n\r\n";
        assert_eq!(Said::by(&PROTOCOL, text).pairs(), [(Field::SipMethod, "INVITE")]);
        let text =
            b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContact: <sip:200@10.0.0.3>\r\nServer: snom370/8.7\r\n\r\n";
        assert_eq!(Said::by(&PROTOCOL, text).pairs(), [(Field::SipMethod, "status")]);
    }

    #[test]
    fn a_server_answers() {
        let text = b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\nContact: <sip:200@10.0.0.3>\r\nServer: Asterisk PBX 16.2\r\n\r\n";
        assert_eq!(
            Said::by(&PROTOCOL, text).pairs(),
            [(Field::SipMethod, "status"), (Field::SipServer, "Asterisk PBX 16.2")]
        );
    }

    #[test]
    fn hosts() {
        assert_eq!(host(b"\"a\" <sip:1@10.0.0.1:5060;x=y>;z"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(host(b"sips:[fe80::1]:5061"), None);
        assert_eq!(host(b"sip:[fe80::1]:5061"), Some("fe80::1".parse().unwrap()));
        assert_eq!(host(b"sip:pbx"), None);
    }

    #[test]
    fn survives_any_bytes() {
        survives(REGISTER, |bytes| {
            Said::by(&PROTOCOL, bytes);
            Said::in_stream(&PROTOCOL, &packet(bytes));
        });
    }
}
