//! Published vulnerabilities (NVD's CVE lists, CISA's list of exploited ones) and which devices have them.
//!
//! `nvd` and `kev` read the files, `cpe` and `version` what stands in them, `configuration` holds it against a device's
//! names (`product`). Nothing here knows a database. Every match says how sure it is and why: what a sensor sees from
//! outside is seldom all that a list asks about.

pub mod configuration;
pub mod cpe;
pub mod file;
pub mod kev;
pub mod nvd;
pub mod product;
pub mod version;

use configuration::Configuration;
use product::{Names, Product};

macro_rules! confidences {
    ($($(#[$doc:meta])* $confidence:ident = $name:literal, $title:literal;)+) => {
        /// How sure a match is, the surest first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Confidence { $($(#[$doc])* $confidence),+ }

        impl Confidence {
            /// Every one, the surest first.
            pub const ALL: &'static [Self] = &[$(Self::$confidence),+];

            /// Name for machines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$confidence => $name),+ }
            }

            /// Name for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$confidence => $title),+ }
            }
        }
    };
}

confidences! {
    /// The device's version is one of those listed.
    ExactVersion = "exact_version", "Exact version";
    /// Every version of the model is listed, or none is named.
    ModelOnly = "model_only", "Vendor and model only";
    /// The model is listed, and whether its version is affected cannot be said.
    VersionUnknown = "version_unknown", "Version unknown";
}

impl Confidence {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// Its place among all of them.
    pub fn rank(self) -> i64 {
        self as i64
    }

    /// The one at this place; what a later version wrote counts as the least sure.
    pub fn ranked(rank: i64) -> Self {
        usize::try_from(rank).ok().and_then(|at| Self::ALL.get(at)).copied().unwrap_or(Self::VersionUnknown)
    }
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// How sure.
    pub confidence: Confidence,
    /// Why, in a sentence.
    pub why: String,
}

/// Whether a device has a vulnerability.
pub fn fit(configurations: &[Configuration], names: &Names) -> Option<Fit> {
    configuration::fit(configurations, names)
}

/// How bad a CVSS score is (CVSS 3.1 §5; the earlier and later scales use the same words).
pub fn severity(score: f64) -> &'static str {
    match score {
        s if s >= 9.0 => "critical",
        s if s >= 7.0 => "high",
        s if s >= 4.0 => "medium",
        s if s > 0.0 => "low",
        _ => "none",
    }
}

/// The severities, the worst first, with the lowest score of each in tenths.
pub const SEVERITIES: [(&str, i64); 5] =
    [("critical", 90), ("high", 70), ("medium", 40), ("low", 1), ("none", 0)];

/// Whether a text is a CVE's name.
pub fn is_cve(text: &str) -> bool {
    let mut parts = text.split('-');
    let digits = |part: Option<&str>, least: usize, most: usize| {
        part.is_some_and(|p| (least..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    parts.next() == Some("CVE")
        && digits(parts.next(), 4, 4)
        && digits(parts.next(), 4, 10)
        && parts.next().is_none()
}

/// What is looked up: a device without a vendor, or with neither model nor system, is in no list.
pub fn can_be_listed(product: &Product) -> bool {
    let names = Names::of(product);
    names.vendors().next().is_some() && names.products().next().is_some()
}

#[cfg(test)]
mod tests;
