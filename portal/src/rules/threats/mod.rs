//! Threat lists as people upload them, read into entries that sensors compare with.
//!
//! A list is a STIX 2.1 bundle where its first character is `{`, else plain lines: the two forms that sensors read from
//! files of their own. Sensors are given plain lines made of all active lists. What is well formed and cannot be compared
//! with (addresses of pages, patterns of several observations) is left out and counted; what is malformed refuses the
//! list, by its line.

mod entry;
mod stix;

use std::collections::BTreeMap;

use eyot_contract::Timestamp;

pub use entry::Entry;

/// Most lists kept.
pub const MAX_LISTS: i64 = 50;
/// Most entries of all lists together: what a sensor takes.
pub const MAX_ENTRIES: usize = 500_000;
/// Longest name of a list, in characters.
pub const MAX_NAME: usize = 80;

/// In what form a list was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines.
    Plain,
    /// STIX 2.1 (OASIS) bundle.
    Stix,
}

impl Format {
    /// Name in the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stix => "stix",
        }
    }
}

/// What a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreatList {
    /// Its form.
    pub format: Format,
    /// Each entry with the moment until which it holds; `None` for always.
    pub entries: BTreeMap<String, Option<Timestamp>>,
    /// Lines or indicators that cannot be compared with.
    pub left_out: i64,
}

/// Why a list is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// A line that is no entry.
    #[error("line {line}: \"{text}\" is not an address, network or host name")]
    Line {
        /// 1-based.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// Not JSON, or not a bundle.
    #[error("line {line}, column {column}: this is not a STIX 2.1 bundle: {reason}")]
    Bundle {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What was expected.
        reason: String,
    },
    /// An indicator that cannot be read.
    #[error("line {line}: the indicator {id} {reason}")]
    Indicator {
        /// 1-based: where its id stands.
        line: usize,
        /// Its id.
        id: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Nothing in it.
    #[error("the list has no entry that a sensor can compare with ({0} left out)")]
    Empty(i64),
    /// Too much in it.
    #[error("the list has more than {MAX_ENTRIES} entries")]
    TooLong,
}

/// Reads a list.
///
/// # Errors
/// [`ListError`]; nothing of such a list is taken.
pub fn read(text: &str, now: Timestamp) -> Result<ThreatList, ListError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let list = if text.trim_start().starts_with('{') { stix::read(text, now)? } else { plain(text)? };
    match list.entries.len() {
        0 => Err(ListError::Empty(list.left_out)),
        1..=MAX_ENTRIES => Ok(list),
        _ => Err(ListError::TooLong),
    }
}

fn plain(text: &str) -> Result<ThreatList, ListError> {
    let mut list = ThreatList { format: Format::Plain, entries: BTreeMap::new(), left_out: 0 };
    for (at, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with("//") || line.starts_with('!') {
            continue;
        }
        let mut columns =
            line.split([' ', '\t', ',']).map(|c| c.trim().trim_matches('"')).filter(|c| !c.is_empty());
        let Some(first) = columns.next() else { continue };
        // hosts files name the host behind an address that leads nowhere
        let sinkhole =
            first.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_loopback());
        let text = if sinkhole { columns.next().unwrap_or_default() } else { first };
        match text.parse::<Entry>() {
            Ok(entry) => {
                list.entries.insert(entry.to_string(), None);
            }
            // the page may be bad and its host everybody's; hosts files name the machine itself, too
            Err(()) if sinkhole || text.contains("://") => list.left_out += 1,
            Err(()) => {
                let text = text.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(ListError::Line { line: at + 1, text });
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(text: &str) -> Vec<String> {
        read(text, Timestamp(0)).unwrap().entries.into_keys().collect()
    }

    #[test]
    fn plain_lists_in_the_forms_that_go_around() {
        let text =
            "# feed\n203.0.113.7 ; seen\n198.51.100.0/24,high\n0.0.0.0 bad.example\n*.Worse[.]example.\n\
                    2001:DB8::1\n\n203.0.113.7\n";
        assert_eq!(
            entries(text),
            ["198.51.100.0/24", "2001:db8::1", "203.0.113.7", "bad.example", "worse.example"]
        );
        let list = read("https://x.example/a\n10.0.0.1\n", Timestamp(0)).unwrap();
        assert_eq!((list.entries.len(), list.left_out), (1, 1));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, message) in [
            ("10.0.0.1\n\nhello world\n", "line 3: \"hello\" is not an address, network or host name"),
            ("10.0.0.0/3", "line 1: \"10.0.0.0/3\" is not an address, network or host name"),
            ("a..example", "line 1: \"a..example\" is not an address, network or host name"),
            ("# nothing\n", "the list has no entry that a sensor can compare with (0 left out)"),
        ] {
            assert_eq!(read(text, Timestamp(0)).unwrap_err().to_string(), message);
        }
    }
}
