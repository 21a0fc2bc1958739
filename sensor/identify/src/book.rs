//! All rules, indexed by where they look, and the matching of one reading against them.
//!
//! A reading is held against one set (all patterns of its place at once) and two hash tables (exact values and
//! domains), so the cost does not grow with the number of cloud names and service types.

use std::collections::HashMap;
use std::sync::OnceLock;

use eyot_contract::Attribute;
use regex::bytes::Captures;

use crate::brand;
use crate::pattern::PatternSet;
use crate::place::Place;
use crate::rule::{ClaimTemplate, Condition, Matcher, Rule, RuleError, WrittenFile};

/// The rule files, by family. The order has no meaning for the result.
const FILES: &[(&str, &str)] = &[
    ("banners", include_str!("../rules/banners.toml")),
    ("claim", include_str!("../rules/claim.toml")),
    ("cloud", include_str!("../rules/cloud.toml")),
    ("dhcp", include_str!("../rules/dhcp.toml")),
    ("discovery", include_str!("../rules/discovery.toml")),
    ("http", include_str!("../rules/http.toml")),
    ("industry", include_str!("../rules/industry.toml")),
    ("lldp", include_str!("../rules/lldp.toml")),
    ("mdns", include_str!("../rules/mdns.toml")),
    ("medical", include_str!("../rules/medical.toml")),
    ("names", include_str!("../rules/names.toml")),
    ("neighbours", include_str!("../rules/neighbours.toml")),
    ("network", include_str!("../rules/network.toml")),
    ("oui", include_str!("../rules/oui.toml")),
    ("printing", include_str!("../rules/printing.toml")),
    ("services", include_str!("../rules/services.toml")),
    ("sip", include_str!("../rules/sip.toml")),
    ("snmp", include_str!("../rules/snmp.toml")),
    ("tcp", include_str!("../rules/tcp.toml")),
    ("tls", include_str!("../rules/tls.toml")),
    ("upnp", include_str!("../rules/upnp.toml")),
    ("windows", include_str!("../rules/windows.toml")),
    ("wsd", include_str!("../rules/wsd.toml")),
];

/// Captured texts that fill a field without saying anything.
const PLACEHOLDERS: &[&str] = &[
    "unspecified",
    "unknown",
    "none",
    "(none)",
    "null",
    "n/a",
    "na",
    "default",
    "default string",
    "localhost",
    "user",
    "to be filled by o.e.m.",
    "system manufacturer",
    "system product name",
    "not specified",
    "undefined",
    "no",
    "yes",
    "generic",
    "(null)",
    "model",
    "product",
];

/// Every rule of this build.
#[derive(Debug)]
pub struct RuleBook {
    rules: Vec<Rule>,
    shelves: HashMap<Place, Shelf>,
}

/// Why a rule file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleBookError {
    /// It is not TOML of the expected shape.
    #[error("rules/{file}.toml")]
    Syntax {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A rule in it is wrong.
    #[error("rules/{file}.toml")]
    Rule {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<RuleError>,
    },
    /// Two rules have the same name.
    #[error("rules/{file}.toml: there are two rules \"{rule}\"")]
    Twice {
        /// The file of the second one.
        file: &'static str,
        /// The name.
        rule: String,
    },
}

/// The rules that this build carries, parsed on first use.
///
/// # Panics
/// When a compiled-in rule file is wrong, which the crate's tests rule out.
pub fn rules() -> &'static RuleBook {
    static BOOK: OnceLock<RuleBook> = OnceLock::new();
    BOOK.get_or_init(|| match RuleBook::compiled_in() {
        Ok(book) => book,
        Err(error) => panic!("the compiled-in rules are wrong: {error:?}"),
    })
}

/// Rules of one place.
#[derive(Debug, Default)]
struct Shelf {
    set: PatternSet,
    patterns: Vec<usize>,
    exact: HashMap<String, Vec<usize>>,
    domains: HashMap<String, Vec<usize>>,
    asks_about_claims: bool,
}

/// What a rule says about one reading.
#[derive(Debug)]
pub(crate) struct Finding<'b> {
    pub rule: &'b Rule,
    pub template: &'b ClaimTemplate,
    pub value: String,
}

impl RuleBook {
    /// Reads the files compiled into this build.
    fn compiled_in() -> Result<Self, RuleBookError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (file, text) in FILES.iter().copied() {
            let written: WrittenFile = toml::from_str(text)
                .map_err(|source| RuleBookError::Syntax { file, source: Box::new(source) })?;
            let meant = written
                .into_rules()
                .map_err(|source| RuleBookError::Rule { file, source: Box::new(source) })?;
            for rule in meant {
                if rules.iter().any(|r| r.id == rule.id) {
                    return Err(RuleBookError::Twice { file, rule: rule.id });
                }
                rules.push(rule);
            }
        }
        Ok(Self { shelves: shelves(&rules), rules })
    }

    /// Every rule, in no meaningful order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none; never in a build that passed its tests.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule of that name.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Whether any rule looks at that place: what no rule reads need not be kept for identification.
    pub fn reads(&self, place: Place) -> bool {
        self.shelves.contains_key(&place)
    }

    /// Whether a rule of that place has conditions about claims.
    pub(crate) fn asks_about_claims(&self, place: Place) -> bool {
        self.shelves.get(&place).is_some_and(|shelf| shelf.asks_about_claims)
    }

    /// Everything that the rules say about `seen` at `place`; `holds` answers whether a condition is met by the
    /// device's other readings.
    pub(crate) fn findings<'b>(
        &'b self,
        place: Place,
        seen: &str,
        holds: &dyn Fn(&Condition) -> bool,
        found: &mut Vec<Finding<'b>>,
    ) {
        let Some(shelf) = self.shelves.get(&place) else { return };
        let mut hits: Vec<usize> = shelf.set.matches(seen).into_iter().map(|at| shelf.patterns[at]).collect();
        if !shelf.exact.is_empty() || !shelf.domains.is_empty() {
            let lower = seen.to_lowercase();
            hits.extend(shelf.exact.get(&lower).into_iter().flatten());
            if !shelf.domains.is_empty() {
                hits.extend(suffixes(&lower).filter_map(|name| shelf.domains.get(name)).flatten());
            }
        }
        for rule in hits.into_iter().map(|at| &self.rules[at]) {
            if rule.when.iter().all(holds) && !rule.unless.iter().any(holds) {
                rule.findings(seen, found);
            }
        }
    }
}

impl Rule {
    /// The claims that come out of a reading which matches.
    fn findings<'b>(&'b self, seen: &str, found: &mut Vec<Finding<'b>>) {
        let captures = match &self.matcher {
            Matcher::Pattern(pattern) => pattern.captures(seen),
            Matcher::Equals(_) | Matcher::Domains(_) => None,
        };
        for template in &self.claims {
            let value = match &captures {
                Some(captures) if template.value.contains('$') => match captured(template, captures) {
                    Some(value) => value,
                    None => continue,
                },
                _ => template.value.clone(),
            };
            found.push(Finding { rule: self, template, value });
        }
    }
}

/// The claim with the captured text in it; nothing where that text is missing or a mere placeholder.
fn captured(template: &ClaimTemplate, captures: &Captures<'_>) -> Option<String> {
    let mut groups = captures.iter().skip(1).flatten();
    if groups.all(|group| is_placeholder(&tidy(&String::from_utf8_lossy(group.as_bytes())))) {
        return None;
    }
    let mut value = Vec::new();
    captures.expand(template.value.as_bytes(), &mut value);
    let mut value = tidy(&String::from_utf8_lossy(&value));
    if let Some(table) = template.table {
        value = (*table.get(value.as_str())?).to_owned();
    }
    let value = match template.attribute {
        Attribute::Vendor => brand::canonical(&value),
        _ if template.upper => value.to_uppercase(),
        _ => value,
    };
    (!is_placeholder(&value)).then_some(value)
}

fn is_placeholder(text: &str) -> bool {
    text.is_empty() || PLACEHOLDERS.contains(&text.to_lowercase().as_str())
}

fn shelves(rules: &[Rule]) -> HashMap<Place, Shelf> {
    let mut shelves: HashMap<Place, Shelf> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        for place in rule.places.iter().copied() {
            let shelf = shelves.entry(place).or_default();
            shelf.asks_about_claims |= rule.asks_about_claims();
            match &rule.matcher {
                Matcher::Pattern(pattern) => {
                    shelf.patterns.push(at);
                    shelf.set.push(pattern);
                }
                Matcher::Equals(values) => {
                    for value in values {
                        shelf.exact.entry(value.clone()).or_default().push(at);
                    }
                }
                Matcher::Domains(names) => {
                    for name in names {
                        shelf.domains.entry(name.clone()).or_default().push(at);
                    }
                }
            }
        }
    }
    shelves
}

/// The name and all its parents: `a.b.c`, `b.c`, `c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
}

/// Outer blanks and quotes off, inner runs of blanks to one, empty brackets away.
fn tidy(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    words.join(" ").trim_matches([' ', '"', ',', ';', '/', '_']).to_owned()
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
