//! The sensor reporting to an IoT Hub, its storage, its device twin and an event hub, which fail in every way the real ones
//! do, while it is killed.
//!
//! Nothing here is ours but the sensor and the stand-in of `tests/azure/mock.py`, which checks signatures in another
//! language: files go to Azurite, the twin's MQTT to mosquitto, and the way to all of them is a squid that asks for a
//! password. A tool that is missing fails the tests; `scripts/check-azure` installs them.

#![allow(clippy::unwrap_used)]

mod lab;
#[path = "../support/mod.rs"]
mod support;
mod twin;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::{Lab, KEY};
use serde_json::Value;
use support::mac;

/// Most devices that a run shows; the last byte of an address.
const DEVICES: u8 = 120;

#[test]
fn every_device_arrives_whatever_azure_does_and_however_often_the_sensor_is_killed() {
    let lab = Lab::new(KEY, "snapshot_hours = 24");
    let faults = ["401", "429", "half_closed", "500", "slow", "503", "403"];
    let step = DEVICES / faults.len() as u8;
    for (round, kind) in (0_u8..).zip(faults) {
        for place in ["hub", "event_hub"] {
            lab.fault(place, kind, 2);
        }
        if round < 5 {
            lab.fault("upload", kind, 1);
        }
        if round < 2 {
            lab.fault("dps", kind, 1);
        }
        lab.see(round * step + 1..=(round + 1) * step);
        let sensor = lab.sensor();
        // SIGKILL in the midst of registering, sending or waiting
        sleep(Duration::from_millis(1_000 + fastrand::u64(0..2_000)));
        drop(sensor);
    }
    let expected: BTreeSet<_> = (1..=step * faults.len() as u8).map(mac).collect();
    // a refusal for want of quota is waited out for minutes; so the first that are left are met, and the sensor begins again
    let places = ["hub", "event_hub"];
    let stored = |lab: &Lab| lab.journal().iter().any(|e| e["where"] == "upload" && e["success"] == true);
    let all = |lab: &Lab| places.iter().all(|place| lab.told(place) == expected) && stored(lab);
    for _ in 0..4 {
        let sensor = lab.sensor();
        let until = Instant::now() + Duration::from_secs(15);
        while !all(&lab) && Instant::now() < until {
            sleep(Duration::from_millis(200));
        }
        if all(&lab) {
            lab.wait("an empty spool", |lab| {
                let status = lab.status();
                let done = |d: &Value| d["spool"]["waiting"] == 0 && d["spool"]["in_flight"] == 0;
                status["destinations"].as_array().is_some_and(|d| d.len() >= 2 && d.iter().all(done))
            });
            break;
        }
        drop(sensor);
    }
    let journal = lab.journal();
    for place in places {
        assert_eq!(lab.told(place), expected, "{place}");
        // what came twice has the same id and is the same, so that a reader can drop it
        let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
        for entry in journal.iter().filter(|e| e["where"] == place) {
            let message = &entry["message"];
            let first = by_id.entry(message["id"].as_str().unwrap()).or_insert(message);
            assert_eq!(*first, message);
        }
        assert!(by_id.values().any(|m| m["kind"] == "health"), "{place}");
        assert!(by_id.values().all(|m| m["sensor"] == "lab-7" && m["schema"] == "eyot.message/1"));
    }
    let refused: BTreeSet<_> =
        journal.iter().filter(|e| e["where"] == "refused").filter_map(|e| e["status"].as_u64()).collect();
    assert!(refused.is_superset(&BTreeSet::from([401, 403, 429, 500, 503])), "{refused:?}");
    files_are_whole(&lab);
    // nobody went another way, and squid let nobody through without the password
    let passed = lab.proxy_log();
    for host in ["lab.azure-devices.net", "lab.servicebus.windows.net", "labstore.blob.core.windows.net"] {
        assert!(passed.contains(&format!("CONNECT {host}:443 sensor")), "{host} in {passed}");
    }
}

/// However often the sensor was killed in the midst of it: one file for the day, and the hub knows of it. A run that midnight
/// falls into has a file for each of its days.
fn files_are_whole(lab: &Lab) {
    let blobs = lab.blobs();
    assert!((1..=2).contains(&blobs.len()), "{:?}", blobs.keys());
    // the day is in the name, so no two files are of the same one
    for (name, text) in &blobs {
        file_is_whole(lab, name, text);
    }
}

fn file_is_whole(lab: &Lab, name: &str, text: &str) {
    assert!(name.starts_with("lab-7/inventory/") && name.ends_with("T000000Z-001-last.ndjson"), "{name}");
    let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: BTreeSet<_> = messages.iter().filter_map(|m| m["id"].as_str()).collect();
    assert!(!messages.is_empty() && ids.len() == messages.len(), "{text}");
    let stored: BTreeSet<_> = messages.iter().filter_map(|m| m["device"]["mac"].as_str()).collect();
    let told = lab.told("hub");
    assert!(stored.iter().all(|mac| told.contains(*mac)), "{stored:?}");
    assert!(lab
        .journal()
        .iter()
        .any(|e| e["where"] == "upload" && e["blob"] == name && e["success"] == true));
}

#[test]
fn a_wrong_key_is_said_and_holds_up_no_other_destination() {
    let lab = Lab::new("d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGtleSBvZiAzMiE=", "");
    lab.see(1..=3);
    let _sensor = lab.sensor();
    lab.wait("the event hub's share", |lab| lab.told("event_hub").len() == 3);
    lab.wait("the hub's refusal", |lab| lab.status()["destinations"][0]["upload"]["state"] == "not_enrolled");
    let status = lab.status();
    let hub = &status["destinations"][0];
    assert_eq!(hub["name"], "azure_iot_hub");
    assert!(hub["upload"]["last_error"]["message"].as_str().unwrap().contains("401"), "{status:#}");
    assert!(lab.told("hub").is_empty());
    assert!(!status.to_string().contains("d3Jvbmcg"));
}
