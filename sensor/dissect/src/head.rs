//! Start line and headers, as HTTP (RFC 9112), SIP (RFC 3261), RTSP (RFC 7826) and SSDP have them in common.
//!
//! Lines end in CR LF or in LF alone. A line that is not whole is not read: half a product name misleads.

use memchr::{memchr, memchr2_iter};

/// Lines looked at in one head.
const MAX_LINES: usize = 128;

/// The part of a message before its empty line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The first line.
    pub start: &'a [u8],
    /// Bytes up to and with the empty line; of all bytes when it is not there.
    pub length: usize,
    /// The empty line is there.
    pub whole: bool,
    lines: &'a [u8],
}

/// Reads as far as there are lines. `None` when the first is not whole.
pub(crate) fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let (start, lines) = line(bytes)?;
    let mut rest = lines;
    let mut whole = false;
    for _ in 0..MAX_LINES {
        let Some((text, after)) = line(rest) else { break };
        rest = after;
        if text.is_empty() {
            whole = true;
            break;
        }
    }
    let length = bytes.len() - if whole { rest.len() } else { 0 };
    Some(Head { start, length, whole, lines })
}

impl<'a> Head<'a> {
    /// Names and values, in order; folded lines are left out.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            let (text, after) = line(rest)?;
            rest = after;
            (!text.is_empty()).then_some(text)
        })
        .take(MAX_LINES)
        .filter_map(|text| {
            let colon = memchr(b':', text)?;
            let (name, value) = text.split_at_checked(colon)?;
            let name = name.trim_ascii_end();
            (!name.is_empty() && !name.starts_with(b" ") && !name.starts_with(b"\t"))
                .then_some((name, value.get(1..).unwrap_or_default().trim_ascii()))
        })
    }

    /// The first header of that name, in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

/// One line without its end, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'\n', bytes)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((text.strip_suffix(b"\r").unwrap_or(text), rest.get(1..)?))
}

/// The three parts of a request's or an answer's first line.
pub(crate) fn words(start: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = start.splitn(3, |b| *b == b' ');
    Some((parts.next()?, parts.next()?, parts.next().unwrap_or_default()))
}

/// Where `needle` begins in `bytes`, in any ASCII case.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let last = bytes.len().checked_sub(needle.len())?;
    let starts = bytes.get(..=last)?;
    memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), starts)
        .find(|at| bytes.get(*at..at + needle.len()).is_some_and(|text| text.eq_ignore_ascii_case(needle)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn headers_in_any_case_and_only_whole_lines() {
        let message = b"HTTP/1.1 200 OK\r\nServer:  nginx \r\n folded: no\r\nX: a: b\nCut: hal";
        let head = head(message).unwrap();
        assert_eq!(head.start, b"HTTP/1.1 200 OK");
        assert!(!head.whole);
        assert_eq!(head.get("server"), Some(&b"nginx"[..]));
        assert_eq!(head.get("x"), Some(&b"a: b"[..]));
        assert_eq!(head.get("cut"), None);
        assert_eq!(head.headers().count(), 2);
    }

    #[test]
    fn the_body_begins_after_the_empty_line() {
        let message = b"GET / HTTP/1.1\r\nA: 1\r\n\r\nB: 2\r\n";
        let head = head(message).unwrap();
        assert!(head.whole);
        assert_eq!(&message[head.length..], b"B: 2\r\n");
        assert_eq!(head.get("b"), None);
    }

    #[test]
    fn first_line() {
        assert_eq!(words(b"GET /a HTTP/1.1"), Some((&b"GET"[..], &b"/a"[..], &b"HTTP/1.1"[..])));
        assert_eq!(words(b"GET"), None);
        assert_eq!(find(b"<html><TITLE>x", b"<title>"), Some(6));
        assert!(head(b"no end").is_none());
    }
}
