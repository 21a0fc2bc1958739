//! Basic credentials (RFC 7617): only whether they are a pair that makers ship. The pair itself goes no further.

/// Longest credentials looked at, encoded.
const MAX_ENCODED: usize = 64;

/// Pairs that devices leave the factory with, as their public manuals print them.
const FACTORY: &[&[u8]] = &[
    b"admin:",
    b"admin:admin",
    b"admin:password",
    b"admin:1234",
    b"admin:12345",
    b"admin:123456",
    b"admin:1111",
    b"admin:4321",
    b"admin:9999",
    b"admin:administrator",
    b"administrator:administrator",
    b"Admin:",
    b"Admin:Admin",
    b"Administrator:",
    b"root:",
    b"root:root",
    b"root:pass",
    b"root:admin",
    b"root:12345",
    b"root:calvin",
    b"root:ikwb",
    b"service:service",
    b"supervisor:supervisor",
    b"user:user",
    b"guest:guest",
    b"666666:666666",
    b"888888:888888",
    b"ubnt:ubnt",
    b"cisco:cisco",
    b"ADMIN:ADMIN",
    b"USERID:PASSW0RD",
    b"apc:apc",
];

/// `factory` or `own` for Basic credentials, nothing for any other scheme.
pub(super) fn kind(header: &[u8]) -> Option<&'static str> {
    let (scheme, rest) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let pair = decode(rest.trim_ascii());
    Some(if pair.is_some_and(|pair| FACTORY.contains(&&*pair)) { "factory" } else { "own" })
}

/// RFC 4648 section 4; `None` for what is too long or not encoded so.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > MAX_ENCODED {
        return None;
    }
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.iter().take_while(|b| **b != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kind_is_told() {
        assert_eq!(kind(b"Basic YWRtaW46YWRtaW4="), Some("factory"));
        assert_eq!(kind(b"basic YWRtaW46"), Some("factory"));
        assert_eq!(kind(b"Basic Y2Fyb2w6czNjcmV0"), Some("own"));
        assert_eq!(kind(b"Basic ????"), Some("own"));
        assert_eq!(kind(b"Digest username=\"admin\""), None);
        assert_eq!(kind(b"Bas"), None);
    }
}
