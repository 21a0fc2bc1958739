//! Where connections may go: Azure's weekly file in its forms, what comes and what leaves, what is kept when it is broken.
//!
//! The files are made here, in the form of "Azure IP Ranges and Service Tags – Public Cloud" as published since 2019, with
//! networks from the documentation ranges (RFC 5737, RFC 3849) and from 10.0.0.0/8.

use eyot_contract::settings::Settings;
use eyot_contract::{ConditionCode, Timestamp};
use serde_json::{json, Value};

use super::{settings, two_adapters};
use crate::apply::firewall::destinations::{Known, Lookup};
use crate::apply::firewall::prefix::Prefix;
use crate::apply::firewall::service_tags::{Tags, TagsError, TakeOverError, LEAVES_AFTER_S, MAX_BYTES};
use crate::apply::{firewall, role};
use crate::host::double::Double;
use crate::paths;

const HUB: &str = "AzureIoTHub.WestEurope";
const ALLOW_HUB: &str = "[firewall]\ndestinations = [\"tag:AzureIoTHub.WestEurope\"]\n";
const PORTAL: &str = "https://192.0.2.80:8443";

/// One weekly file.
fn weekly(number: u64, features: Option<Value>, tags: &[(&str, &[&str])]) -> Vec<u8> {
    let tag = |(name, prefixes): &(&str, &[&str])| {
        let mut properties = json!({
            "changeNumber": number, "region": "westeurope", "regionId": 18, "platform": "Azure",
            "systemService": "AzureIoTHub", "addressPrefixes": prefixes,
        });
        if let Some(features) = &features {
            properties["networkFeatures"] = features.clone();
        }
        json!({ "name": name, "id": name, "properties": properties })
    };
    let values: Vec<Value> = tags.iter().map(tag).collect();
    serde_json::to_vec(&json!({ "changeNumber": number, "cloud": "Public", "values": values })).unwrap()
}

fn hub(number: u64, prefixes: &[&str]) -> Vec<u8> {
    weekly(number, Some(json!(["API", "NSG"])), &[(HUB, prefixes)])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + seconds)
}

fn texts(networks: Option<Vec<Prefix>>) -> Vec<String> {
    networks.unwrap().iter().map(Prefix::to_string).collect()
}

/// Looks up, and gives what is let through and what is complained of.
fn look(host: &Double, settings: &Settings, now: Timestamp) -> (Vec<String>, Vec<(ConditionCode, String)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let complaints = runtime.block_on(Lookup::default().look(host, settings, Some(PORTAL), now)).unwrap();
    (texts(Known::load(host).unwrap().networks(settings, Some(PORTAL), &[])), complaints)
}

#[test]
fn p20_the_weekly_file_is_read_in_each_of_its_forms() {
    let tags: [(&str, &[&str]); 4] = [
        (HUB, &["192.0.2.0/25", "2001:db8::/33"]),
        ("EventHub", &["198.51.100.0/24"]),
        ("Storage.NorthEurope", &["203.0.113.7/32"]),
        ("AzureActiveDirectory", &["10.1.0.0/16"]),
    ];
    let forms = [Some(json!(["API", "NSG", "UDR", "FW"])), Some(Value::Null), Some(json!([])), None];
    for features in forms {
        let file = weekly(100, features.clone(), &tags);
        for file in [file.clone(), [b"\xef\xbb\xbf".to_vec(), file].concat()] {
            let host = Double::default();
            let taken = Tags::take_over(&host, &file, at(0)).unwrap();
            assert_eq!((taken.tags, taken.networks, taken.leaving), (3, 4, 0), "{features:?}");
            let kept = Tags::load(&host).unwrap().unwrap();
            assert_eq!((kept.cloud.as_str(), kept.change_number), ("Public", 100));
            assert_eq!(
                texts(kept.networks("azureiothub.westeurope", at(0))),
                ["192.0.2.0/25", "2001:db8::/33"]
            );
            assert_eq!(texts(kept.networks("Storage.NorthEurope", at(0))), ["203.0.113.7"]);
            assert!(kept.networks("AzureActiveDirectory", at(0)).is_none(), "not one a sensor talks to");
        }
    }
}

#[test]
fn p20_a_file_that_cannot_be_used_leaves_the_last_good_one_and_a_complaint() {
    let good = hub(100, &["192.0.2.0/24"]);
    let bad: [(&str, Vec<u8>, &str); 8] = [
        ("nothing", Vec::new(), "not a service tags file"),
        ("a web page", b"<!DOCTYPE html><html>".to_vec(), "not a service tags file"),
        ("cut off", good[..good.len() / 2].to_vec(), "not a service tags file"),
        (
            "no prefixes",
            br#"{"changeNumber":101,"cloud":"Public","values":[{"name":"EventHub","properties":{}}]}"#
                .to_vec(),
            "not a service tags file",
        ),
        ("no network", hub(101, &["192.0.2.0/33"]), "\"192.0.2.0/33\" is not a network"),
        ("half the world", hub(101, &["192.0.0.0/4"]), "larger than any network of a service"),
        (
            "other services",
            weekly(101, None, &[("AzureSQL", &["192.0.2.0/24"])]),
            "1 tags and none of AzureIoTHub",
        ),
        ("last month's", hub(99, &["198.51.100.0/24"]), "older than the list in use"),
    ];
    let wanted = settings(ALLOW_HUB);
    for (what, file, word) in bad {
        let host = Double::default();
        // with no good one there is nothing to keep
        if what != "last month's" {
            assert!(Tags::take_over(&host, &file, at(0)).is_err(), "{what}");
            assert_eq!(Tags::load(&host).unwrap(), None, "{what}");
        }
        Tags::take_over(&host, &good, at(0)).unwrap();
        let error = Tags::take_over(&host, &file, at(60)).unwrap_err();
        assert!(matches!(error, TakeOverError::File(_)), "{what}: {error:?}");
        let (networks, complaints) = look(&host, &wanted, at(120));
        assert_eq!(networks, ["192.0.2.0/24"], "{what}");
        let (code, detail) = &complaints[0];
        assert_eq!(*code, ConditionCode::ServiceTags, "{what}");
        assert!(detail.contains(word) && detail.contains("holds"), "{what}: {detail}");
        // the next good one ends the complaint
        Tags::take_over(&host, &hub(102, &["192.0.2.0/24"]), at(180)).unwrap();
        assert_eq!(look(&host, &wanted, at(240)).1, []);
    }
}

#[test]
fn p20_new_networks_count_at_once_and_old_ones_for_a_week_more() {
    let host = Double::default();
    let wanted = settings(ALLOW_HUB);
    let both = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"];
    Tags::take_over(&host, &hub(100, &both[..2]), at(0)).unwrap();
    assert_eq!(look(&host, &wanted, at(0)).0, both[..2]);
    let taken = Tags::take_over(&host, &hub(101, &[both[2]]), at(1000)).unwrap();
    assert_eq!((taken.networks, taken.leaving), (1, 2));
    assert_eq!(look(&host, &wanted, at(1000)).0, both);
    // a third file in between does not put the leaving off, and one that comes back stays
    Tags::take_over(&host, &hub(102, &[both[0], both[2]]), at(2000)).unwrap();
    assert_eq!(look(&host, &wanted, at(1000 + LEAVES_AFTER_S - 1)).0, both);
    assert_eq!(look(&host, &wanted, at(1000 + LEAVES_AFTER_S)).0, [both[0], both[2]]);
    assert_eq!(LEAVES_AFTER_S, 7 * 24 * 3600);
}

#[test]
fn p20_without_a_list_or_a_tag_it_is_told_and_what_was_known_holds() {
    let host = Double::default();
    let wanted = settings(ALLOW_HUB);
    let (networks, complaints) = look(&host, &wanted, at(0));
    assert_eq!(networks, ["192.0.2.80"], "the portal is reached all the same");
    assert!(complaints[0].1.contains("no list of service tags is there for AzureIoTHub.WestEurope"));
    assert!(complaints[0].1.contains("not let through"));
    Tags::take_over(&host, &hub(100, &["192.0.2.0/24"]), at(0)).unwrap();
    look(&host, &wanted, at(10));
    for gone in [
        None,
        Some("{ torn"),
        Some(r#"{"cloud":"Public","change_number":1,"taken":"2026-01-01T00:00:00Z","tags":{}}"#),
    ] {
        match gone {
            None => host.change(|s| drop(s.files.remove(paths::SERVICE_TAGS))),
            Some(text) => host.put(paths::SERVICE_TAGS, text),
        }
        let (networks, complaints) = look(&host, &wanted, at(20));
        assert_eq!(networks, ["192.0.2.0/24"], "{gone:?}");
        assert!(complaints[0].1.contains("the networks it last had hold"), "{complaints:?}");
    }
    // a list of weeks ago is used and told
    Tags::take_over(&host, &hub(100, &["192.0.2.0/24"]), at(0)).unwrap();
    let (networks, complaints) = look(&host, &wanted, at(31 * 86_400));
    assert_eq!(networks, ["192.0.2.0/24"]);
    assert!(complaints[0].1.contains("31 days old"), "{complaints:?}");
}

#[test]
fn p20_overlapping_networks_are_one_element_and_connections_go_there_only() {
    let host = Double::default();
    let file = hub(
        100,
        &["10.0.0.0/9", "10.128.0.0/9", "10.1.2.0/24", "10.1.2.3/32", "2001:db8::/33", "2001:db8:8000::/33"],
    );
    Tags::take_over(&host, &file, at(0)).unwrap();
    let allow = "[firewall]\ndestinations = [\"tag:AzureIoTHub.WestEurope\", \"198.51.100.0/24\", \"198.51.100.9\"]\n";
    let wanted = settings(allow);
    let (networks, complaints) = look(&host, &wanted, at(0));
    // the portal is meant without being named
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.80", "198.51.100.0/24", "2001:db8::/32"]);
    assert_eq!(complaints, []);
    let roles = role::assign(&wanted, &two_adapters());
    let rules = firewall::wanted(&host, &wanted, &roles, Some(PORTAL)).unwrap().text;
    assert!(rules.contains("10.0.0.0/8,\n\t\t\t192.0.2.80,\n\t\t\t198.51.100.0/24\n"), "{rules}");
    assert!(rules.contains("ip daddr @allowed4 tcp dport { 443, 8443 } accept"), "{rules}");
    assert!(rules.contains("ip6 daddr @allowed6 tcp dport { 443, 8443 } accept"), "{rules}");
    let anywhere =
        rules.lines().filter(|l| l.contains("tcp dport") && l.contains("8443") && !l.contains("daddr"));
    assert_eq!(anywhere.count(), 0, "{rules}");
    // without the setting: anywhere on these ports, and nothing is kept of the destinations
    let free = settings("");
    look_free(&host, &free);
    let rules = firewall::wanted(&host, &free, &roles, Some(PORTAL)).unwrap().text;
    assert!(rules.contains("tcp dport { 53, 443, 8443 } accept") && !rules.contains("daddr"), "{rules}");
    assert_eq!(host.text(paths::DESTINATIONS), None);
}

fn look_free(host: &Double, settings: &Settings) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(Lookup::default().look(host, settings, Some(PORTAL), at(0))).unwrap(), []);
    assert_eq!(Known::load(host).unwrap().networks(settings, Some(PORTAL), &[]), None);
}

/// `localhost` resolves everywhere and never to anything that is let through: so what it had before is all there is.
#[test]
fn an_address_that_its_name_no_longer_gives_stays_for_a_day() {
    let host = Double::default();
    let known = json!({ "by_destination": { "localhost": { "203.0.113.7": at(0) }, "gone.example": { "203.0.113.8": at(0) } } });
    host.put(paths::DESTINATIONS, &known.to_string());
    let wanted = settings("[firewall]\ndestinations = [\"localhost\"]\n");
    assert_eq!(look(&host, &wanted, at(86_399)).0, ["192.0.2.80", "203.0.113.7"]);
    assert!(!host.text(paths::DESTINATIONS).unwrap().contains("gone.example"));
    assert_eq!(look(&host, &wanted, at(86_400)).0, ["192.0.2.80"]);
}

#[test]
fn a_file_as_large_as_the_real_one_is_read_and_its_size_is_bounded() {
    // the public cloud's has some 90 000 prefixes
    let prefixes: Vec<String> =
        (0..60_000_u32).map(|i| format!("10.{}.{}.0/24", i >> 8 & 0xff, i & 0xff)).collect();
    let texts: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let file = hub(100, &texts);
    assert!(file.len() < MAX_BYTES);
    let host = Double::default();
    Tags::take_over(&host, &file, at(0)).unwrap();
    let (networks, _) = look(&host, &settings(ALLOW_HUB), at(0));
    // 60 000 = 0b1110101001100000 networks of 24 bits side by side, and the portal
    assert_eq!(networks.len(), 60_000_u32.count_ones() as usize + 1, "{networks:?}");
    let wrong = Tags::default().merged(&hub(1, &["999.0.0.0/8"]), at(0)).unwrap_err();
    assert!(matches!(wrong, TagsError::Network { .. }), "{wrong:?}");
}
