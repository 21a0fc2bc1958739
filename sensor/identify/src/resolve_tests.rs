//! Situations of the resolution, each with the claims that make it.

use eyot_contract::{Attribute, Nature, Timestamp};

use super::*;

fn claim(attribute: Attribute, value: &str, source: &'static str, nature: Nature, confidence: f32) -> Claim {
    Claim {
        attribute,
        value: value.to_owned(),
        source,
        seen: String::new(),
        rule: "test".to_owned(),
        nature,
        confidence,
        last_seen: Timestamp(0),
    }
}

fn vendor(value: &str, source: &'static str, nature: Nature, confidence: f32) -> Claim {
    claim(Attribute::Vendor, value, source, nature, confidence)
}

fn kind(value: &str, source: &'static str, nature: Nature, confidence: f32) -> Claim {
    claim(Attribute::Type, value, source, nature, confidence)
}

use Nature::{Declared, Inferred};

#[test]
fn declared_beats_a_surer_inference() {
    let claims = [
        vendor("Belkin", "upnp.device", Declared, 0.6),
        vendor("Foxtrot", "oui.brand", Inferred, 0.75),
        vendor("Foxtrot", "dns.query", Inferred, 0.75),
    ];
    let answer = resolve(Attribute::Vendor, &claims).expect("the device said it");
    assert_eq!(answer.value, "Belkin");
    assert!(answer.confidence < 0.6, "disagreement lowers: {}", answer.confidence);
}

#[test]
fn a_declaration_below_the_threshold_does_not() {
    let claims = [kind("camera", "mdns.txt", Declared, 0.3), kind("printer", "mdns.service", Inferred, 0.8)];
    assert_eq!(resolve(Attribute::Type, &claims).expect("one is left").value, "printer");
}

#[test]
fn independent_witnesses_reinforce_and_one_witness_does_not() {
    let two = [kind("camera", "dns.query", Inferred, 0.5), kind("camera", "ssdp.server", Inferred, 0.5)];
    let one = [kind("camera", "dns.query", Inferred, 0.5), kind("camera", "dns.answer", Inferred, 0.5)];
    assert_eq!(resolve(Attribute::Type, &two).expect("camera").confidence, 0.75);
    assert_eq!(resolve(Attribute::Type, &one).expect("camera").confidence, 0.5);
}

#[test]
fn equals_that_disagree_are_unknown() {
    let claims = [kind("camera", "dns.query", Inferred, 0.6), kind("smart_plug", "http.path", Inferred, 0.6)];
    assert_eq!(resolve(Attribute::Type, &claims), None);
}

#[test]
fn the_exact_type_beats_the_general_one_it_is_a_kind_of() {
    let claims = [kind("server", "mdns.service", Declared, 0.8), kind("nas", "ssdp.server", Declared, 0.7)];
    let answer = resolve(Attribute::Type, &claims).expect("nas");
    assert_eq!(answer.value, "nas");
    assert!(answer.confidence > 0.7, "the general claim speaks for it: {}", answer.confidence);
}

#[test]
fn the_maker_of_the_module_is_no_rival() {
    let claims =
        [vendor("Smarter", "dhcp.hostname", Declared, 0.8), vendor("Espressif", "oui.brand", Inferred, 0.4)];
    let answer = resolve(Attribute::Vendor, &claims).expect("Smarter");
    assert_eq!((answer.value.as_str(), answer.confidence), ("Smarter", 0.8));
}

#[test]
fn models_that_begin_alike_agree_and_the_fuller_one_names() {
    let claims = [
        claim(Attribute::Model, "HS100", "http.path", Declared, 0.85),
        claim(Attribute::Model, "HS100(EU)", "dhcp.hostname", Declared, 0.85),
    ];
    let answer = resolve(Attribute::Model, &claims).expect("one model");
    assert_eq!(answer.value, "HS100(EU)");
    assert!(answer.confidence > 0.95);
}

#[test]
fn several_names_are_no_quarrel_and_nothing_is_above_certain() {
    let name = |value, source, c| claim(Attribute::Hostname, value, source, Declared, c);
    let claims = [name("pc1", "dhcp.hostname", 0.9), name("pc1-2", "mdns.hostname", 0.8)];
    assert_eq!(resolve(Attribute::Hostname, &claims).expect("a name").confidence, 0.9);
    let claims =
        [name("pc", "dhcp.hostname", 0.95), name("pc", "mdns.hostname", 0.95), name("pc", "lldp.name", 0.95)];
    assert_eq!(resolve(Attribute::Hostname, &claims).expect("a name").confidence, CERTAIN);
}

#[test]
fn nothing_is_known_from_nothing() {
    for attribute in [Attribute::Vendor, Attribute::Type, Attribute::Model, Attribute::Hostname] {
        assert_eq!(resolve(attribute, &[]), None);
    }
    assert_eq!(overall(None, None, None), 0.0);
}

#[test]
fn the_answer_does_not_depend_on_the_order() {
    let mut claims = vec![
        kind("camera", "dns.query", Inferred, 0.55),
        kind("camera", "tls.sni", Inferred, 0.55),
        kind("sensor", "mdns.service", Inferred, 0.5),
        kind("iot", "mdns.txt", Inferred, 0.6),
    ];
    let first = resolve(Attribute::Type, &claims);
    for _ in 0..claims.len() {
        claims.rotate_left(1);
        assert_eq!(resolve(Attribute::Type, &claims), first);
    }
}
