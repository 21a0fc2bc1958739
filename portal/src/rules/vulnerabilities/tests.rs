//! Situations: what a list says, what a device is, and what comes of it. Then whole files in each form.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Read;

use serde_json::{json, Value};

use super::configuration::Configuration;
use super::file::{read, FileError, Kind, Sink};
use super::kev::Exploited;
use super::nvd::Cve;
use super::product::{Names, Product};
use super::{fit, Confidence};

const NVD: &str = include_str!("../../../tests/fixtures/vulnerabilities/nvd.json");
const KEV: &str = include_str!("../../../tests/fixtures/vulnerabilities/kev.json");
const KEV_CSV: &str = include_str!("../../../tests/fixtures/vulnerabilities/kev.csv");

fn camera(firmware: Option<&str>) -> Product {
    Product {
        vendor: Some("Axis Communications".to_owned()),
        model: Some("AXIS P1435".to_owned()),
        firmware: firmware.map(str::to_owned),
        os: None,
    }
}

fn firmware(range: &Value) -> Value {
    let mut criterion =
        json!({ "vulnerable": true, "criteria": "cpe:2.3:o:axis:p1435_firmware:*:*:*:*:*:*:*:*" });
    criterion.as_object_mut().unwrap().extend(range.as_object().unwrap().clone());
    criterion
}

fn thing(revision: &str) -> Value {
    json!({ "vulnerable": false, "criteria": format!("cpe:2.3:h:axis:p1435:{revision}:*:*:*:*:*:*:*") })
}

fn only(criterion: Value) -> Value {
    json!([{ "nodes": [{ "operator": "OR", "cpeMatch": [criterion] }] }])
}

fn both(one: Value, other: Value) -> Value {
    json!([{ "operator": "AND", "nodes": [{ "operator": "OR", "cpeMatch": [one] }, { "operator": "OR", "cpeMatch": [other] }] }])
}

fn judge(configurations: &Value, product: &Product) -> Option<(Confidence, String)> {
    let configurations: Vec<Configuration> = serde_json::from_value(configurations.clone()).unwrap();
    fit(&configurations, &Names::of(product)).map(|fit| (fit.confidence, fit.why))
}

fn confidence(configurations: &Value, product: &Product) -> Option<Confidence> {
    judge(configurations, product).map(|(confidence, _)| confidence)
}

#[test]
fn each_bound_of_a_range_holds_on_its_own_side() {
    for (range, below, at, above) in [
        (json!({ "versionStartIncluding": "9.80" }), false, true, true),
        (json!({ "versionStartExcluding": "9.80" }), false, false, true),
        (json!({ "versionEndIncluding": "9.80" }), true, true, false),
        (json!({ "versionEndExcluding": "9.80" }), true, false, false),
    ] {
        for (version, expected) in [("9.79.9", below), ("9.80", at), ("9.80.1", above)] {
            let found = confidence(&only(firmware(&range)), &camera(Some(version)));
            assert_eq!(found, expected.then_some(Confidence::ExactVersion), "{range} {version}");
        }
    }
    let between =
        only(firmware(&json!({ "versionStartIncluding": "6.50", "versionEndExcluding": "9.80.1" })));
    let (found, why) = judge(&between, &camera(Some("9.80"))).unwrap();
    assert_eq!(found, Confidence::ExactVersion);
    assert_eq!(why, "the device's version 9.80 is listed: from 6.50, before 9.80.1");
}

#[test]
fn a_version_nobody_knows_or_can_compare_is_said_to_be_so() {
    let before = only(firmware(&json!({ "versionEndExcluding": "9.80" })));
    let (found, why) = judge(&before, &camera(None)).unwrap();
    assert_eq!(
        (found, why.as_str()),
        (Confidence::VersionUnknown, "versions listed: before 9.80; the device's is not known")
    );
    let (found, why) = judge(&before, &camera(Some("custom"))).unwrap();
    assert_eq!(found, Confidence::VersionUnknown);
    assert!(why.contains("\"custom\" cannot be compared"), "{why}");
}

#[test]
fn without_a_version_only_the_model_is_said() {
    for name in ["cpe:2.3:o:axis:p1435_firmware:*:*:*:*:*:*:*:*", "cpe:2.3:h:axis:p1435:-:*:*:*:*:*:*:*"] {
        let listed = only(json!({ "vulnerable": true, "criteria": name }));
        assert_eq!(confidence(&listed, &camera(Some("9.80"))), Some(Confidence::ModelOnly), "{name}");
    }
}

#[test]
fn firmware_and_the_thing_it_runs_on_must_both_fit() {
    let old = firmware(&json!({ "versionEndExcluding": "9.81" }));
    let other = json!({ "vulnerable": false, "criteria": "cpe:2.3:h:axis:q1615:-:*:*:*:*:*:*:*" });
    let own = camera(Some("9.80"));
    assert_eq!(confidence(&both(old.clone(), thing("-")), &own), Some(Confidence::ExactVersion));
    assert_eq!(confidence(&both(old.clone(), other.clone()), &own), None);
    let (found, why) = judge(&both(old.clone(), thing("v2")), &own).unwrap();
    assert_eq!(found, Confidence::VersionUnknown, "which revision it is nobody sees");
    assert!(why.contains("not known"), "{why}");
    let new = firmware(&json!({ "versionEndExcluding": "9.0" }));
    assert_eq!(confidence(&both(new, thing("-")), &own), None);
    // what it runs on alone makes nothing vulnerable
    assert_eq!(confidence(&only(thing("-")), &own), None);
    let not_there = json!([{ "operator": "AND", "nodes": [
        { "operator": "OR", "cpeMatch": [old.clone()] }, { "operator": "OR", "negate": true, "cpeMatch": [other] } ] }]);
    assert_eq!(confidence(&not_there, &own), Some(Confidence::ExactVersion));
    let not_here = json!([{ "operator": "AND", "nodes": [
        { "operator": "OR", "cpeMatch": [old] }, { "operator": "OR", "negate": true, "cpeMatch": [thing("-")] } ] }]);
    assert_eq!(confidence(&not_here, &own), None);
}

#[test]
fn of_several_ways_to_match_the_surest_counts() {
    let unsure = firmware(&json!({ "versionEndExcluding": "x" }));
    let sure = firmware(&json!({ "versionEndExcluding": "10" }));
    let one_node = json!([{ "nodes": [{ "operator": "OR", "cpeMatch": [unsure, sure] }] }]);
    assert_eq!(confidence(&one_node, &camera(Some("9.80"))), Some(Confidence::ExactVersion));
    let vulnerable_thing = json!({ "vulnerable": true, "criteria": "cpe:2.3:h:axis:p1435:-:*:*:*:*:*:*:*" });
    let configurations =
        json!([{ "nodes": [{ "cpeMatch": [vulnerable_thing] }] }, { "nodes": [{ "cpeMatch": [sure] }] }]);
    assert_eq!(confidence(&configurations, &camera(Some("9.80"))), Some(Confidence::ExactVersion));
}

#[test]
fn listed_versions_wildcards_updates_and_editions() {
    for (name, version, expected) in [
        ("9.80:*:*:*:*:*:*:*", "9.80", Some(Confidence::ExactVersion)),
        ("9.80:-:*:*:*:*:*:*", "9.80.0", Some(Confidence::ExactVersion)),
        ("9.80:*:*:*:*:*:*:*", "9.81", None),
        ("9.8?:*:*:*:*:*:*:*", "9.81", Some(Confidence::ExactVersion)),
        ("9.8?:*:*:*:*:*:*:*", "9.91", None),
        ("9.*:*:*:*:*:*:*:*", "9.91.3", Some(Confidence::ExactVersion)),
        ("9.80:sp1:*:*:*:*:*:*", "9.80", Some(Confidence::VersionUnknown)),
        ("9.80:sp1:*:*:*:*:*:*", "9.80 SP1", Some(Confidence::ExactVersion)),
        ("9.80:*:*:*:*:*:x64:*", "9.80", Some(Confidence::VersionUnknown)),
    ] {
        let listed =
            only(json!({ "vulnerable": true, "criteria": format!("cpe:2.3:o:axis:p1435_firmware:{name}") }));
        assert_eq!(confidence(&listed, &camera(Some(version))), expected, "{name} {version}");
    }
}

#[test]
fn another_vendors_model_of_the_same_name_is_another() {
    let other = only(json!({ "vulnerable": true, "criteria": "cpe:2.3:h:acme:p1435:-:*:*:*:*:*:*:*" }));
    assert_eq!(confidence(&other, &camera(None)), None);
    let variant = only(json!({ "vulnerable": true, "criteria": "cpe:2.3:h:axis:p1435-le:-:*:*:*:*:*:*:*" }));
    assert_eq!(confidence(&variant, &camera(None)), None);
    let unreadable = only(json!({ "vulnerable": true, "criteria": "cpe:/h:axis:p1435" }));
    assert_eq!(confidence(&unreadable, &camera(None)), None);
}

/// Keeps all that comes, up to a number.
#[derive(Default)]
struct Kept {
    cves: Vec<Cve>,
    exploited: Vec<Exploited>,
    most: Option<usize>,
}

impl Sink for Kept {
    fn cve(&mut self, cve: Cve) -> bool {
        self.cves.push(cve);
        self.most.is_none_or(|most| self.cves.len() < most)
    }

    fn exploited(&mut self, all: Vec<Exploited>) -> bool {
        self.exploited.extend(all);
        true
    }
}

fn taken(file: impl Read) -> Result<(Kind, Kept), (FileError, Kept)> {
    let mut kept = Kept::default();
    match read(file, &mut kept) {
        Ok(kind) => Ok((kind, kept)),
        Err(error) => Err((error, kept)),
    }
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

#[test]
fn a_packed_list_says_the_same_as_an_unpacked_one() {
    let Ok((kind, plain)) = taken(NVD.as_bytes()) else { panic!("the list is read") };
    assert_eq!(kind, Kind::Nvd);
    let Ok((_, unpacked)) = taken(packed(NVD).as_slice()) else { panic!("the packed list is read") };
    let ids = |kept: &Kept| kept.cves.iter().map(|cve| cve.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&plain), ids(&unpacked));
    let first = &plain.cves[0];
    assert_eq!(
        (first.score, first.scale.as_str()),
        (Some(9.8), "3.1"),
        "NVD's own rating, not another's newer one"
    );
    assert!(first.products.contains(&("axis".to_owned(), "p1435".to_owned())));
    assert!(plain.cves.iter().any(|cve| cve.rejected) && plain.cves.iter().any(|cve| cve.score.is_none()));
    assert_eq!(plain.cves.iter().map(|cve| cve.unreadable).sum::<usize>(), 1);
}

#[test]
fn the_catalogue_says_the_same_in_both_forms() {
    let (Ok((one, json)), Ok((two, csv))) = (taken(KEV.as_bytes()), taken(KEV_CSV.as_bytes())) else {
        panic!("both are read")
    };
    assert_eq!((one, two), (Kind::Kev, Kind::Kev));
    assert_eq!(json.exploited, csv.exploited);
    assert!(json.exploited[0].ransom && json.exploited[0].due.is_some() && json.exploited[1].due.is_none());
}

#[test]
fn what_is_wrong_says_where_and_what_came_before_is_kept() {
    let broken = NVD.replace("\"CVE-2099-1003\"", "\"CVE-99\"");
    let Err((error, kept)) = taken(broken.as_bytes()) else { panic!("it is refused") };
    let said = format!("{:#}", anyhow::Error::from(error));
    assert!(said.contains("\"CVE-99\" is not the name of a CVE") && said.contains(" line "), "{said}");
    assert_eq!(kept.cves.len(), 2);
    for (text, expected) in [
        ("", "neither NVD's list"),
        ("{}", "neither NVD's list"),
        ("{\"vulnerabilities\": []}", "neither NVD's list"),
        ("name,address\nx,y\n", "neither NVD's list"),
        (
            "{\"vulnerabilities\": [{\"cveID\": \"CVE-2099-1001\", \"dateAdded\": \"24/11/2026\"}]}",
            "is not a day",
        ),
        ("cveID,dateAdded\nCVE-2099-1,2026-11-24\n", "is not the name of a CVE"),
        ("{\"format\": \"NVD_CVE\", \"vulnerabilities\": [", "does not go on"),
        ("{\"vulnerabilities\": 5}", "does not go on"),
    ] {
        let Err((error, kept)) = taken(text.as_bytes()) else { panic!("{text}") };
        let said = format!("{:#}", anyhow::Error::from(error));
        assert!(said.contains(expected), "{text}: {said}");
        assert!(kept.cves.is_empty() && kept.exploited.is_empty());
    }
    let cut = packed(NVD);
    assert!(matches!(taken(&cut[..cut.len() / 2]), Err((FileError::Read(_) | FileError::Json(_), _))));
}

#[test]
fn whoever_wants_no_more_gets_no_more() {
    let mut kept = Kept { most: Some(2), ..Kept::default() };
    assert_eq!(read(NVD.as_bytes(), &mut kept).unwrap(), Kind::Nvd);
    assert_eq!(kept.cves.len(), 2);
}
