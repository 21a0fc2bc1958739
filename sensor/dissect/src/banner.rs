//! First lines of text protocols, which several protocols here have in common.

use crate::flow::{Stream, Verdict};
use crate::readings::Readings;
use crate::Field;

/// Longest line waited for: RFC 4253 allows 255 bytes, RFC 5321 512.
const MAX_LINE: usize = 512;

/// The first line without its end; `None` while it is not whole.
pub(crate) fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    bytes.get(..end).map(<[u8]>::trim_ascii_end)
}

/// Gives the first line of a direction, without `prefix`, once it is whole. The connection may go on as another
/// protocol, so it is not given up; later lines that look like a greeting are answers and not given.
pub(crate) fn say_line(
    stream: &Stream<'_>,
    prefix: &[u8],
    field: Field,
    readings: &mut Readings<'_>,
) -> Verdict {
    if !stream.first {
        return Verdict::Message;
    }
    match line(stream.bytes) {
        Some(text) => {
            readings.bytes(field, text.strip_prefix(prefix).unwrap_or(text));
            Verdict::Message
        }
        None if stream.last || stream.bytes.len() >= MAX_LINE => Verdict::NotMine,
        None => Verdict::More(stream.bytes.len() + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line() {
        assert_eq!(line(b"SSH-2.0-dropbear\r\nmore"), Some(&b"SSH-2.0-dropbear"[..]));
        assert_eq!(line(b"SSH-2.0-drop"), None);
        assert_eq!(line(b""), None);
    }
}
