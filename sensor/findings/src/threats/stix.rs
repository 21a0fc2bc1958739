//! STIX 2.1 bundles (OASIS, section 8 and the pattern grammar of section 9): indicators whose pattern is decided by one
//! observation, an address or a name alone or one of several.
//!
//! A pattern that joins its parts with AND, FOLLOWEDBY or NOT says that none of them alone is bad, and is left out.

use eyot_contract::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Indicator;

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "type")]
    kind: BundleType,
    #[serde(default)]
    objects: Vec<Value>,
}

#[derive(Deserialize)]
enum BundleType {
    #[serde(rename = "bundle")]
    Bundle,
}

#[derive(Deserialize)]
struct Written {
    pattern: String,
    #[serde(default)]
    pattern_type: Option<String>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    valid_until: Option<Timestamp>,
}

/// Gives each indicator's entries, or `None` for one that cannot be used; how many are revoked or past their time.
pub(super) fn read(
    bytes: &[u8],
    now: Timestamp,
    put: &mut impl FnMut(Option<Indicator>),
) -> Result<u64, serde_json::Error> {
    let bundle: Bundle = serde_json::from_slice(bytes)?;
    let BundleType::Bundle = bundle.kind;
    let mut outdated = 0;
    for object in bundle.objects {
        if object.get("type").and_then(Value::as_str) != Some("indicator") {
            continue;
        }
        let Ok(written) = serde_json::from_value::<Written>(object) else {
            put(None);
            continue;
        };
        if written.revoked || written.valid_until.is_some_and(|until| until <= now) {
            outdated += 1;
            continue;
        }
        let is_stix = written.pattern_type.as_deref().is_none_or(|t| t == "stix");
        match pattern(&written.pattern).filter(|entries| is_stix && !entries.is_empty()) {
            Some(entries) => entries.into_iter().for_each(|entry| put(Some(entry))),
            None => put(None),
        }
    }
    Ok(outdated)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// The entries of `[path op literal OR …] OR […]`; `None` for anything else.
fn pattern(text: &str) -> Option<Vec<Indicator>> {
    let tokens = tokens(text)?;
    let mut tokens =
        tokens.iter().filter(|t| !matches!(t, Token::Sign('[' | ']' | '(' | ')' | ','))).peekable();
    let mut entries = Vec::new();
    loop {
        let Some(Token::Word(path)) = tokens.next() else { return None };
        let known = matches!(path.as_str(), "ipv4-addr:value" | "ipv6-addr:value" | "domain-name:value")
            || (path.starts_with("network-traffic:") && path.ends_with("_ref.value"));
        if !known {
            return None;
        }
        let listed = match tokens.next()? {
            Token::Sign('=') => false,
            Token::Word(word) if word == "IN" => true,
            Token::Word(word) if word == "ISSUBSET" => false,
            _ => return None,
        };
        let mut count = 0;
        while let Some(Token::Text(value)) = tokens.next_if(|t| matches!(t, Token::Text(_))) {
            count += 1;
            if listed || count == 1 {
                entries.push(value.parse().ok()?);
            }
        }
        if count == 0 {
            return None;
        }
        match tokens.next() {
            None => return Some(entries),
            Some(Token::Word(word)) if word == "OR" => {}
            Some(_) => return None,
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' => {
                let mut literal = String::new();
                loop {
                    match chars.next()? {
                        '\\' => literal.push(chars.next()?),
                        '\'' => break,
                        c => literal.push(c),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            '[' | ']' | '(' | ')' | ',' | '=' => tokens.push(Token::Sign(c)),
            c if c.is_ascii_alphanumeric() => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || ":._-".contains(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            // `!=`, `<`, quoted path parts: not decided here
            _ => return None,
        }
    }
    Some(tokens)
}
