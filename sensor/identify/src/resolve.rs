//! From many claims to one answer per attribute, or to none. A wrong answer costs more than none.
//!
//! The order, per attribute:
//!
//! 1. **Candidates.** Claims that agree are one candidate. Values agree when they are the same but for case and
//!    punctuation; vendors also when one's words stand in the other (Philips, Philips/Signify); models also when one
//!    begins the other (HS100, HS100(EU)).
//! 2. **Score.** Within one witness (protocol) the strongest claim counts; different witnesses reinforce each other as
//!    independent ones: `1 − Π(1 − c)`, at most [`CERTAIN`].
//! 3. **Declared beats inferred.** A candidate with a declared claim goes before one with inferred claims only, if it
//!    passes the threshold by itself. Within the same nature the higher score goes first, then the later reading, then
//!    the alphabet (so that the answer does not depend on the order of the facts).
//! 4. **A more exact type beats the general one** that it is a kind of (a NAS is a server, a laptop is a workstation),
//!    unless it is only inferred and the general one declared; the general claim then counts for it, not against it.
//! 5. **Disagreement lowers.** The best rival takes away [`RIVAL`] of its score from the winner's, [`WEAK_RIVAL`] when
//!    only inferred against declared. Names, versions and serials may well be several: there the rival takes nothing.
//!    The maker of a module is no rival to the maker of the product, and gives way to a likely one.
//! 6. **Threshold.** What stays below the attribute's threshold is unknown; its claims stay in the evidence.
//!
//! The address prefix comes in as an inferred vendor claim of 0.75, or 0.4 for module makers, and never claims a type
//! except through rules for brands that make one kind of thing.
//!
//! The confidence of the whole record is the weighted mean of the three attributes that make an identification (type
//! 0.4, vendor 0.3, model 0.3), an unknown one counting 0.

use std::cmp::Ordering;

use eyot_contract::{Attribute, DeviceType, Nature};

use crate::brand;
use crate::claim::Claim;
use crate::oui;

/// No amount of agreement makes it surer than this.
const CERTAIN: f32 = 0.99;
/// Share of an equal rival's score that is lost.
const RIVAL: f32 = 0.6;
/// The same for an inferred rival of a declared candidate.
const WEAK_RIVAL: f32 = 0.2;

/// The answer for one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: String,
    /// How sure.
    pub confidence: f32,
}

/// Below this an attribute is unknown.
fn threshold(attribute: Attribute) -> f32 {
    match attribute {
        Attribute::Vendor | Attribute::Hostname => 0.3,
        Attribute::Os => 0.4,
        Attribute::Model | Attribute::Type | Attribute::Firmware | Attribute::Serial => 0.5,
    }
}

/// The answer for `attribute`, if the claims allow one.
pub fn resolve(attribute: Attribute, claims: &[Claim]) -> Option<Answer> {
    let mut candidates = candidates(attribute, claims);
    candidates.sort_by(|a, b| a.order(b, threshold(attribute)));
    let winner = match attribute {
        Attribute::Type => most_exact(&candidates),
        Attribute::Vendor => product_maker(&candidates),
        _ => 0,
    };
    let best = candidates.get(winner)?;
    let loss =
        candidates
            .iter()
            .enumerate()
            .filter(|(at, rival)| *at != winner && best.is_rivalled_by(attribute, rival))
            .map(|(_, rival)| {
                if best.declared && !rival.declared {
                    WEAK_RIVAL * rival.score
                } else {
                    RIVAL * rival.score
                }
            })
            .fold(0.0, f32::max);
    let confidence = best.score * (1.0 - loss);
    (confidence >= threshold(attribute)).then(|| Answer { value: best.value.to_owned(), confidence })
}

/// The confidence of a record with these answers.
pub fn overall(device_type: Option<&Answer>, vendor: Option<&Answer>, model: Option<&Answer>) -> f32 {
    let part = |answer: Option<&Answer>, weight: f32| answer.map_or(0.0, |a| a.confidence * weight);
    part(device_type, 0.4) + part(vendor, 0.3) + part(model, 0.3)
}

struct Candidate<'c> {
    value: &'c str,
    declared: bool,
    score: f32,
    latest: i64,
    claims: Vec<&'c Claim>,
}

impl Candidate<'_> {
    fn order(&self, other: &Self, threshold: f32) -> Ordering {
        let standing = |c: &Self| c.declared && c.score >= threshold;
        standing(other)
            .cmp(&standing(self))
            .then(other.score.total_cmp(&self.score))
            .then(other.latest.cmp(&self.latest))
            .then(self.value.cmp(other.value))
    }

    fn is_rivalled_by(&self, attribute: Attribute, other: &Self) -> bool {
        match attribute {
            Attribute::Type => !is_kind_of(self.value, other.value),
            Attribute::Vendor => !oui::is_module_maker(other.value),
            Attribute::Model => true,
            Attribute::Hostname | Attribute::Os | Attribute::Firmware | Attribute::Serial => false,
        }
    }
}

fn candidates(attribute: Attribute, claims: &[Claim]) -> Vec<Candidate<'_>> {
    let mut strongest: Vec<&Claim> = claims.iter().filter(|c| c.attribute == attribute).collect();
    strongest.sort_by(|a, b| {
        let declared = |c: &Claim| c.nature == Nature::Declared;
        declared(b)
            .cmp(&declared(a))
            .then(b.confidence.total_cmp(&a.confidence))
            .then(b.last_seen.cmp(&a.last_seen))
            .then(b.value.len().cmp(&a.value.len()))
            .then(a.value.cmp(&b.value))
            .then(a.source.cmp(b.source))
    });
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for claim in strongest {
        match candidates.iter_mut().find(|c| agree(attribute, c.value, &claim.value)) {
            Some(candidate) => {
                // Of two agreeing models the fuller one is the better name, if it is about as sure.
                let fuller = attribute == Attribute::Model
                    && claim.nature == candidate.claims[0].nature
                    && claim.confidence + 0.1 >= candidate.claims[0].confidence
                    && claim.value.len() > candidate.value.len();
                if fuller {
                    candidate.value = &claim.value;
                }
                candidate.claims.push(claim);
            }
            None => candidates.push(Candidate {
                value: &claim.value,
                declared: claim.nature == Nature::Declared,
                score: 0.0,
                latest: 0,
                claims: vec![claim],
            }),
        }
    }
    for at in 0..candidates.len() {
        let general: Vec<&Claim> = match attribute {
            Attribute::Type => candidates
                .iter()
                .filter(|other| is_kind_of(candidates[at].value, other.value))
                .flat_map(|other| other.claims.iter().copied())
                .collect(),
            _ => Vec::new(),
        };
        let candidate = &mut candidates[at];
        candidate.score = score(&candidate.claims, &general);
        candidate.latest = candidate.claims.iter().map(|c| c.last_seen.0).max().unwrap_or_default();
    }
    candidates
}

/// Strongest claim of each witness, witnesses independent. A general claim only adds where its witness says nothing
/// more exact.
fn score(claims: &[&Claim], general: &[&Claim]) -> f32 {
    let mut witnesses: Vec<(&str, f32)> = Vec::new();
    for claim in claims {
        match witnesses.iter_mut().find(|(witness, _)| *witness == claim.witness()) {
            Some((_, confidence)) => *confidence = confidence.max(claim.confidence),
            None => witnesses.push((claim.witness(), claim.confidence)),
        }
    }
    for claim in general {
        if !witnesses.iter().any(|(witness, _)| *witness == claim.witness()) {
            witnesses.push((claim.witness(), claim.confidence * 0.5));
        }
    }
    let doubt: f32 = witnesses.iter().map(|(_, confidence)| 1.0 - confidence).product();
    (1.0 - doubt).min(CERTAIN)
}

fn agree(attribute: Attribute, a: &str, b: &str) -> bool {
    let (x, y) = (squeezed(a), squeezed(b));
    x == y
        || match attribute {
            Attribute::Vendor => brand::agree(a, b),
            Attribute::Model => {
                let (short, long) = if x.len() <= y.len() { (&x, &y) } else { (&y, &x) };
                short.len() >= 3 && (long.starts_with(short.as_str()) || long.ends_with(short.as_str()))
            }
            Attribute::Os => {
                let word = |text: &str| brand::plain(text).split(' ').next().map(str::to_owned);
                word(a) == word(b)
            }
            _ => false,
        }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Index of the winner among vendors in order: the maker of a module gives way to a likely maker of the product, however
/// often the module was seen.
fn product_maker(candidates: &[Candidate<'_>]) -> usize {
    const LIKELY: f32 = 0.5;
    let is_module = |candidate: &Candidate<'_>| oui::is_module_maker(candidate.value);
    if !candidates.first().is_some_and(is_module) {
        return 0;
    }
    candidates.iter().position(|other| !is_module(other) && other.score >= LIKELY).unwrap_or(0)
}

/// Index of the winner among types in order: the most exact kind of the first one that is itself well supported.
fn most_exact(candidates: &[Candidate<'_>]) -> usize {
    let mut winner = 0;
    for (at, candidate) in candidates.iter().enumerate() {
        let winning = &candidates[winner];
        let stands =
            candidate.score >= threshold(Attribute::Type) && (candidate.declared || !winning.declared);
        if stands && is_kind_of(candidate.value, winning.value) {
            winner = at;
        }
    }
    winner
}

/// Whether `exact` is a kind of `general`.
pub(crate) fn is_kind_of(exact: &str, general: &str) -> bool {
    use DeviceType as T;
    let (Ok(exact), Ok(general)) = (exact.parse::<T>(), general.parse::<T>()) else { return false };
    if exact == general {
        return false;
    }
    match general {
        T::Iot => true,
        T::Server => matches!(
            exact,
            T::Nas
                | T::Hypervisor
                | T::CallServer
                | T::MediaServer
                | T::MedicalServer
                | T::Scada
                | T::VideoRecorder
        ),
        T::MediaServer => {
            matches!(exact, T::Nas | T::Router | T::Workstation | T::Laptop | T::SmartTv | T::Server)
        }
        T::MediaPlayer => {
            matches!(exact, T::SmartTv | T::Speaker | T::GamingConsole | T::Display | T::VideoConference)
        }
        T::Workstation => matches!(exact, T::Laptop | T::Server | T::Hypervisor | T::Scada | T::PointOfSale),
        T::VirtualMachine => {
            // whatever runs in a machine that is only a program
            matches!(
                exact,
                T::Server
                    | T::Workstation
                    | T::Firewall
                    | T::LoadBalancer
                    | T::Router
                    | T::CallServer
                    | T::MedicalServer
                    | T::Scada
                    | T::Nas
                    | T::MediaServer
                    | T::WirelessController
                    | T::VideoRecorder
            )
        }
        T::Scanner => exact == T::Printer,
        T::Camera => exact == T::Doorbell,
        T::Switch => matches!(exact, T::Router | T::Firewall | T::AccessPoint),
        T::Router => matches!(exact, T::Firewall | T::LoadBalancer | T::WirelessController),
        T::SmartSwitch => matches!(exact, T::SmartPlug | T::SmartLight),
        T::SmartHub => matches!(exact, T::Speaker | T::Alarm | T::Thermostat),
        T::VoipPhone => exact == T::VideoConference,
        T::MobilePhone => exact == T::Tablet,
        T::Sensor => matches!(exact, T::Alarm | T::Thermostat | T::Meter),
        T::IndustrialIo => matches!(exact, T::Plc | T::Rtu | T::Drive | T::Robot),
        _ => false,
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
