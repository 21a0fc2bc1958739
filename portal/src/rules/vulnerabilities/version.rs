//! Versions of firmware as devices and vulnerability lists write them, and which of two is newer.
//!
//! A version is a row of numbers and words: `V5.5.0 build 170724` is 5, 5, 0, build, 170724. Numbers compare by value,
//! words as texts; a missing number is 0. A word that announces a release (`rc`, `beta`) comes before the release itself,
//! a single letter after it (`1.0a`). Any other word (`build`, `rel`) tells builds of one version apart: where one side
//! has none, the two are the same version.

use std::cmp::Ordering;

/// Words that announce a release.
const BEFORE: [&str; 7] = ["alpha", "beta", "dev", "pre", "preview", "rc", "snapshot"];
/// Most pieces that are looked at.
const MAX_PIECES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Without leading zeros: longer is larger.
    Number(String),
    Word(String),
}

/// A version.
#[derive(Clone, Debug)]
pub struct Version(Vec<Piece>);

impl Version {
    /// Reads what can be compared: everything from the first number on. `None` where there is no number.
    pub fn read(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = &text[start..];
        while let Some(first) = rest.chars().next() {
            let number = first.is_ascii_digit();
            let same = |c: char| match number {
                true => c.is_ascii_digit(),
                false => c.is_alphabetic(),
            };
            let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            match (piece.is_empty(), number) {
                (true, _) => {
                    rest = rest.strip_prefix(first).unwrap_or_default();
                    continue;
                }
                (false, true) => pieces.push(Piece::Number(piece.trim_start_matches('0').to_owned())),
                (false, false) => pieces.push(Piece::Word(piece.to_lowercase())),
            }
            if pieces.len() == MAX_PIECES {
                break;
            }
            rest = after;
        }
        Some(Self(pieces))
    }

    /// Which comes first.
    pub fn compare(&self, other: &Self) -> Ordering {
        for at in 0..self.0.len().max(other.0.len()) {
            let order = match (self.0.get(at), other.0.get(at)) {
                (Some(one), Some(two)) => between(one, two),
                (Some(more), None) => match beyond(more) {
                    Some(order) => order,
                    None => return Ordering::Equal,
                },
                (None, Some(more)) => match beyond(more) {
                    Some(order) => order.reverse(),
                    None => return Ordering::Equal,
                },
                (None, None) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

fn between(one: &Piece, two: &Piece) -> Ordering {
    match (one, two) {
        (Piece::Number(a), Piece::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Piece::Word(a), Piece::Word(b)) => announces(b).cmp(&announces(a)).then_with(|| a.cmp(b)),
        // 1.0.1 against 1.0rc1, against 1.0a: a further number is a later version than any word
        (Piece::Number(_), Piece::Word(_)) => Ordering::Greater,
        (Piece::Word(_), Piece::Number(_)) => Ordering::Less,
    }
}

fn announces(word: &str) -> bool {
    BEFORE.contains(&word)
}

/// How a version that goes on with this compares to one that ends; `None` where they are builds of the same.
fn beyond(piece: &Piece) -> Option<Ordering> {
    match piece {
        Piece::Number(digits) if digits.is_empty() => Some(Ordering::Equal),
        Piece::Number(_) => Some(Ordering::Greater),
        Piece::Word(word) if announces(word) => Some(Ordering::Less),
        Piece::Word(word) if word.chars().count() == 1 => Some(Ordering::Greater),
        Piece::Word(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newer_of_two_versions() {
        use Ordering::{Equal, Greater, Less};
        for (one, two, expected) in [
            ("9.80", "9.80.1", Less),
            ("10.0", "9.80", Greater),
            ("1.9", "1.10", Less),
            ("5.50", "5.5", Greater),
            ("6.0", "6", Equal),
            ("6.0.0.1", "6", Greater),
            ("v1.02", "1.2", Equal),
            ("1.0rc1", "1.0", Less),
            ("1.0-beta", "1.0a", Less),
            ("1.0a", "1.0", Greater),
            ("1.0a", "1.0b", Less),
            ("1.0.1", "1.0rc2", Greater),
            ("V5.5.0 build 170724", "5.5.0", Equal),
            ("V5.5.0 build 170724", "5.5.0_build_170725", Less),
            ("V5.5.0 build 170724", "5.5.1", Less),
            ("15.2(4)M3", "15.2\u{28}4\u{29}m3", Equal),
            ("15.2(4)M3", "15.2(4)M10", Less),
            ("20210101", "9.0", Greater),
            ("123456789012345678901234567890", "99999999999999999999", Greater),
        ] {
            let (a, b) = (Version::read(one).unwrap(), Version::read(two).unwrap());
            assert_eq!(a.compare(&b), expected, "{one} {two}");
            assert_eq!(b.compare(&a), expected.reverse(), "{two} {one}");
        }
    }

    #[test]
    fn what_holds_no_number_is_no_version() {
        assert!(Version::read("latest").is_none() && Version::read("").is_none());
        assert!(Version::read(&"1.".repeat(10_000)).is_some());
    }
}
