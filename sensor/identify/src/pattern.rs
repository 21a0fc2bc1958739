//! Patterns of rules: regular expressions without case, over bytes.
//!
//! Bytes rather than characters, because Unicode's case folding and classes make the automata of hundreds of patterns ten
//! times as large and everything that rules look for is ASCII; text around it may be anything. Compiled when first asked,
//! because most patterns never are: a set of all patterns of a place (see `book`) says which ones match.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

/// Compiled size of one set of patterns, bytes; the largest today takes a small part of it.
const SET_LIMIT: usize = 64 << 20;
/// Memory for the states of one set's automaton, which are made as texts ask for them; when it is full they are made anew.
const STATES_LIMIT: usize = 4 << 20;

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
///
/// One automaton that is made while it runs, built from regex-automata's parts and not with `regex`'s set: that one also looks
/// for literals to search first and compiles everything a second time backwards, which for short readings only takes
/// time at the start.
#[derive(Default)]
pub(crate) struct PatternSet {
    sources: Vec<String>,
    compiled: OnceLock<Automaton>,
}

struct Automaton {
    dfa: DFA,
    /// What searches need to write in.
    scratch: Mutex<(Cache, regex_automata::PatternSet)>,
}

impl PatternSet {
    pub(crate) fn push(&mut self, pattern: &Pattern) {
        self.sources.push(pattern.source.clone());
    }

    /// Which of them match, by the order they were pushed in.
    pub(crate) fn matches(&self, text: &str) -> Vec<usize> {
        if self.sources.is_empty() {
            return Vec::new();
        }
        let Automaton { dfa, scratch } = self.compiled.get_or_init(|| match self.compile() {
            Ok(automaton) => automaton,
            Err(error) => panic!("a compiled-in set of patterns is wrong, which the tests rule out: {error}"),
        });
        let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let (cache, found) = &mut *scratch;
        found.clear();
        if let Err(error) = dfa.try_which_overlapping_matches(cache, &Input::new(text), found) {
            panic!("a set of patterns gave up, which it is not allowed to: {error}");
        }
        found.iter().map(|pattern| pattern.as_usize()).collect()
    }

    fn compile(&self) -> Result<Automaton, Box<dyn std::error::Error>> {
        let dfa = DFA::builder()
            .configure(
                Config::new()
                    .match_kind(MatchKind::All)
                    .cache_capacity(STATES_LIMIT)
                    .skip_cache_capacity_check(true),
            )
            .syntax(syntax::Config::new().case_insensitive(true).unicode(false).utf8(false))
            .thompson(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(SET_LIMIT))
                    .which_captures(WhichCaptures::None),
            )
            .build_many(&self.sources)?;
        let scratch = (dfa.create_cache(), regex_automata::PatternSet::new(dfa.pattern_len()));
        Ok(Automaton { dfa, scratch: Mutex::new(scratch) })
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sources.fmt(f)
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
        assert_eq!(set.matches("A-B"), [0, 1]);
    }
}
