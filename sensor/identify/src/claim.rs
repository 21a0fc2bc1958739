//! One claim about one attribute, on its way from a rule to the resolution.

use eyot_contract::{Attribute, Evidence, Nature, Timestamp};

/// A claim with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// About what.
    pub attribute: Attribute,
    /// The claim.
    pub value: String,
    /// Where on the wire it was read.
    pub source: &'static str,
    /// What was read there.
    pub seen: String,
    /// The rule that made it.
    pub rule: String,
    /// Declared or inferred.
    pub nature: Nature,
    /// How sure it is by itself.
    pub confidence: f32,
    /// When the reading was last made.
    pub last_seen: Timestamp,
}

impl Claim {
    /// The part of the source before the dot: two claims of one protocol are one witness.
    pub fn witness(&self) -> &'static str {
        self.source.split_once('.').map_or(self.source, |(protocol, _)| protocol)
    }

    /// The claim as the device record keeps it.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            attribute: self.attribute,
            value: self.value.clone(),
            source: self.source.to_owned(),
            seen: self.seen.clone(),
            rule: self.rule.clone(),
            nature: self.nature,
            confidence: self.confidence,
            first_seen: None,
            last_seen: None,
        }
    }
}
