//! Facts to an identity: gather the claims, weigh them, resolve each attribute.

use eyot_contract::{Attribute, DeviceClass, DeviceType, Evidence, MacAddr, Nature, Timestamp};
use eyot_dissect::Field;

use crate::book::{rules, Finding};
use crate::claim::Claim;
use crate::context;
use crate::oui::{self, Virtual};
use crate::place::Place;
use crate::resolve::{overall, resolve, Answer};
use crate::rule::Condition;

/// Most pieces of evidence in one identity; the strongest stay.
pub const MAX_EVIDENCE: usize = 64;

/// How sure the address prefix alone is about the maker.
const OUI_CONFIDENCE: f32 = 0.75;
/// The same where the prefix belongs to a maker of modules.
const MODULE_CONFIDENCE: f32 = 0.4;
/// How sure a virtual machine's prefix is about that.
const VIRTUAL_CONFIDENCE: f32 = 0.75;

/// One distinct reading about a device, with when and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Where it was read.
    pub field: Field,
    /// What was read, as [`eyot_dissect::Observation::value`] gives it.
    pub value: String,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
}

/// What a device is, as far as its facts tell. `None` means unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// What it calls itself.
    pub hostname: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Which product it is.
    pub model: Option<String>,
    /// Operating system family and version.
    pub os: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// What kind of thing it is.
    pub device_type: Option<DeviceType>,
    /// Which part of the house it belongs to; follows from the type.
    pub class: Option<DeviceClass>,
    /// How sure the identification is as a whole, 0 to 1: the weighted mean of type (0.4), vendor (0.3) and model (0.3).
    pub confidence: f32,
    /// How sure each of those three is by itself, 0 to 1 and 0 where it is unknown: of a hundred answers with 0.8, about
    /// eighty are right (`docs/identification.md` has the figures).
    pub sure: Sure,
    /// Why, strongest first; what lost is in it too. At most [`MAX_EVIDENCE`].
    pub evidence: Vec<Evidence>,
}

/// How sure three answers are, each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sure {
    /// Of [`Identity::vendor`].
    pub vendor: f32,
    /// Of [`Identity::model`].
    pub model: f32,
    /// Of [`Identity::device_type`].
    pub device_type: f32,
}

/// What the device with this address is, judging by everything it was heard saying. The order of the facts has no
/// influence on the answer.
pub fn identify(mac: MacAddr, facts: &[Fact]) -> Identity {
    let mut claims = gather(mac, facts);
    context::weigh(mac, facts, &mut claims);
    let answer = |attribute| resolve(attribute, &claims);
    let value = |answer: &Option<Answer>| answer.as_ref().map(|a| a.value.clone());
    let (vendor, model, kind) =
        (answer(Attribute::Vendor), answer(Attribute::Model), answer(Attribute::Type));
    let sure = |answer: &Option<Answer>| answer.as_ref().map_or(0.0, |a| a.confidence);
    let device_type = kind.as_ref().and_then(|a| a.value.parse::<DeviceType>().ok());
    Identity {
        hostname: value(&answer(Attribute::Hostname)),
        os: value(&answer(Attribute::Os)),
        firmware: value(&answer(Attribute::Firmware)),
        serial: value(&answer(Attribute::Serial)),
        confidence: overall(kind.as_ref(), vendor.as_ref(), model.as_ref()),
        sure: Sure { vendor: sure(&vendor), model: sure(&model), device_type: sure(&kind) },
        vendor: value(&vendor),
        model: value(&model),
        class: device_type.map(DeviceType::class),
        device_type,
        evidence: evidence(claims),
    }
}

/// One reading that rules are held against.
struct Reading<'f> {
    place: Place,
    seen: &'f str,
    last_seen: Timestamp,
}

/// Every claim that the address and the rules make: the rules of the wire first, then those that read claims.
fn gather(mac: MacAddr, facts: &[Fact]) -> Vec<Claim> {
    let mut claims = address_claims(mac);
    let brand = oui::vendor_of(mac);
    let mut readings: Vec<Reading<'_>> = facts
        .iter()
        .map(|fact| Reading { place: Place::Wire(fact.field), seen: &fact.value, last_seen: fact.last_seen })
        .collect();
    if let Some(brand) = brand {
        readings.push(Reading { place: Place::OuiBrand, seen: brand, last_seen: Timestamp::default() });
    }
    // Rules that ask about claims wait until the others have made theirs.
    for second in [false, true] {
        let mut new = Vec::new();
        for reading in &readings {
            if second && !rules().asks_about_claims(reading.place) {
                continue;
            }
            for finding in findings(reading.place, reading.seen, &readings, &claims) {
                if finding.rule.asks_about_claims() == second {
                    new.push(finding.claim(reading.place.name(), reading.seen, reading.last_seen));
                }
            }
        }
        claims.append(&mut new);
    }
    let mut claims = merged(claims);
    let mut derived = Vec::new();
    for base in &claims {
        let place = match base.attribute {
            Attribute::Model => Place::ClaimedModel,
            Attribute::Vendor => Place::ClaimedVendor,
            _ => continue,
        };
        derived.extend(findings(place, &base.value, &readings, &claims).into_iter().map(|f| f.derived(base)));
    }
    claims.append(&mut derived);
    merged(claims)
}

fn findings(place: Place, seen: &str, readings: &[Reading<'_>], claims: &[Claim]) -> Vec<Finding<'static>> {
    let holds = |condition: &Condition| match condition.place {
        Place::ClaimedModel | Place::ClaimedVendor => {
            let attribute =
                if condition.place == Place::ClaimedModel { Attribute::Model } else { Attribute::Vendor };
            claims.iter().any(|c| c.attribute == attribute && condition.pattern.is_match(&c.value))
        }
        place => readings.iter().any(|r| r.place == place && condition.pattern.is_match(r.seen)),
    };
    let mut found = Vec::new();
    rules().findings(place, seen, &holds, &mut found);
    found
}

impl Finding<'_> {
    fn claim(self, source: &'static str, seen: &str, last_seen: Timestamp) -> Claim {
        Claim {
            attribute: self.template.attribute,
            value: self.value,
            source,
            seen: seen.to_owned(),
            rule: self.rule.id.clone(),
            nature: self.template.nature,
            confidence: self.template.confidence,
            last_seen,
        }
    }

    /// The claim that follows from another claim: it was read where that one was read, is declared if that one was, and
    /// is no surer than it.
    fn derived(self, base: &Claim) -> Claim {
        Claim {
            attribute: self.template.attribute,
            value: self.value,
            source: base.source,
            seen: base.seen.clone(),
            rule: self.rule.id.clone(),
            nature: base.nature,
            confidence: self.template.confidence * base.confidence,
            last_seen: base.last_seen,
        }
    }
}

/// What the address itself claims.
fn address_claims(mac: MacAddr) -> Vec<Claim> {
    let prefix = mac.to_string()[..8].to_owned();
    let claim = |attribute, value: &str, rule: &str, confidence| Claim {
        attribute,
        value: value.to_owned(),
        source: Place::OuiBrand.name(),
        seen: prefix.clone(),
        rule: rule.to_owned(),
        nature: Nature::Inferred,
        confidence,
        last_seen: Timestamp::default(),
    };
    let mut claims = Vec::new();
    match (oui::virtual_of(mac), oui::vendor_of(mac)) {
        (Some(Virtual::Machine(product)), _) => {
            claims.push(claim(
                Attribute::Type,
                DeviceType::VirtualMachine.name(),
                "oui.virtual-machine",
                VIRTUAL_CONFIDENCE,
            ));
            claims.push(claim(Attribute::Vendor, product, "oui.virtual-machine", MODULE_CONFIDENCE));
        }
        (Some(Virtual::Container(product)), _) => {
            claims.push(claim(
                Attribute::Type,
                DeviceType::VirtualMachine.name(),
                "oui.container",
                VIRTUAL_CONFIDENCE,
            ));
            claims.push(claim(Attribute::Vendor, product, "oui.container", MODULE_CONFIDENCE));
        }
        (Some(Virtual::Router(_)), brand) => {
            claims.push(claim(
                Attribute::Type,
                DeviceType::Router.name(),
                "oui.virtual-router",
                VIRTUAL_CONFIDENCE,
            ));
            if let Some(brand) = brand.filter(|brand| *brand == "Cisco") {
                claims.push(claim(Attribute::Vendor, brand, "oui.virtual-router", MODULE_CONFIDENCE));
            }
        }
        (Some(Virtual::Cluster(product)), _) => {
            claims.push(claim(
                Attribute::Type,
                DeviceType::LoadBalancer.name(),
                "oui.cluster",
                MODULE_CONFIDENCE,
            ));
            claims.push(claim(Attribute::Model, product, "oui.cluster", MODULE_CONFIDENCE));
        }
        (None, Some(brand)) if oui::is_module_maker(brand) => {
            claims.push(claim(Attribute::Vendor, brand, "oui.module-maker", MODULE_CONFIDENCE));
        }
        (None, Some(brand)) => claims.push(claim(Attribute::Vendor, brand, "oui.assignment", OUI_CONFIDENCE)),
        (None, None) => {}
    }
    claims
}

/// One claim per attribute, value, source and rule: the latest reading stands for the others.
fn merged(mut claims: Vec<Claim>) -> Vec<Claim> {
    fn key(claim: &Claim) -> (Attribute, &str, &'static str, &str) {
        (claim.attribute, &claim.value, claim.source, &claim.rule)
    }
    claims.sort_by(|a, b| key(a).cmp(&key(b)));
    claims.dedup_by(|claim, known| {
        let same = key(claim) == key(known);
        if same {
            let confidence = known.confidence.max(claim.confidence);
            if (claim.last_seen, &claim.seen) > (known.last_seen, &known.seen) {
                std::mem::swap(known, claim);
            }
            known.confidence = confidence;
        }
        same
    });
    claims
}

fn evidence(mut claims: Vec<Claim>) -> Vec<Evidence> {
    claims.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.attribute.cmp(&b.attribute)));
    claims.truncate(MAX_EVIDENCE);
    claims.iter().map(Claim::evidence).collect()
}
