//! Patterns of rules: regular expressions without case, over bytes.
//!
//! Bytes rather than characters, because Unicode's case folding and classes make the automata of hundreds of patterns ten
//! times as large and everything that rules look for is ASCII; text around it may be anything. Compiled when first asked,
//! because most patterns never are: a set of all patterns of a place (see `book`) says which ones match.

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Compiled size of one set of patterns, bytes; the largest today takes a small part of it.
const SET_LIMIT: usize = 64 << 20;

/// One pattern.
pub struct Pattern {
    source: String,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    /// A pattern as written. Whether it can be compiled shows in [`Pattern::check`].
    pub fn new(source: String) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it compiles; the crate's tests ask it of every rule.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn check(&self) -> Result<(), Box<regex::Error>> {
        self.compile().map(|_| ()).map_err(Box::new)
    }

    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex().is_match(text.as_bytes())
    }

    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex().captures(text.as_bytes())
    }

    fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| match self.compile() {
            Ok(regex) => regex,
            Err(error) => panic!("a compiled-in pattern is wrong, which the tests rule out: {error}"),
        })
    }

    fn compile(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.source).case_insensitive(true).unicode(false).build()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// Many patterns at once.
#[derive(Debug, Default)]
pub(crate) struct PatternSet {
    sources: Vec<String>,
    compiled: OnceLock<RegexSet>,
}

impl PatternSet {
    pub(crate) fn push(&mut self, pattern: &Pattern) {
        self.sources.push(pattern.source.clone());
    }

    /// Which of them match, by the order they were pushed in.
    pub(crate) fn matches(&self, text: &str) -> impl Iterator<Item = usize> {
        self.set().matches(text.as_bytes()).into_iter()
    }

    fn set(&self) -> &RegexSet {
        self.compiled.get_or_init(|| {
            let set = RegexSetBuilder::new(&self.sources)
                .case_insensitive(true)
                .unicode(false)
                .size_limit(SET_LIMIT)
                .build();
            match set {
                Ok(set) => set,
                Err(error) => {
                    panic!("a compiled-in set of patterns is wrong, which the tests rule out: {error}")
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_nothing_and_bytes_are_bytes() {
        let pattern = Pattern::new("^caf(.+)$".to_owned());
        assert!(pattern.check().is_ok() && pattern.is_match("CAFé"));
        let captured = pattern.captures("CAFé").map(|c| String::from_utf8_lossy(&c[1]).into_owned());
        assert_eq!(captured.as_deref(), Some("é"));
        assert!(Pattern::new("(".to_owned()).check().is_err());
    }

    #[test]
    fn a_set_tells_which() {
        let mut set = PatternSet::default();
        for source in ["^a", "b$", "x"] {
            set.push(&Pattern::new(source.to_owned()));
        }
        assert_eq!(set.matches("A-B").collect::<Vec<_>>(), [0, 1]);
    }
}
