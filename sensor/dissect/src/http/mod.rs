//! HTTP/1: who asks with what program, and what a server calls itself.
//!
//! Any connection whose first bytes look like HTTP is read, on any port. Of a request the program and the path without
//! its query are given; of an answer the server, the realm of a challenge, the title of a small page, and a UPnP device
//! description if that is what passes. Values of cookies, credentials and queries are never given.

mod credentials;
mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::head::words;
use crate::markup::unescape;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::value::clean;
use crate::{ipp, upnp, wsd, Carrier, Field, Protocol};
pub(crate) use parser::{is_local, realm};
use parser::{Body, Head, Kind};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "http",
    description: "HTTP/1: user agent, host, server, realm, page title",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

/// A head that is longer is not waited for.
const MAX_HEAD: usize = 8 * 1024;
/// Low bits of the mark: where the body begins. High bits: what it is. 0 while the head is awaited.
const MARK_LENGTH: u32 = 0x00ff_ffff;
const MARK_PAGE: u32 = 1 << 24;
const MARK_XML: u32 = 2 << 24;
const MARK_IPP: u32 = 4 << 24;

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    if *stream.mark == 0 {
        let head = parser::parse(stream.bytes).filter(|head| head.is_whole());
        if head.is_none() && !stream.last && stream.bytes.len() < MAX_HEAD {
            return Verdict::More(stream.bytes.len() + 1);
        }
        let Some(head) = head.or_else(|| parser::parse(stream.bytes)) else { return Verdict::NotMine };
        let body = match head.kind {
            Kind::Request => {
                request(&head, stream.packet, readings);
                return Verdict::Message;
            }
            Kind::Answer => {
                answer(&head, readings);
                head.body()
            }
        };
        let start = u32::try_from(head.length()).unwrap_or(MARK_LENGTH).min(MARK_LENGTH);
        *stream.mark = match body {
            Body::Page => MARK_PAGE | start,
            Body::Xml => MARK_XML | start,
            Body::Ipp => MARK_IPP | start,
            Body::Other => return Verdict::Message,
        };
        if let (Body::Xml | Body::Ipp, Some(length)) = (body, head.content_length()) {
            let end = head.length().saturating_add(length);
            if end > stream.bytes.len() && !stream.last {
                return Verdict::More(end);
            }
        }
    }
    body(stream, readings)
}

fn request(head: &Head<'_>, packet: &Packet<'_>, readings: &mut Readings<'_>) {
    let (mut agent, mut host, mut authorization) = (None, None, None);
    for (name, value) in head.headers() {
        let place = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => &mut host,
            10 if name.eq_ignore_ascii_case(b"user-agent") => &mut agent,
            13 if name.eq_ignore_ascii_case(b"authorization") => &mut authorization,
            _ => continue,
        };
        // of two the first counts
        place.get_or_insert(value);
    }
    if let Some(agent) = agent {
        readings.bytes(Field::HttpUserAgent, agent);
    }
    if let Some(host) = host {
        readings.bytes(Field::HttpHost, host);
    }
    let Some((method, target, _)) = words(head.start()) else { return };
    let path = target.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
    readings.text(Field::HttpPath, &format!("{} {}", clean(method), clean(path)));
    // behind a router's hardware address stands the whole Internet; only what is asked of a local address is its own
    if packet.destination_ip.is_some_and(|ip| is_local(&ip)) {
        readings.about(packet.destination, packet.destination_ip);
        readings.bytes(Field::HttpServed, path);
        if let Some(kind) = authorization.and_then(credentials::kind) {
            readings.text(Field::HttpBasic, kind);
        }
        readings.about(packet.source, packet.source_ip);
    }
}

fn answer(head: &Head<'_>, readings: &mut Readings<'_>) {
    for (name, value) in head.headers() {
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"server") => readings.bytes(Field::HttpServer, value),
            12 if name.eq_ignore_ascii_case(b"x-powered-by") => readings.bytes(Field::HttpPoweredBy, value),
            16 if name.eq_ignore_ascii_case(b"www-authenticate") => {
                if let Some(realm) = realm(value) {
                    readings.bytes(Field::HttpRealm, realm);
                }
            }
            10 if name.eq_ignore_ascii_case(b"set-cookie") => {
                let name = value.split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default();
                readings.bytes(Field::HttpCookie, name);
            }
            _ => {}
        }
    }
}

/// The part after the head, which `mark` points to.
fn body(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let start = usize::try_from(*stream.mark & MARK_LENGTH).unwrap_or(usize::MAX);
    let is_page = *stream.mark & MARK_PAGE != 0;
    let body = stream.bytes.get(start..).unwrap_or_default();
    // an end that was cut in two may begin in what was shown before
    let fresh = stream.fresh.saturating_sub(start + parser::LONGEST_END);
    let ended = stream.last
        || parser::has_end(body.get(fresh..).unwrap_or_default(), is_page)
        || parser::parse(stream.bytes).is_some_and(|head| head.body_is_whole(body));
    if !ended {
        return Verdict::More(stream.bytes.len() + 1);
    }
    if is_page {
        if let Some(title) = parser::title(body) {
            readings.text(Field::HttpTitle, unescape(title).trim());
        }
    } else if *stream.mark & MARK_IPP != 0 {
        ipp::read(body, readings);
    } else if !upnp::read(body, readings) {
        wsd::read_description(body, readings);
    }
    Verdict::Message
}
