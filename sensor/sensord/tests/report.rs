//! Reporting to a portal that is late, small, forgetful or gone, or that has settings for its sensor.

#![allow(clippy::unwrap_used)]

#[path = "support/portal.rs"]
mod portal;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use eyot_capture::{Frame, LinkType};
use eyot_contract::{DeviceBatch, MacAddr, RefusalCode, SettingsAnswer, SettingsRequest, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::{Inventory, Store};
use portal::{Answer, Offers, Pki, Portal};
use serde_json::{json, Value};
use support::arp;

/// A sensor that knows so many devices and has told nobody.
fn knowing(dir: &Path, devices: u8) {
    let mut inventory = Inventory::new();
    let mut dissector = Dissector::new(Limits::default());
    for n in 1..=devices {
        let bytes = arp(n);
        let frame =
            Frame { at: Timestamp::now(), link: LinkType::ETHERNET, bytes: &bytes, wire_len: 42, vlan: None };
        inventory.frame(&mut dissector, &frame);
    }
    let mut store = Store::open(dir.join("inventory.sqlite")).unwrap();
    store.save(&mut inventory, true, &[], Timestamp::now()).unwrap();
}

struct Sensor(Child);

impl Sensor {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eyot-sensor"));
        command.args(["run", "--config"]).arg(dir.join("sensor.toml")).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(dir: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(40);
    let mut latest = Value::Null;
    while Instant::now() < until {
        if let Ok(text) = fs::read(dir.join("status.json")) {
            latest = serde_json::from_slice(&text).unwrap();
            if wanted(&latest) {
                return latest;
            }
        }
        sleep(Duration::from_millis(100));
    }
    panic!("{what} did not come about: {latest:#}");
}

fn macs(batch: &DeviceBatch) -> Vec<MacAddr> {
    batch.devices.iter().map(|d| d.mac).collect()
}

#[test]
fn a_portal_that_comes_late_gets_everything_once() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    pki.write(dir.path(), port);
    knowing(dir.path(), 5);
    let _sensor = Sensor::start(dir.path());
    let waiting = status(dir.path(), "the first failure", |s| s["upload"]["state"] == "retrying");
    assert_eq!(waiting["spool"]["in_flight"], 5, "{waiting:#}");
    assert_eq!(waiting["upload"]["last_error"]["condition"], "endpoint_unreachable");

    let portal = Portal::start(&pki, port, |_| Answer::Take);
    let (batch, _) = portal.next();
    assert_eq!((batch.sequence, batch.devices.len()), (1, 5));
    let done =
        status(dir.path(), "success", |s| s["upload"]["state"] == "connected" && s["upload"]["records"] == 5);
    assert_eq!(done["spool"]["in_flight"], 0, "{done:#}");
    assert!(done["upload"]["last_error"].is_null());
    assert!(portal.is_quiet(Duration::from_secs(3)), "nothing changed, nothing is told");
}

#[test]
fn a_batch_that_was_on_its_way_when_the_sensor_was_killed_comes_again_unchanged() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let portal =
        Portal::start(
            &pki,
            0,
            move |_| {
                if is_well.load(Ordering::SeqCst) {
                    Answer::Take
                } else {
                    Answer::HangUp
                }
            },
        );
    pki.write(dir.path(), portal.port());
    knowing(dir.path(), 3);
    let mut sensor = Sensor::start(dir.path());
    let (first, _) = portal.next();
    sensor.kill();
    well.store(true, Ordering::SeqCst);
    let _sensor = Sensor::start(dir.path());
    loop {
        let (again, answer) = portal.next();
        assert_eq!(again, first);
        if answer == Answer::Take {
            break;
        }
    }
    status(dir.path(), "success", |s| s["upload"]["records"] == 3);
    assert!(portal.is_quiet(Duration::from_secs(2)));
}

#[test]
fn batches_shrink_until_they_fit_and_what_never_fits_is_dropped_alone() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let chokes_on = |mac: &MacAddr| mac.0[5] == 2;
    let portal = Portal::start(&pki, 0, move |batch| match &macs(batch)[..] {
        more if more.len() > 2 => Answer::TooLarge,
        some if some.iter().any(chokes_on) => Answer::Refuse(400, RefusalCode::BadRequest),
        _ => Answer::Take,
    });
    pki.write(dir.path(), portal.port());
    knowing(dir.path(), 5);
    let _sensor = Sensor::start(dir.path());
    let (mut taken, mut sequences) = (Vec::new(), Vec::new());
    while taken.len() < 4 {
        let (batch, answer) = portal.next();
        sequences.push(batch.sequence);
        if answer == Answer::Take {
            taken.extend(macs(&batch).iter().map(|m| m.0[5]));
        }
    }
    taken.sort_unstable();
    assert_eq!(taken, [1, 3, 4, 5]);
    let distinct: BTreeSet<u64> = sequences.iter().copied().collect();
    assert_eq!(distinct.len(), sequences.len(), "another content has another number: {sequences:?}");
    let done = status(dir.path(), "the count", |s| s["upload"]["records"] == 4 && s["spool"]["dropped"] == 1);
    assert_eq!(done["spool"]["waiting"], 0, "{done:#}");
}

#[test]
fn a_sensor_that_the_portal_no_longer_knows_says_so_and_keeps_its_records() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let portal = Portal::start(&pki, 0, |_| Answer::Refuse(403, RefusalCode::NotEnrolled));
    pki.write(dir.path(), portal.port());
    knowing(dir.path(), 2);
    let _sensor = Sensor::start(dir.path());
    portal.next();
    let status = status(dir.path(), "the state", |s| s["upload"]["state"] == "not_enrolled");
    assert_eq!(status["spool"]["in_flight"], 2);
    assert_eq!(status["upload"]["last_error"]["condition"], "activation_refused");
    let message = status["upload"]["last_error"]["message"].as_str().unwrap();
    assert!(message.contains("activate it again with a new token"), "{message}");
    assert!(portal.is_quiet(Duration::from_secs(3)), "no point in asking again at once");
}

/// A portal that wants these settings, and what its sensor says of them.
fn wanting(pki: &Pki, settings: &Arc<Mutex<Value>>) -> (Portal, Receiver<SettingsRequest>) {
    let (told, hears) = channel();
    let settings = Arc::clone(settings);
    let answer = move |request: SettingsRequest| {
        let wanted = settings.lock().unwrap().clone();
        let version = wanted.to_string();
        let known = request.in_force.as_ref() == Some(&version);
        // the test may have seen enough
        let _ = told.send(request);
        SettingsAnswer { settings: (!known).then(|| wanted.as_object().unwrap().clone()), version }
    };
    let offers = Offers { threats: None, settings: Some(Box::new(answer)) };
    (Portal::offering(pki, 0, offers, |_| Answer::Take), hears)
}

/// Waits until the sensor says that this is in force; what it refuses of it.
fn in_force(hears: &Receiver<SettingsRequest>, wanted: &Value) -> Value {
    let until = Instant::now() + Duration::from_secs(40);
    while Instant::now() < until {
        let said = hears.recv_timeout(Duration::from_secs(40)).expect("the sensor does not ask");
        if said.in_force.as_ref() == Some(&wanted.to_string()) {
            return json!(said.refused);
        }
    }
    panic!("{wanted} does not come into force");
}

#[test]
fn the_portals_settings_come_into_force_are_acknowledged_and_outlive_a_kill() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let good = json!({ "filter": "arp", "subnets": ["192.0.2.0/24"], "vlan_names": { "42": "voice" } });
    let settings = Arc::new(Mutex::new(good.clone()));
    let (portal, hears) = wanting(&pki, &settings);
    pki.write(dir.path(), portal.port());
    knowing(dir.path(), 1);
    let mut sensor = Sensor::start(dir.path());
    assert_eq!(hears.recv_timeout(Duration::from_secs(40)).unwrap(), SettingsRequest::default());
    assert_eq!(in_force(&hears, &good), json!({}), "all of it is in force");

    let bad = json!({ "filter": "port nonsense (", "bandwidth_kbps": 1000, "next_years": true });
    *settings.lock().unwrap() = bad.clone();
    let refused = in_force(&hears, &bad);
    assert!(refused["filter"].as_str().unwrap().starts_with("not a capture filter ("), "{refused}");
    assert!(refused["next_years"].as_str().unwrap().contains("not a setting of this version"), "{refused}");
    assert_eq!(refused.as_object().unwrap().len(), 2, "the bandwidth holds");

    sensor.kill();
    while hears.try_recv().is_ok() {}
    let _sensor = Sensor::start(dir.path());
    let first = hears.recv_timeout(Duration::from_secs(40)).unwrap();
    assert_eq!(first.in_force, Some(bad.to_string()), "nothing is forgotten");
    assert_eq!(json!(first.refused), refused);
}

#[test]
fn a_sensor_sends_no_faster_than_the_portal_lets_it() {
    let (dir, pki) = (tempfile::tempdir().unwrap(), Pki::new());
    let slow = json!({ "bandwidth_kbps": 350 });
    let (portal, hears) = wanting(&pki, &Arc::new(Mutex::new(slow.clone())));
    pki.write(dir.path(), portal.port());
    let sensor = Sensor::start(dir.path());
    in_force(&hears, &slow);
    drop(sensor);
    knowing(dir.path(), 240);
    let _sensor = Sensor::start(dir.path());
    let began = Instant::now();
    let (mut devices, mut bytes) = (0, 0);
    while devices < 240 {
        let (batch, _) = portal.next();
        assert!(batch.devices.len() <= 213, "no more than goes through in ten seconds");
        devices += batch.devices.len();
        bytes += serde_json::to_vec(&batch).unwrap().len();
    }
    let least = bytes as f64 / (350_000.0 / 8.0);
    let took = began.elapsed().as_secs_f64();
    assert!(least > 1.0, "{bytes} bytes are too few to tell");
    assert!(took > least * 0.9, "{bytes} bytes came in {took} s and may not within {least} s");
}
