//! Members of JSON objects, found without parsing the whole: datagrams of discovery protocols pass by cut, and a member's
//! name is all that is known of some.

use std::borrow::Cow;

use crate::value::clean;

/// The value of the first member of that name: text without its quotes, or a number, `true` or `false` as written. What
/// would need decoding (escapes, objects, lists) is left out.
pub(crate) fn member<'a>(json: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let quoted = format!("\"{name}\"");
    let at = json.windows(quoted.len()).position(|window| window == quoted.as_bytes())?;
    let rest = json.get(at + quoted.len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let value = match rest.strip_prefix(b"\"") {
        Some(text) => text.get(..text.iter().position(|b| *b == b'"')?)?,
        None => rest.get(..rest.iter().position(|b| matches!(b, b',' | b'}' | b']'))?)?.trim_ascii(),
    };
    let text = clean(value);
    (!text.is_empty() && !text.starts_with(['{', '[']) && !text.contains('\\')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_numbers_and_what_is_left_out() {
        let json = br#"{"a" : "one", "b":2,"c":{"d":true}, "e":"x\"y", "f":"cut"#;
        assert_eq!(member(json, "a").as_deref(), Some("one"));
        assert_eq!(member(json, "b").as_deref(), Some("2"));
        assert_eq!(member(json, "d").as_deref(), Some("true"));
        for name in ["c", "e", "f", "g"] {
            assert_eq!(member(json, name), None, "{name}");
        }
    }
}
