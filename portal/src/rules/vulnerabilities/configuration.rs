//! Where a vulnerability applies, as NVD's JSON 2.0 says it: configurations of nodes of criteria, held against a device.
//!
//! The answer has three values. A criterion about another product does not hold. One about this product holds, or does
//! not, by its version; where the device's version (or its hardware revision, or its edition) is not known, it may hold.
//! AND is the weakest of its parts, OR the strongest.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::cpe::{Cpe, CpeError, Part, Value};
use super::product::{key, product_key, Names, Running};
use super::version::Version;
use super::{Confidence, Fit};

/// How parts are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operator {
    /// All of them.
    And,
    /// Any of them.
    #[default]
    Or,
}

/// A configuration: nodes that apply together.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Configuration {
    /// How the nodes are joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operator: Operator,
    /// Whether the opposite is meant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub negate: bool,
    /// Its nodes.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// A node: criteria.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Node {
    /// How the criteria are joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operator: Operator,
    /// Whether the opposite is meant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub negate: bool,
    /// Its criteria.
    #[serde(default, rename = "cpeMatch")]
    pub criteria: Vec<Criterion>,
}

/// A product, with its version or a range of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Criterion {
    /// Whether this is what is vulnerable, or only where it must run.
    pub vulnerable: bool,
    /// The name.
    #[serde(rename = "criteria")]
    pub name: String,
    /// From this version on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_start_including: Option<String>,
    /// After this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_start_excluding: Option<String>,
    /// Up to this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_end_including: Option<String>,
    /// Before this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_end_excluding: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Maybe,
    Yes,
}

/// An answer, with the vulnerable criteria that led to it.
struct Judged {
    holds: Holds,
    because: Vec<Fit>,
}

impl Judged {
    fn no() -> Self {
        Self { holds: Holds::No, because: Vec::new() }
    }
}

/// Whether a device is where a vulnerability applies, and why.
pub(super) fn fit(configurations: &[Configuration], names: &Names) -> Option<Fit> {
    let whole = join(
        Operator::Or,
        false,
        configurations.iter().map(|one| {
            join(
                one.operator,
                one.negate,
                one.nodes.iter().map(|node| {
                    join(
                        node.operator,
                        node.negate,
                        node.criteria.iter().map(|criterion| criterion.judge(names)),
                    )
                }),
            )
        }),
    );
    let sure = whole.holds == Holds::Yes;
    let mut best = whole.because.into_iter().min_by_key(|fit| fit.confidence)?;
    match (whole.holds, sure || best.confidence == Confidence::VersionUnknown) {
        (Holds::No, _) => return None,
        (_, true) => {}
        // its own version is known, and something it must run on is not
        (_, false) => {
            best.confidence = Confidence::VersionUnknown;
            best.why.push_str("; whether it runs where the flaw applies is not known");
        }
    }
    Some(best)
}

fn join(operator: Operator, negate: bool, parts: impl Iterator<Item = Judged>) -> Judged {
    let mut all = parts.collect::<Vec<_>>();
    if operator == Operator::Or {
        all.retain(|part| part.holds != Holds::No);
    }
    let each = all.iter().map(|part| part.holds);
    let holds = match operator {
        Operator::And => each.min(),
        Operator::Or => each.max(),
    }
    .unwrap_or(Holds::No);
    match (negate, holds) {
        (false, Holds::No) => Judged::no(),
        // of what may hold and what does, the latter is the reason
        (false, holds) => {
            let wanted = |part: &Judged| operator == Operator::And || part.holds == holds;
            let because = all.into_iter().filter(wanted).flat_map(|part| part.because).collect();
            Judged { holds, because }
        }
        (true, Holds::No) => Judged { holds: Holds::Yes, because: Vec::new() },
        (true, Holds::Maybe) => Judged { holds: Holds::Maybe, because: Vec::new() },
        (true, Holds::Yes) => Judged::no(),
    }
}

impl Criterion {
    /// The name.
    ///
    /// # Errors
    /// It is none.
    pub fn cpe(&self) -> Result<Cpe, CpeError> {
        self.name.parse()
    }

    /// Vendor and product as they are looked up; `None` for a name that means more than one product.
    pub fn keys(cpe: &Cpe) -> Option<(String, String)> {
        match (&cpe.vendor, &cpe.product) {
            (Value::Text(vendor), Value::Text(product)) if !vendor.is_open() && !product.is_open() => {
                Some((key(&vendor.text), product_key(&product.text).0))
            }
            _ => None,
        }
    }

    fn judge(&self, names: &Names) -> Judged {
        let judged = self.cpe().ok().and_then(|cpe| Some((self.about(&cpe, names)?, cpe)));
        let Some((about, cpe)) = judged else { return Judged::no() };
        let (holds, confidence, why) = match about {
            About::Thing => self.revision(&cpe),
            About::Running(version) => self.version(&cpe, version),
        };
        let because = match self.vulnerable && holds != Holds::No {
            true => vec![Fit { confidence, why }],
            false => Vec::new(),
        };
        Judged { holds, because }
    }

    /// What of the device the name is about.
    fn about<'a>(&self, cpe: &Cpe, names: &'a Names) -> Option<About<'a>> {
        let (vendor, product) = Self::keys(cpe)?;
        if !names.vendors.contains(&vendor) {
            return None;
        }
        if names.models.contains(&product) {
            // old entries give the firmware's versions to the thing itself
            return Some(match cpe.part == Part::Hardware && !self.has_range() {
                true => About::Thing,
                false => About::Running(names.firmware.as_ref()),
            });
        }
        let system = names.systems.iter().find(|system| system.products.contains(&product))?;
        (cpe.part != Part::Hardware).then_some(About::Running(Some(&system.version)))
    }

    fn has_range(&self) -> bool {
        self.bounds().iter().any(|(bound, _, _)| bound.is_some())
    }

    /// Each bound, what compares well with it, and how it is said.
    fn bounds(&self) -> [(Option<&String>, &'static [Ordering], &'static str); 4] {
        use Ordering::{Equal, Greater, Less};
        [
            (self.version_start_including.as_ref(), &[Equal, Greater], "from"),
            (self.version_start_excluding.as_ref(), &[Greater], "after"),
            (self.version_end_including.as_ref(), &[Equal, Less], "up to"),
            (self.version_end_excluding.as_ref(), &[Less], "before"),
        ]
    }

    /// A thing: its revision is nothing that is seen from the network.
    fn revision(&self, cpe: &Cpe) -> (Holds, Confidence, String) {
        match &cpe.version {
            Value::Any | Value::Na => (
                Holds::Yes,
                Confidence::ModelOnly,
                "vendor and model are listed, without a version".to_owned(),
            ),
            Value::Text(revision) => (
                Holds::Maybe,
                Confidence::VersionUnknown,
                format!("hardware revision {} is listed, the device's is not known", revision.text),
            ),
        }
    }

    fn version(&self, cpe: &Cpe, running: Option<&Running>) -> (Holds, Confidence, String) {
        let listed = match (&cpe.version, self.has_range()) {
            (Value::Any | Value::Na, false) => {
                let why = "vendor and model are listed, without a version".to_owned();
                return (Holds::Yes, Confidence::ModelOnly, why);
            }
            (_, true) => {
                let said =
                    self.bounds().into_iter().filter_map(|(bound, _, how)| Some(format!("{how} {}", bound?)));
                said.collect::<Vec<_>>().join(", ")
            }
            (Value::Text(version), false) => version.text.clone(),
        };
        let unknown = |what: &str| {
            let why = format!("versions listed: {listed}; {what}");
            (Holds::Maybe, Confidence::VersionUnknown, why)
        };
        let Some(running) = running else { return unknown("the device's is not known") };
        let within = match (&cpe.version, self.has_range()) {
            (_, true) => self.within(running),
            (Value::Text(version), false) if version.fits(&running.text) => Some(true),
            (Value::Text(version), false) if version.is_open() => Some(false),
            (Value::Text(version), false) => {
                let other = Version::read(&version.text);
                let both = running.version.as_ref().zip(other.as_ref());
                both.map(|(own, other)| own.compare(other) == Ordering::Equal)
            }
            (Value::Any | Value::Na, false) => Some(true),
        };
        let own = &running.text;
        match (within, self.qualified(cpe, own)) {
            (Some(false), _) => (Holds::No, Confidence::ExactVersion, String::new()),
            (None, _) => unknown(&format!("the device's \"{own}\" cannot be compared with them")),
            (Some(true), Some(qualifier)) => {
                unknown(&format!("the device's is {own}, and whether it is {qualifier} is not known"))
            }
            (Some(true), None) => (
                Holds::Yes,
                Confidence::ExactVersion,
                format!("the device's version {own} is listed: {listed}"),
            ),
        }
    }

    /// Whether the version is within the bounds; `None` if it cannot be said.
    fn within(&self, running: &Running) -> Option<bool> {
        let own = running.version.as_ref()?;
        let mut within = true;
        for (bound, good, _) in self.bounds() {
            let Some(bound) = bound else { continue };
            within &= good.contains(&own.compare(&Version::read(bound)?));
        }
        Some(within)
    }

    /// What the name asks beyond the version and the device does not tell.
    fn qualified(&self, cpe: &Cpe, own: &str) -> Option<String> {
        let mut asked = cpe.further.iter().filter_map(|value| match value {
            Value::Text(text) => Some(text.text.clone()),
            Value::Any | Value::Na => None,
        });
        match &cpe.update {
            Value::Text(update) if !key(own).ends_with(&key(&update.text)) => Some(update.text.clone()),
            _ => asked.next(),
        }
    }
}

/// What of a device a criterion is about.
enum About<'a> {
    /// The thing itself.
    Thing,
    /// What runs on it, in this version if it is known.
    Running(Option<&'a Running>),
}
