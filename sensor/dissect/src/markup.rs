//! A forgiving scan over XML and HTML for elements that hold text only. It does not check well-formedness: documents
//! pass by cut, and some devices serve broken ones.

use std::borrow::Cow;

use crate::value::clean;

/// An element without children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// Without its namespace prefix.
    pub name: &'a str,
    /// As written, escapes and all.
    pub text: &'a [u8],
}

/// Elements that open, hold text and close, in order.
pub(crate) fn elements(mut rest: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || loop {
        let open = rest.iter().position(|b| *b == b'<')?;
        rest = rest.get(open + 1..)?;
        let close = rest.iter().position(|b| *b == b'>')?;
        let (tag, after) = rest.split_at_checked(close)?;
        let after = after.get(1..)?;
        // the text runs to the next tag, which must be there: half a model name misleads
        let end = after.iter().position(|b| *b == b'<')?;
        let (text, next) = after.split_at_checked(end)?;
        rest = next;
        if tag.starts_with(b"/") || tag.ends_with(b"/") || !next.starts_with(b"</") {
            continue;
        }
        let name = tag.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        if !next.get(2..).is_some_and(|closing| closing.starts_with(name)) {
            continue;
        }
        let name = name.rsplit(|b| *b == b':').next().unwrap_or_default();
        if let Ok(name) = std::str::from_utf8(name) {
            if !name.is_empty() {
                return Some(Element { name, text });
            }
        }
    })
}

/// Text with the five named entities and numeric references resolved (XML 1.0 section 4.6).
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, str> {
    let text = clean(text);
    if !text.contains('&') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, tail)| Some((entity(name)?, tail)));
        rest = match entity {
            Some((character, tail)) => {
                out.push(character);
                tail
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_only() {
        let leaves: Vec<_> =
            elements(b"<a><d:b x='1'>one</d:b><c/><d></d>two<e>cut").map(|e| (e.name, e.text)).collect();
        assert_eq!(leaves, [("b", &b"one"[..]), ("d", &b""[..])]);
    }

    #[test]
    fn references() {
        assert_eq!(unescape(b"a &amp; &#66;&#x43; &nbsp; & &lt"), "a & BC &nbsp; & &lt");
        assert_eq!(unescape(b"plain"), "plain");
    }
}
