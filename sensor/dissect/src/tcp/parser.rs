//! The header of a segment that opens a connection (RFC 9293 section 3.1), its options (RFC 7323, RFC 2018), put into one
//! line: `64:mss*20:mss,sok,ts,nop,ws7`.
//!
//! First the hop limit that the sender started from, which is the next of the four that systems use; then the window, in
//! units of the largest segment where it is a multiple of it, since such systems choose it that way; then the options in
//! their order. The largest segment itself follows from the link and is left out. So one system says the same of itself
//! on every connection that it asks for.

use crate::cursor::Cursor;
use crate::value::push_decimal;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// The header without options, in bytes.
const HEADER: usize = 20;

/// Kinds of options.
const END: u8 = 0;
const NOTHING: u8 = 1;
const LARGEST_SEGMENT: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SELECTIVE_PERMITTED: u8 = 4;
const TIMESTAMPS: u8 = 8;

/// Longest line: forty options of one byte, four letters each, and what stands before them.
const CAPACITY: usize = 192;

/// What became of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Opening {
        /// The sender agrees; otherwise it asks.
        agreed: bool,
        text: String,
    },
    /// Options go on beyond the bytes.
    CutShort,
    /// No system opens a connection like this: something that looks for answers does.
    Nonsense,
}

pub(super) fn parse(bytes: &[u8], hop_limit: u8) -> Parsed {
    let Some([_, _, _, _, _, _, _, _, _, _, _, _, offset, flags, w0, w1, _, _, _, _]) =
        bytes.first_chunk::<HEADER>()
    else {
        return Parsed::CutShort;
    };
    if flags & (FIN | SYN | RST) != SYN {
        return Parsed::Nonsense;
    }
    let Some(options) = bytes.get(HEADER..usize::from(offset >> 4) * 4) else { return Parsed::CutShort };
    let window = u16::from_be_bytes([*w0, *w1]);
    let mut text = String::with_capacity(CAPACITY);
    push_decimal(&mut text, started_from(hop_limit).into());
    text.push(':');
    match largest_segment(options).filter(|largest| window > 0 && window % largest == 0) {
        Some(largest) => {
            text.push_str("mss*");
            push_decimal(&mut text, (window / largest).into());
        }
        None => push_decimal(&mut text, window.into()),
    }
    text.push(':');
    match push_options(&mut text, options) {
        Some(()) => Parsed::Opening { agreed: flags & ACK != 0, text },
        None => Parsed::Nonsense,
    }
}

/// A largest segment below this is a test's: any window is a multiple of it. RFC 9293 section 3.7.1 has 536 as the least
/// that everybody takes over IPv4.
const SMALLEST_UNIT: u16 = 100;

/// The hop limit that a packet was sent with, from what is left of it. Systems start from one of these four.
fn started_from(left: u8) -> u8 {
    match left {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        129..=255 => 255,
    }
}

/// One option: its kind and its value, without the length between them.
fn option<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let kind = cursor.u8()?;
    if matches!(kind, END | NOTHING) {
        return Some((kind, &[]));
    }
    let length = usize::from(cursor.u8()?).checked_sub(2)?;
    Some((kind, cursor.take(length)?))
}

/// The largest segment among the options, if it can be a unit.
fn largest_segment(bytes: &[u8]) -> Option<u16> {
    let mut cursor = Cursor::new(bytes);
    loop {
        match option(&mut cursor)? {
            (LARGEST_SEGMENT, value) => {
                return Cursor::new(value).u16().filter(|size| *size >= SMALLEST_UNIT)
            }
            (END, _) => return None,
            _ => {}
        }
    }
}

/// The options in their order; nothing where they make no sense.
fn push_options(text: &mut String, bytes: &[u8]) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_empty() {
        if cursor.len() < bytes.len() {
            text.push(',');
        }
        match option(&mut cursor)? {
            (END, _) => {
                text.push_str("eol");
                return Some(());
            }
            (NOTHING, _) => text.push_str("nop"),
            (LARGEST_SEGMENT, _) => text.push_str("mss"),
            (WINDOW_SCALE, value) => {
                text.push_str("ws");
                push_decimal(text, (*value.first()?).into());
            }
            (SELECTIVE_PERMITTED, _) => text.push_str("sok"),
            (TIMESTAMPS, _) => text.push_str("ts"),
            (other, _) => {
                text.push('?');
                push_decimal(text, other.into());
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tcp::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    /// Options as systems send them.
    const LINUX: &[u8] = &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    const DARWIN: &[u8] = &[2, 4, 5, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2, 0, 0];
    const WINDOWS: &[u8] = &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2];

    fn segment(flags: u8, window: u16, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend([((HEADER + options.len()) / 4 * 16) as u8, flags]);
        bytes.extend(window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(options);
        bytes
    }

    fn said(bytes: &[u8], hop_limit: u8) -> Said {
        let mut packet = packet(bytes);
        packet.hop_limit = Some(hop_limit);
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn systems_differ_in_window_and_order() {
        let line =
            |window, options, hops| said(&segment(SYN, window, options), hops).all(Field::TcpSyn).join(" ");
        assert_eq!(line(64_240, LINUX, 64), "64:mss*44:mss,sok,ts,nop,ws7");
        assert_eq!(line(65_535, DARWIN, 61), "64:65535:mss,nop,ws6,nop,nop,ts,sok,eol");
        assert_eq!(line(8_192, WINDOWS, 128), "128:8192:mss,nop,ws8,nop,nop,sok");
        assert_eq!(line(4_128, &[2, 4, 2, 0x18], 254), "255:4128:mss");
        assert_eq!(line(0, &[], 1), "32:0:");
        assert_eq!(line(512, &[253, 4, 1, 2], 64), "64:512:?253");
    }

    #[test]
    fn an_answer_is_told_apart_from_a_question() {
        let answer = said(&segment(SYN | ACK, 28_960, LINUX), 64);
        assert_eq!(answer.pairs(), [(Field::TcpSynAck, "64:28960:mss,sok,ts,nop,ws7")]);
    }

    #[test]
    fn what_no_system_sends_says_nothing() {
        for flags in [SYN | FIN, SYN | RST, ACK] {
            assert!(said(&segment(flags, 1024, LINUX), 64).pairs().is_empty());
        }
        // an option shorter than itself, and one that goes on beyond the header
        for options in [&[2, 1, 5, 0xb4][..], &[2, 8, 5, 0xb4]] {
            assert!(said(&segment(SYN, 1024, options), 64).pairs().is_empty());
        }
    }

    #[test]
    fn half_a_list_is_not_told() {
        let whole = segment(SYN, 64_240, LINUX);
        assert_eq!(parse(&whole[..30], 64), Parsed::CutShort);
        assert_eq!(parse(&whole[..10], 64), Parsed::CutShort);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&segment(SYN, 64_240, LINUX), |bytes| {
            said(bytes, 64);
        });
    }
}
