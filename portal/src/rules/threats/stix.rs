//! STIX 2.1 bundles (OASIS): the indicators whose pattern (§9) one observed address or name decides.

use std::collections::BTreeMap;

use eyot_contract::Timestamp;
use serde::Deserialize;

use super::{Entry, Format, ListError, ThreatList};

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: String,
    pattern: Option<String>,
    pattern_type: Option<String>,
    #[serde(default)]
    revoked: bool,
    valid_until: Option<String>,
}

pub(super) fn read(text: &str, now: Timestamp) -> Result<ThreatList, ListError> {
    let bundle: Bundle = serde_json::from_str(text).map_err(|e| ListError::Bundle {
        line: e.line(),
        column: e.column(),
        reason: match e.classify() {
            serde_json::error::Category::Data => "a property is missing or of the wrong kind".to_owned(),
            _ => "the JSON is broken".to_owned(),
        },
    })?;
    if bundle.kind != "bundle" {
        let reason = "its type is not \"bundle\"".to_owned();
        return Err(ListError::Bundle { line: 1, column: 1, reason });
    }
    let mut list = ThreatList { format: Format::Stix, entries: BTreeMap::new(), left_out: 0 };
    for object in bundle.objects.into_iter().filter(|o| o.kind == "indicator") {
        let wrong =
            |reason| ListError::Indicator { line: line_of(text, &object.id), id: shown(&object.id), reason };
        let Some(pattern) = &object.pattern else { return Err(wrong("has no pattern")) };
        let until = match &object.valid_until {
            None => None,
            Some(until) => Some(
                serde_json::from_value(until.clone().into())
                    .map_err(|_| wrong("has a valid_until that is no time"))?,
            ),
        };
        let other_language = object.pattern_type.as_deref().is_some_and(|t| t != "stix");
        if object.revoked || other_language || until.is_some_and(|until| until <= now) {
            list.left_out += 1;
            continue;
        }
        if !pattern.trim_start().starts_with('[') {
            return Err(wrong("has a pattern that does not start with ["));
        }
        match entries(pattern) {
            Some(entries) => {
                for entry in entries {
                    // listed twice, it holds as long as the longer of the two
                    list.entries
                        .entry(entry.to_string())
                        .and_modify(|kept| *kept = kept.zip(until).map(|(a, b)| a.max(b)))
                        .or_insert(until);
                }
            }
            None => list.left_out += 1,
        }
    }
    Ok(list)
}

/// Where an object's id stands. An id occurs first where its object is, or where another refers to it: near enough.
fn line_of(text: &str, id: &str) -> usize {
    let at = text.find(&format!("\"id\": \"{id}\"")).or_else(|| text.find(id)).unwrap_or(0);
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}

fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// Addresses and names of a pattern that any one of them fulfils. `None` for every other pattern.
fn entries(pattern: &str) -> Option<Vec<Entry>> {
    let tokens = tokens(pattern)?;
    let mut at = tokens.iter().filter(|t| !matches!(t, Token::Mark('[' | ']')));
    let mut found = Vec::new();
    loop {
        let Some(Token::Word(path)) = at.next() else { return None };
        let known = matches!(
            path.as_str(),
            "ipv4-addr:value"
                | "ipv6-addr:value"
                | "domain-name:value"
                | "network-traffic:dst_ref.value"
                | "network-traffic:src_ref.value"
        );
        if !known {
            return None;
        }
        match at.next()? {
            Token::Mark('=') => found.push(text(at.next()?)?),
            Token::Word(word) if word.eq_ignore_ascii_case("ISSUBSET") => found.push(text(at.next()?)?),
            Token::Word(word) if word.eq_ignore_ascii_case("IN") => {
                (at.next()? == &Token::Mark('(')).then_some(())?;
                loop {
                    found.push(text(at.next()?)?);
                    match at.next()? {
                        Token::Mark(',') => {}
                        Token::Mark(')') => break,
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        match at.next() {
            None => return Some(found),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("OR") => {}
            Some(_) => return None,
        }
    }
}

fn text(token: &Token) -> Option<Entry> {
    match token {
        Token::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let (mut tokens, mut chars) = (Vec::new(), pattern.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        '\\' => text.push(chars.next()?),
                        other => text.push(other),
                    }
                }
                tokens.push(Token::Text(text));
            }
            '[' | ']' | '(' | ')' | ',' | '=' => tokens.push(Token::Mark(c)),
            c if c.is_whitespace() => {}
            c if c.is_ascii_alphanumeric() => {
                let mut word = String::from(c);
                while let Some(next) =
                    chars.next_if(|n| n.is_ascii_alphanumeric() || matches!(n, '-' | '_' | ':' | '.'))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bundle(objects: &[&str]) -> String {
        format!(
            "{{\"type\": \"bundle\", \"id\": \"bundle--1\",\n\"objects\": [\n{}\n]}}",
            objects.join(",\n")
        )
    }

    fn indicator(pattern: &str, more: &str) -> String {
        format!(
            r#"{{"type": "indicator", "id": "indicator--1", "pattern": "{pattern}", "pattern_type": "stix"{more}}}"#
        )
    }

    #[test]
    fn patterns_that_one_observation_decides() {
        let all = [
            indicator("[ipv4-addr:value = '198.51.100.1']", ""),
            indicator(
                "[ipv4-addr:value = '198.51.100.2'] OR [domain-name:value IN ('a.example', 'b.example')]",
                "",
            ),
            indicator("[network-traffic:dst_ref.value ISSUBSET '203.0.113.0/24']", ""),
            indicator("[ipv4-addr:value = '198.51.100.8']", r#", "valid_until": "2999-01-01T00:00:00Z""#),
            indicator("[ipv4-addr:value = '198.51.100.7']", r#", "valid_until": "2020-01-01T00:00:00Z""#),
            indicator("[ipv4-addr:value = '198.51.100.6']", r#", "revoked": true"#),
            indicator("[ipv4-addr:value = '198.51.100.5' AND domain-name:value = 'c.example']", ""),
            indicator("[ipv4-addr:value != '198.51.100.4']", ""),
            indicator("[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']", ""),
            r#"{"type": "malware", "name": "x"}"#.to_owned(),
        ];
        let now = Timestamp::from_seconds(1_790_000_000);
        let list = read(&bundle(&all.each_ref().map(String::as_str)), now).unwrap();
        let names: Vec<_> = list.entries.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["198.51.100.1", "198.51.100.2", "198.51.100.8", "203.0.113.0/24", "a.example", "b.example"]
        );
        assert_eq!(list.left_out, 5);
        assert!(list.entries["198.51.100.8"].is_some() && list.entries["198.51.100.1"].is_none());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let message = |text: &str| read(text, Timestamp(0)).unwrap_err().to_string();
        assert!(message("{\"type\": \"bundle\",\n  \"objects\": [}").starts_with("line 2, column "));
        assert!(message(r#"{"type": "indicator"}"#).ends_with("its type is not \"bundle\""));
        let bad = bundle(&[r#"{"type": "indicator", "id": "indicator--9"}"#]);
        assert_eq!(message(&bad), "line 3: the indicator indicator--9 has no pattern");
        let bad = bundle(&[&indicator("[ipv4-addr:value = '198.51.100.1']", r#", "valid_until": "soon""#)]);
        assert_eq!(message(&bad), "line 3: the indicator indicator--1 has a valid_until that is no time");
    }
}
