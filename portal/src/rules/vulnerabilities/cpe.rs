//! CPE names as formatted strings (NISTIR 7695 §6.2): `cpe:2.3:part:vendor:product:version:update:edition:language:
//! sw_edition:target_sw:target_hw:other`.
//!
//! A backslash takes the meaning from the character after it. Unescaped, `*` alone is any value and `-` none; within a
//! value `*` stands for any number of characters and `?` for one, at its beginning and end only. Punctuation that the
//! specification wants escaped and that means nothing here is taken as it stands: dictionaries hold such names.

/// Components of a name after `cpe:2.3`.
const COMPONENTS: usize = 11;

/// What kind of thing a name is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Software.
    Application,
    /// An operating system or firmware.
    System,
    /// Hardware.
    Hardware,
    /// Any of them.
    Any,
}

/// One component's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Any value fits (`*`).
    Any,
    /// There is none (`-`).
    Na,
    /// This one.
    Text(Pattern),
}

/// What may stand at one end of a text in place of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    No,
    /// Any number of characters.
    Many,
    /// Up to this many.
    Upto(usize),
}

/// A text, perhaps open at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What is written, lower case, escapes resolved.
    pub text: String,
    before: Open,
    after: Open,
}

impl Pattern {
    /// Whether either end is open.
    pub fn is_open(&self) -> bool {
        self.before != Open::No || self.after != Open::No
    }

    /// Whether this text, in any case, is meant.
    pub fn fits(&self, other: &str) -> bool {
        let other = other.to_lowercase();
        let other: Vec<char> = other.chars().collect();
        let written: Vec<char> = self.text.chars().collect();
        let Some(room) = other.len().checked_sub(written.len()) else { return false };
        (0..=room).any(|at| {
            let rest = room - at;
            admits(self.before, at) && admits(self.after, rest) && other[at..at + written.len()] == written
        })
    }
}

fn admits(open: Open, count: usize) -> bool {
    match open {
        Open::No => count == 0,
        Open::Many => true,
        Open::Upto(most) => count <= most,
    }
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpe {
    /// What kind of thing.
    pub part: Part,
    /// Who made it.
    pub vendor: Value,
    /// What it is called.
    pub product: Value,
    /// Which version.
    pub version: Value,
    /// Which update or patch level of that version.
    pub update: Value,
    /// Edition, language, software edition, target software, target hardware, other.
    pub further: Vec<Value>,
}

/// Why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CpeError {
    /// Not of this form.
    #[error("it does not start with cpe:2.3:")]
    Prefix,
    /// Too few or too many components.
    #[error("it has {0} components instead of 11")]
    Components(usize),
    /// A kind of thing that is not known.
    #[error("its part \"{0}\" is none of a, o, h, * and -")]
    Part(String),
    /// A backslash with nothing after it.
    #[error("a backslash stands at the end of component {0}")]
    Escape(usize),
    /// A wildcard where none may be.
    #[error("an unescaped * or ? stands inside component {0}")]
    Wildcard(usize),
    /// Nothing where a value must be.
    #[error("component {0} is empty")]
    Empty(usize),
}

impl std::str::FromStr for Cpe {
    type Err = CpeError;

    fn from_str(text: &str) -> Result<Self, CpeError> {
        let rest = text.strip_prefix("cpe:2.3:").ok_or(CpeError::Prefix)?;
        let components = split(rest);
        if components.len() != COMPONENTS {
            return Err(CpeError::Components(components.len()));
        }
        let part = match components[0].as_str() {
            "a" => Part::Application,
            "o" => Part::System,
            "h" => Part::Hardware,
            "*" | "-" => Part::Any,
            other => return Err(CpeError::Part(other.to_owned())),
        };
        let mut values = components.iter().enumerate().skip(1).map(|(at, text)| value(at + 1, text));
        let mut next = || values.next().unwrap_or(Err(CpeError::Components(0)));
        let (vendor, product, version, update) = (next()?, next()?, next()?, next()?);
        let further = values.collect::<Result<_, _>>()?;
        Ok(Self { part, vendor, product, version, update, further })
    }
}

/// The parts between colons that no backslash precedes; backslashes stay.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            ':' if !escaped => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    parts
}

fn value(at: usize, text: &str) -> Result<Value, CpeError> {
    match text {
        "" => return Err(CpeError::Empty(at)),
        "*" => return Ok(Value::Any),
        "-" => return Ok(Value::Na),
        _ => {}
    }
    // characters with whether a backslash took their meaning
    let mut glyphs = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => glyphs.push((chars.next().ok_or(CpeError::Escape(at))?, true)),
            c => glyphs.push((c, false)),
        }
    }
    let wild = |glyph: &(char, bool)| matches!(glyph, ('*' | '?', false));
    let leading = glyphs.iter().take_while(|g| wild(g)).count();
    let trailing = glyphs[leading..].iter().rev().take_while(|g| wild(g)).count();
    let (before, rest) = glyphs.split_at(leading);
    let (written, after) = rest.split_at(rest.len() - trailing);
    if written.iter().any(wild) {
        return Err(CpeError::Wildcard(at));
    }
    Ok(Value::Text(Pattern {
        text: written.iter().flat_map(|(c, _)| c.to_lowercase()).collect(),
        before: open(before, at)?,
        after: open(after, at)?,
    }))
}

/// `*` once, or any number of `?`.
fn open(glyphs: &[(char, bool)], at: usize) -> Result<Open, CpeError> {
    match glyphs {
        [] => Ok(Open::No),
        [('*', _)] => Ok(Open::Many),
        ones if ones.iter().all(|(c, _)| *c == '?') => Ok(Open::Upto(ones.len())),
        _ => Err(CpeError::Wildcard(at)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn version(text: &str) -> Value {
        format!("cpe:2.3:o:vendor:product:{text}:*:*:*:*:*:*:*").parse::<Cpe>().unwrap().version
    }

    fn fits(pattern: &str, text: &str) -> bool {
        match version(pattern) {
            Value::Text(pattern) => pattern.fits(text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn escapes_lose_their_backslash_and_colons_within_stay() {
        let cpe: Cpe =
            r"cpe:2.3:o:Acme\:Works:fritz\!box_7590_firmware:15.2\(4\)m\\x:-:*:*:*:*:*:*".parse().unwrap();
        let text = |value: &Value| match value {
            Value::Text(pattern) => pattern.text.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(text(&cpe.vendor), "acme:works");
        assert_eq!(text(&cpe.product), "fritz!box_7590_firmware");
        assert_eq!(text(&cpe.version), r"15.2(4)m\x");
        assert_eq!((cpe.part, cpe.update, cpe.further.len()), (Part::System, Value::Na, 6));
    }

    #[test]
    fn any_and_none_are_not_texts_unless_escaped() {
        assert_eq!((version("*"), version("-")), (Value::Any, Value::Na));
        assert!(fits(r"\*", "*") && !fits(r"\*", "1"));
        assert!(fits(r"\-", "-") && !fits(r"\-", ""));
    }

    #[test]
    fn wildcards_stand_for_many_or_for_single_characters_at_the_ends() {
        assert!(fits("5.*", "5.1") && fits("5.*", "5.") && !fits("5.*", "6.5."));
        assert!(fits("*.5", "1.5") && !fits("*.5", "1.50"));
        assert!(fits("1.?", "1.2") && fits("1.?", "1.") && !fits("1.?", "1.23"));
        assert!(fits("??a*", "xa") && fits("??a*", "xyabc") && !fits("??a*", "xyza"));
        assert!(fits("R5", "r5"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, expected) in [
            ("cpe:/o:a:b", CpeError::Prefix),
            ("cpe:2.3:o:a:b:1", CpeError::Components(4)),
            ("cpe:2.3:o:a:b:1:*:*:*:*:*:*:*:*", CpeError::Components(12)),
            ("cpe:2.3:x:a:b:1:*:*:*:*:*:*:*", CpeError::Part("x".into())),
            ("cpe:2.3:o::b:1:*:*:*:*:*:*:*", CpeError::Empty(2)),
            (r"cpe:2.3:o:a:b:1:*:*:*:*:*:*:x\", CpeError::Escape(11)),
            ("cpe:2.3:o:a:b*c:1:*:*:*:*:*:*:*", CpeError::Wildcard(3)),
            ("cpe:2.3:o:a:b:**1:*:*:*:*:*:*:*", CpeError::Wildcard(4)),
        ] {
            assert_eq!(text.parse::<Cpe>().unwrap_err(), expected, "{text}");
        }
    }
}
