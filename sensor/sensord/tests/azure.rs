//! The sensor reporting to an IoT Hub and an event hub, which fail in every way the real ones do, while it is killed.
//!
//! `tests/azure/mock.py` stands in for Azure: a process of its own, TLS, signatures checked in another language. The way
//! there is a proxy that asks for a password and leads every name to it.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::Store;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use support::{arp, mac};

const HUB: &str = "lab.azure-devices.net";
const EVENTS: &str = "lab.servicebus.windows.net";
const DPS: &str = "global.azure-devices-provisioning.net";
/// base64 of 32 bytes; the group's.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Most devices that a run shows; the last byte of an address.
const DEVICES: u8 = 120;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Lab {
    dir: tempfile::TempDir,
    control: u16,
    _mock: Process,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Lab {
    /// Azure, the proxy and a sensor's configuration.
    fn new(key: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([HUB, EVENTS, DPS].map(str::to_owned)).unwrap();
        fs::write(at("ca.pem"), ca.pem()).unwrap();
        fs::write(at("leaf.pem"), leaf.signed_by(&leaf_key, &ca).unwrap().pem()).unwrap();
        fs::write(at("leaf.key"), leaf_key.serialize_pem()).unwrap();

        let (azure, control) = (free_port(), free_port());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/azure/mock.py");
        let mut mock = Command::new("python3")
            .arg(script)
            .args(["--listen", &format!("127.0.0.1:{azure}"), "--control", &control.to_string()])
            .args(["--hub", HUB, "--event-hub-host", EVENTS, "--storage", "127.0.0.1:1"])
            .arg("--certificate")
            .arg(at("leaf.pem"))
            .arg("--key")
            .arg(at("leaf.key"))
            .arg("--journal")
            .arg(at("journal.ndjson"))
            .env("EYOT_MOCK_KEY", KEY)
            .env("EYOT_MOCK_RULE_KEY", "rule-key-text")
            .env("EYOT_MOCK_STORAGE_KEY", KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(mock.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready.trim(), "ready");

        fs::write(at("key"), key).unwrap();
        let connection = format!(
            "Endpoint=sb://{EVENTS}/;SharedAccessKeyName=send;SharedAccessKey=rule-key-text;EntityPath=devices"
        );
        fs::write(at("events"), connection).unwrap();
        fs::write(at("password"), "s3cret\n").unwrap();
        let dir_name = dir.path().display();
        let configuration = format!(
            "version = 1\ninterfaces = [\"no-such-nic\"]\n\
             database = \"{dir_name}/i.sqlite\"\nstatus = \"{dir_name}/status.json\"\n\
             [azure]\nid_scope = \"0ne00ABC123\"\nregistration_id = \"lab-7\"\nkey_file = \"{dir_name}/key\"\n\
             enrolment = \"group\"\nevent_hub_file = \"{dir_name}/events\"\nextra_ca_file = \"{dir_name}/ca.pem\"\n\
             [azure.proxy]\nurl = \"http://127.0.0.1:{}\"\nusername = \"sensor\"\n\
             password_file = \"{dir_name}/password\"\n",
            proxy_to(azure)
        );
        fs::write(at("sensor.toml"), configuration).unwrap();
        Self { dir, control, _mock: Process(mock) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sensor(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eyot-sensor"));
        command.args(["run", "--config"]).arg(self.path("sensor.toml")).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    }

    /// Devices that have been seen and told to nobody.
    fn see(&self, devices: std::ops::RangeInclusive<u8>) {
        let mut store = Store::open(self.path("i.sqlite")).unwrap();
        let (mut inventory, mut dissector) = (store.load().unwrap(), Dissector::new(Limits::default()));
        for n in devices {
            let (at, bytes) = (Timestamp::now(), arp(n));
            let frame = Frame { at, link: LinkType::ETHERNET, bytes: &bytes, wire_len: 42, vlan: None };
            inventory.frame(&mut dissector, &frame);
        }
        store.save(&mut inventory, true, &[], Timestamp::now()).unwrap();
    }

    fn fault(&self, place: &str, kind: &str, times: u32) {
        let body = format!("{{\"where\":\"{place}\",\"kind\":\"{kind}\",\"times\":{times}}}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        write!(stream, "POST /fault HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 204 "), "{answer}");
    }

    /// What Azure has accepted so far, oldest first.
    fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("journal.ndjson")).unwrap_or_default();
        // the last line may be half written
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn told(&self, place: &str) -> BTreeSet<String> {
        let device = |entry: &Value| entry["message"]["device"]["mac"].as_str().map(str::to_owned);
        self.journal().iter().filter(|e| e["where"] == place).filter_map(device).collect()
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !wanted(self) {
            let status = fs::read_to_string(self.path("status.json")).unwrap_or_default();
            assert!(Instant::now() < until, "{what} did not come about: {status}");
            sleep(Duration::from_millis(100));
        }
    }

    fn status(&self) -> Value {
        let text = fs::read(self.path("status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// An HTTP proxy (RFC 9110 §9.3.6) with Basic authentication that leads wherever one asks to `port`. Its own port.
fn proxy_to(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            thread::spawn(move || tunnel(client, port));
        }
    });
    own
}

fn tunnel(mut client: TcpStream, port: u16) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    // "sensor:s3cret" in base64
    if !head.starts_with("connect ") || !head.contains("proxy-authorization: basic c2vuc29yonmzy3jlda==") {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let copied = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    copied.map(drop)
}

#[test]
fn every_device_arrives_whatever_azure_does_and_however_often_the_sensor_is_killed() {
    let lab = Lab::new(KEY);
    let faults = ["401", "429", "half_closed", "500", "slow", "503", "403"];
    let step = DEVICES / faults.len() as u8;
    for (round, kind) in (0_u8..).zip(faults) {
        for place in ["hub", "event_hub"] {
            lab.fault(place, kind, 2);
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
    let all = |lab: &Lab| places.iter().all(|place| lab.told(place) == expected);
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
                status["destinations"].as_array().is_some_and(|d| d.len() == 2 && d.iter().all(done))
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
}

#[test]
fn a_wrong_key_is_said_and_holds_up_no_other_destination() {
    let lab = Lab::new("d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGtleSBvZiAzMiE=");
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
