//! Addresses with questions in them.

/// Percent-encodes what may not stand in a query value (RFC 3986 §2.3 lists what may).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// `path?name=value&…` with the pairs that have a value.
pub fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let query: Vec<_> = pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(&value)))
        .collect();
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", query.join("&")),
    }
}

/// Whether a "go on to" address stays within the portal: a path, not another host (`//host`, `/\host`).
pub fn is_local(address: &str) -> bool {
    let mut chars = address.chars();
    chars.next() == Some('/')
        && !matches!(chars.next(), Some('/' | '\\'))
        && !address.chars().any(|c| c.is_control() || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_and_empty_values_left_out() {
        let pairs = [("a", "x y&z".to_owned()), ("b", String::new()), ("c", "ü".to_owned())];
        assert_eq!(with_query("/d", pairs), "/d?a=x%20y%26z&c=%C3%BC");
        assert_eq!(with_query("/d", []), "/d");
    }

    #[test]
    fn only_paths_of_our_own_are_followed() {
        assert!(is_local("/") && is_local("/devices?x=1"));
        for other in ["", "//evil", "/\\evil", "https://evil", "devices", "/a\n/b"] {
            assert!(!is_local(other), "{other:?}");
        }
    }
}
