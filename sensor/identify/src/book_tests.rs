//! Every rule against its own examples, and against every other rule.

use std::collections::BTreeSet;

use eyot_contract::{DeviceType, MacAddr, Timestamp};
use eyot_dissect::Field;

use super::*;
use crate::brand;
use crate::identity::{identify, Fact};
use crate::oui;
use crate::rule::Example;

/// What comes out of `rule` for a reading, given what stands beside it.
fn claims_of(
    book: &RuleBook,
    rule: &Rule,
    place: Place,
    seen: &str,
    beside: &[(Place, String)],
) -> Vec<(Attribute, String)> {
    let holds = |condition: &Condition| {
        let here = condition.place == place && condition.pattern.is_match(seen);
        here || beside
            .iter()
            .any(|(place, seen)| *place == condition.place && condition.pattern.is_match(seen))
    };
    let mut found = Vec::new();
    book.findings(place, seen, &holds, &mut found);
    found.into_iter().filter(|f| f.rule.id == rule.id).map(|f| (f.template.attribute, f.value)).collect()
}

/// The written examples; exact values and domains are their own.
fn examples_of(rule: &Rule) -> Vec<Example> {
    let own = |seen: String| Example { seen, beside: Vec::new(), expected: Vec::new() };
    let written = rule.examples.iter().map(|e| Example {
        seen: e.seen.clone(),
        beside: e.beside.clone(),
        expected: e.expected.clone(),
    });
    let written: Vec<Example> = written.collect();
    match &rule.matcher {
        Matcher::Pattern(_) => written,
        _ if !rule.when.is_empty() => written,
        Matcher::Equals(values) => values.iter().cloned().map(own).chain(written).collect(),
        Matcher::Domains(names) => {
            let below = names.iter().map(|name| format!("device-1.eu.{name}"));
            names.iter().cloned().chain(below).map(own).chain(written).collect()
        }
    }
}

#[test]
fn the_compiled_in_rules_are_right() {
    let book = RuleBook::compiled_in().unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        panic!("{text}")
    });
    for rule in book.iter() {
        let own = match &rule.matcher {
            Matcher::Pattern(pattern) => Some(pattern),
            Matcher::Equals(_) | Matcher::Domains(_) => None,
        };
        let conditions = rule.when.iter().chain(&rule.unless).map(|condition| &condition.pattern);
        for pattern in conditions.chain(own) {
            assert!(pattern.check().is_ok(), "{}: {pattern:?} does not compile", rule.id);
        }
    }
    assert!(book.len() > 500, "{}", book.len());
    assert!(book.reads(Place::Wire(Field::DhcpHostname)) && !book.reads(Place::Wire(Field::ArpAddress)));
    assert_eq!(book.get("name.iphone").map(|r| r.places.len()), Some(5));
}

#[test]
fn every_rule_matches_its_examples_and_says_what_they_expect() {
    let book = rules();
    let mut wrong = Vec::new();
    for rule in book.iter() {
        let examples = examples_of(rule);
        if examples.is_empty() {
            wrong.push(format!("{}: has no example", rule.id));
        }
        let mut proved = BTreeSet::new();
        for example in &examples {
            for place in &rule.places {
                let claims = claims_of(book, rule, *place, &example.seen, &example.beside);
                if claims.is_empty() {
                    wrong.push(format!("{}: does not match \"{}\" at {place}", rule.id, example.seen));
                }
                for (attribute, value) in &example.expected {
                    proved.insert(*attribute);
                    if !claims.contains(&(*attribute, value.clone())) {
                        wrong.push(format!(
                            "{}: \"{}\" gives {claims:?}, not {attribute:?} \"{value}\"",
                            rule.id, example.seen
                        ));
                    }
                }
            }
        }
        for template in rule.claims.iter().filter(|t| t.value.contains('$') && !proved.contains(&t.attribute))
        {
            wrong.push(format!("{}: no example shows what {:?} becomes", rule.id, template.attribute));
        }
        for seen in &rule.counter_examples {
            if rule.places.iter().any(|place| !claims_of(book, rule, *place, seen, &[]).is_empty()) {
                wrong.push(format!("{}: matches \"{seen}\" and must not", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// One rule's example may be unknown to the whole, for want of evidence, but never something else.
#[test]
fn no_example_is_called_something_else_by_the_rest_of_the_book() {
    let book = rules();
    let mut wrong = Vec::new();
    for rule in book.iter() {
        for example in examples_of(rule) {
            for place in &rule.places {
                let Place::Wire(field) = *place else { continue };
                let fact = |field, seen: &str| Fact {
                    field,
                    value: seen.to_owned(),
                    first_seen: Timestamp(0),
                    last_seen: Timestamp(0),
                    count: 1,
                };
                let beside = example.beside.iter().filter_map(|(place, seen)| match place {
                    Place::Wire(field) => Some(fact(*field, seen)),
                    _ => None,
                });
                let facts: Vec<Fact> = std::iter::once(fact(field, &example.seen)).chain(beside).collect();
                let identity = identify(MacAddr([2, 0, 0, 0, 0, 1]), &facts);
                for (attribute, claimed) in claims_of(book, rule, *place, &example.seen, &example.beside) {
                    let clash = match attribute {
                        Attribute::Type => identity
                            .device_type
                            .filter(|found| {
                                let kind = claimed.parse::<DeviceType>().ok();
                                kind != Some(*found) && !crate::resolve::is_kind_of(found.name(), &claimed)
                            })
                            .map(|found| found.name().to_owned()),
                        Attribute::Vendor => identity.vendor.clone().filter(|found| {
                            !brand::agree(found, &claimed) && !oui::is_module_maker(&claimed)
                        }),
                        _ => None,
                    };
                    if let Some(clash) = clash {
                        wrong.push(format!("{}: \"{}\" at {field:?} is {attribute:?} \"{claimed}\" but comes out as \"{clash}\"", rule.id, example.seen, field = field));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn brands_and_services_are_spelled_as_their_tables_spell_them() {
    for rule in rules().iter() {
        if let (Matcher::Equals(values), true) = (&rule.matcher, rule.places == [Place::OuiBrand]) {
            for brand in values {
                assert!(oui::is_brand(brand), "{}: nobody called \"{brand}\" owns an address block", rule.id);
            }
        }
        for claim in &rule.claims {
            if claim.attribute == Attribute::Vendor && !claim.value.contains('$') {
                let canonical = brand::canonical(&claim.value);
                assert_eq!(
                    canonical, claim.value,
                    "{}: a vendor is written as data/brands.tsv writes it",
                    rule.id
                );
            }
        }
    }
    let services = rules().iter().filter_map(|rule| match &rule.matcher {
        Matcher::Equals(values) if rule.places == [Place::Wire(Field::MdnsService)] => Some(values.len()),
        _ => None,
    });
    assert!(services.sum::<usize>() >= 90, "the table of service types has shrunk");
}

#[test]
fn placeholders_and_missing_captures_claim_nothing() {
    let book = rules();
    let say = |place: &str, seen: &str| -> Vec<(Attribute, String)> {
        let mut found = Vec::new();
        book.findings(Place::from_name(place).expect("a field"), seen, &|_| false, &mut found);
        found.into_iter().map(|f| (f.template.attribute, f.value)).collect()
    };
    assert!(say("upnp.device", "modelName=Unspecified").is_empty());
    assert!(say("lldp.med_manufacturer", "none").is_empty());
    assert!(say("dhcp.hostname", "(none)").is_empty());
    assert_eq!(say("cdp.platform", "Linux"), [(Attribute::Os, "Linux".to_owned())]);
}

#[test]
fn suffixes_are_the_name_and_its_parents() {
    assert_eq!(suffixes("a.b.c").collect::<Vec<_>>(), ["a.b.c", "b.c", "c"]);
}
