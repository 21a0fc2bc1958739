//! Text as it stood on the wire, made fit to keep: valid UTF-8, no control characters, no outer blanks, bounded.

use std::borrow::Cow;

use crate::MAX_VALUE_BYTES;

/// Cleans text from the wire. Line ends and tabs become one blank, other control characters go, and so do zeros that pad
/// a fixed field; what is longer than [`MAX_VALUE_BYTES`] is cut. Borrows when there was nothing to do.
pub(crate) fn clean(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = trim(bytes);
    if bytes.len() <= MAX_VALUE_BYTES && bytes.iter().all(|b| matches!(b, b' '..=b'~')) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
    }
    // a character is at most 4 bytes, so nothing beyond this can be kept
    let bytes = bytes.get(..MAX_VALUE_BYTES * 4).unwrap_or(bytes);
    Cow::Owned(clean_text(&String::from_utf8_lossy(bytes)))
}

/// The same for text that is already UTF-8.
pub(crate) fn clean_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_VALUE_BYTES));
    let lines = text.contains(['\r', '\n', '\t']);
    for character in text.chars() {
        let character = match character {
            '\t' | '\r' | '\n' => ' ',
            c if c.is_control() => continue,
            c => c,
        };
        if character == ' ' && (out.is_empty() || lines && out.ends_with(' ')) {
            continue;
        }
        if out.len() + character.len_utf8() > MAX_VALUE_BYTES {
            break;
        }
        out.push(character);
    }
    out.truncate(out.trim_end().len());
    out
}

/// Without the blanks and zeros around it.
fn trim(bytes: &[u8]) -> &[u8] {
    let outer = |b: &u8| *b == 0 || b.is_ascii_whitespace();
    let start = bytes.iter().position(|b| !outer(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !outer(b)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// Lower-case hexadecimal, for identifiers that are not text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let bytes = bytes.get(..MAX_VALUE_BYTES / 2).unwrap_or(bytes);
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        push_hex(&mut out, *byte);
    }
    out
}

/// Adds a byte in hexadecimal.
pub(crate) fn push_hex(out: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
    }
}

/// Adds a number in decimal. The formatter does the same with ten times the work, and lists of numbers are what many
/// devices say of themselves.
pub(crate) fn push_decimal(out: &mut String, mut number: u64) {
    // the longest has 20 digits
    let mut digits = [0_u8; 20];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        length += 1;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(20 - length).map(|digit| char::from(*digit)));
}

/// Printable ASCII from end to end, and something at all.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| matches!(b, b' '..=b'~'))
}

/// Runs of at least `shortest` printable characters, in order, without the blanks around them: the names inside a message
/// whose layout nobody has published.
pub(crate) fn runs(bytes: &[u8], shortest: usize) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|b| !matches!(b, b' '..=b'~'))
        .map(<[u8]>::trim_ascii)
        .filter(move |run| run.len() >= shortest)
}

/// Numbers joined by commas.
pub(crate) fn join_decimal(codes: impl IntoIterator<Item = u8>) -> String {
    let mut out = String::new();
    for code in codes {
        if out.len() + 4 > MAX_VALUE_BYTES {
            break;
        }
        if !out.is_empty() {
            out.push(',');
        }
        push_decimal(&mut out, code.into());
    }
    out
}

/// The names of the bits that are set, joined by commas; a set with none of them is its number.
pub(crate) fn flags<B: Copy + Into<u32>>(table: &[(B, &str)], bits: u32) -> String {
    let named: Vec<_> =
        table.iter().filter(|(bit, _)| bits & (*bit).into() != 0).map(|(_, name)| *name).collect();
    if named.is_empty() && bits != 0 {
        return format!("{bits:#x}");
    }
    named.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(clean(b"  Hue Bridge\0\0\0"), Cow::Borrowed("Hue Bridge")));
        assert!(matches!(clean(b"\0\0"), Cow::Borrowed("")));
    }

    #[test]
    fn controls_go_and_lines_stay_apart() {
        assert_eq!(clean(b"IOS 12.2\r\nCopyright\x07 (c)\x1b[0m"), "IOS 12.2 Copyright (c)[0m");
        assert_eq!(clean("caf\u{e9}\u{85}".as_bytes()), "caf\u{e9}");
        assert_eq!(clean(b"\xff\xfeabc"), "\u{fffd}\u{fffd}abc");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = "é".repeat(1000);
        let cut = clean(long.as_bytes());
        assert_eq!(cut.len(), MAX_VALUE_BYTES);
        assert!(cut.chars().all(|c| c == 'é'));
        assert_eq!(clean(&[b'a'; 5000]).len(), MAX_VALUE_BYTES);
    }

    #[test]
    fn hexadecimal_and_lists() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(join_decimal([1, 3, 255]), "1,3,255");
        assert_eq!(hex(&[0; 4000]).len(), MAX_VALUE_BYTES);
        for number in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
            let mut out = "x".to_owned();
            push_decimal(&mut out, number);
            assert_eq!(out, format!("x{number}"));
        }
    }

    #[test]
    fn runs_of_text_between_other_bytes() {
        let found: Vec<_> = runs(b"\x00\x02SP1101W\x00 ab \xffEDIMAX", 3).collect();
        assert_eq!(found, [&b"SP1101W"[..], b"EDIMAX"]);
    }
}
