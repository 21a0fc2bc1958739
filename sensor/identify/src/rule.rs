//! One rule: where it looks, what it matches, what it claims, and the examples that prove it.
//!
//! Two shapes, as for every configuration of the house: as written in TOML (unknown keys refused) and as meant (every
//! name resolved, every default filled in). `rules/README.md` explains the written one to its writers.

use eyot_contract::{Attribute, DeviceType, Nature};
use serde::Deserialize;

use crate::pattern::Pattern;
use crate::place::Place;
use crate::tables::{self, Table};

/// How sure a claim is where neither the rule nor its file says so.
const DEFAULT_CONFIDENCE: f32 = 0.8;

/// A rule as meant.
#[derive(Debug)]
pub struct Rule {
    /// Stable name, `family.what`; evidence cites it.
    pub id: String,
    /// Where it looks.
    pub places: Vec<Place>,
    /// What it matches there.
    pub matcher: Matcher,
    /// What it claims when it matches.
    pub claims: Vec<ClaimTemplate>,
    /// Every one of these must match somewhere too.
    pub when: Vec<Condition>,
    /// None of these may match anywhere.
    pub unless: Vec<Condition>,
    /// Readings that must match, with what must come out.
    pub examples: Vec<Example>,
    /// Readings that must not match.
    pub counter_examples: Vec<String>,
}

impl Rule {
    /// Whether it has conditions about what other rules claim.
    pub(crate) fn asks_about_claims(&self) -> bool {
        self.when.iter().chain(&self.unless).any(|condition| condition.place.is_claim())
    }
}

/// How a reading is compared. Nothing here is case-sensitive.
#[derive(Debug)]
pub enum Matcher {
    /// A regular expression somewhere in the reading.
    Pattern(Pattern),
    /// The reading is one of these, lower case.
    Equals(Vec<String>),
    /// The reading is one of these domains or a name below it, lower case.
    Domains(Vec<String>),
}

/// One claim of a rule.
#[derive(Debug)]
pub struct ClaimTemplate {
    /// About what.
    pub attribute: Attribute,
    /// The claim, with `${…}` for what the pattern captured.
    pub value: String,
    /// Whether the device says it or we conclude it.
    pub nature: Nature,
    /// How sure, 0 to 1.
    pub confidence: f32,
    /// Whether the captured text is put into capitals (host names lose the case of a model).
    pub upper: bool,
    /// Where the captured text is a number: the table with the name for it. A number that is not in it claims nothing.
    pub table: Option<&'static Table>,
}

/// Something that must, or must not, hold beside the match.
#[derive(Debug)]
pub struct Condition {
    /// Where.
    pub place: Place,
    /// What.
    pub pattern: Pattern,
}

/// A reading with what must come out of it.
#[derive(Debug)]
pub struct Example {
    /// The reading.
    pub seen: String,
    /// Readings elsewhere that the rule's conditions need.
    pub beside: Vec<(Place, String)>,
    /// Claims that must come out, exactly.
    pub expected: Vec<(Attribute, String)>,
}

/// Why a rule cannot be used. Rules are compiled in, so this is a mistake of ours that a test finds.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It names a field that does not exist.
    #[error("rule {rule}: there is no field \"{name}\"")]
    Field {
        /// The rule.
        rule: String,
        /// The field's name as written.
        name: String,
    },
    /// It claims a type that does not exist.
    #[error("rule {rule}: {message}")]
    Type {
        /// The rule.
        rule: String,
        /// What is wrong.
        message: String,
    },
    /// Something else that a rule must have or must not have.
    #[error("rule {rule}: {what}")]
    Shape {
        /// The rule.
        rule: String,
        /// What.
        what: &'static str,
    },
}

/// A rule file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenFile {
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    nature: Option<Nature>,
    #[serde(default)]
    confidence: Option<f32>,
    rule: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    id: String,
    #[serde(default)]
    fields: Vec<String>,
    pattern: Option<String>,
    #[serde(default)]
    equals: Vec<String>,
    #[serde(default)]
    domains: Vec<String>,
    hostname: Option<WrittenClaim>,
    vendor: Option<WrittenClaim>,
    model: Option<WrittenClaim>,
    r#type: Option<WrittenClaim>,
    os: Option<WrittenClaim>,
    firmware: Option<WrittenClaim>,
    serial: Option<WrittenClaim>,
    nature: Option<Nature>,
    confidence: Option<f32>,
    #[serde(default)]
    when: Vec<WrittenCondition>,
    #[serde(default)]
    unless: Vec<WrittenCondition>,
    #[serde(default)]
    examples: Vec<WrittenExample>,
    #[serde(default)]
    not: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenClaim {
    Value(String),
    Full(FullClaim),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullClaim {
    value: String,
    nature: Option<Nature>,
    confidence: Option<f32>,
    #[serde(default)]
    upper: bool,
    table: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCondition {
    field: String,
    pattern: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenExample {
    Seen(String),
    Full(Box<FullExample>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullExample {
    seen: String,
    #[serde(default)]
    beside: Vec<Beside>,
    hostname: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    r#type: Option<String>,
    os: Option<String>,
    firmware: Option<String>,
    serial: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    field: String,
    seen: String,
}

impl WrittenFile {
    /// The rules as meant, in the file's order.
    pub(crate) fn into_rules(self) -> Result<Vec<Rule>, RuleError> {
        let defaults = Defaults {
            fields: self.fields,
            nature: self.nature.unwrap_or(Nature::Inferred),
            confidence: self.confidence.unwrap_or(DEFAULT_CONFIDENCE),
        };
        self.rule.into_iter().map(|written| written.into_rule(&defaults)).collect()
    }
}

struct Defaults {
    fields: Vec<String>,
    nature: Nature,
    confidence: f32,
}

impl WrittenRule {
    fn into_rule(self, defaults: &Defaults) -> Result<Rule, RuleError> {
        let id = self.id;
        let names = if self.fields.is_empty() { &defaults.fields } else { &self.fields };
        let places = names.iter().map(|name| place(&id, name)).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() {
            return Err(RuleError::Shape { rule: id, what: "it looks at no field" });
        }
        let lower = |names: Vec<String>| names.into_iter().map(|n| n.to_lowercase()).collect::<Vec<_>>();
        let matcher = match (self.pattern, self.equals.is_empty(), self.domains.is_empty()) {
            (Some(pattern), true, true) => Matcher::Pattern(Pattern::new(pattern)),
            (None, false, true) => Matcher::Equals(lower(self.equals)),
            (None, true, false) => Matcher::Domains(lower(self.domains)),
            _ => {
                return Err(RuleError::Shape {
                    rule: id,
                    what: "it needs one of pattern, equals and domains",
                })
            }
        };
        let nature = self.nature.unwrap_or(defaults.nature);
        let confidence = self.confidence.unwrap_or(defaults.confidence);
        let mut claims = Vec::new();
        for (attribute, written) in [
            (Attribute::Hostname, self.hostname),
            (Attribute::Vendor, self.vendor),
            (Attribute::Model, self.model),
            (Attribute::Type, self.r#type),
            (Attribute::Os, self.os),
            (Attribute::Firmware, self.firmware),
            (Attribute::Serial, self.serial),
        ] {
            let Some(written) = written else { continue };
            let claim = written.into_template(&id, attribute, nature, confidence)?;
            if attribute == Attribute::Type {
                claim
                    .value
                    .parse::<DeviceType>()
                    .map_err(|message| RuleError::Type { rule: id.clone(), message })?;
            }
            if !(claim.confidence > 0.0 && claim.confidence <= 1.0) {
                return Err(RuleError::Shape { rule: id, what: "a confidence lies above 0 and up to 1" });
            }
            claims.push(claim);
        }
        if claims.is_empty() {
            return Err(RuleError::Shape { rule: id, what: "it claims nothing" });
        }
        let conditions = |written: Vec<WrittenCondition>| {
            written
                .into_iter()
                .map(|c| Ok(Condition { place: place(&id, &c.field)?, pattern: Pattern::new(c.pattern) }))
                .collect::<Result<Vec<_>, RuleError>>()
        };
        let when = conditions(self.when)?;
        let unless = conditions(self.unless)?;
        let examples =
            self.examples.into_iter().map(|e| e.into_example(&id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Rule { places, matcher, claims, when, unless, examples, counter_examples: self.not, id })
    }
}

impl WrittenClaim {
    fn into_template(
        self,
        rule: &str,
        attribute: Attribute,
        nature: Nature,
        confidence: f32,
    ) -> Result<ClaimTemplate, RuleError> {
        let full = match self {
            Self::Value(value) => {
                FullClaim { value, nature: None, confidence: None, upper: false, table: None }
            }
            Self::Full(full) => full,
        };
        let table = match full.table {
            None => None,
            Some(name) => match tables::table(&name) {
                Some(table) => Some(table),
                None => {
                    return Err(RuleError::Shape { rule: rule.to_owned(), what: "its table does not exist" })
                }
            },
        };
        Ok(ClaimTemplate {
            attribute,
            value: full.value,
            nature: full.nature.unwrap_or(nature),
            confidence: full.confidence.unwrap_or(confidence),
            upper: full.upper,
            table,
        })
    }
}

impl WrittenExample {
    fn into_example(self, rule: &str) -> Result<Example, RuleError> {
        let full = match self {
            Self::Seen(seen) => return Ok(Example { seen, beside: Vec::new(), expected: Vec::new() }),
            Self::Full(full) => *full,
        };
        let beside = full
            .beside
            .into_iter()
            .map(|b| Ok((place(rule, &b.field)?, b.seen)))
            .collect::<Result<Vec<_>, RuleError>>()?;
        let expected = [
            (Attribute::Hostname, full.hostname),
            (Attribute::Vendor, full.vendor),
            (Attribute::Model, full.model),
            (Attribute::Type, full.r#type),
            (Attribute::Os, full.os),
            (Attribute::Firmware, full.firmware),
            (Attribute::Serial, full.serial),
        ];
        let expected =
            expected.into_iter().filter_map(|(attribute, value)| Some((attribute, value?))).collect();
        Ok(Example { seen: full.seen, beside, expected })
    }
}

fn place(rule: &str, name: &str) -> Result<Place, RuleError> {
    Place::from_name(name).ok_or_else(|| RuleError::Field { rule: rule.to_owned(), name: name.to_owned() })
}
