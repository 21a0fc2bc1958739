//! The device twin: the owner's wishes become settings, what is in force and how the sensor is is written back, and the
//! signature is renewed. The test is the hub's side, behind mosquitto; logins are judged by the stand-in before it.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::{json, Map, Value};

use crate::lab::{Lab, KEY, STORAGE};
use crate::support::mac;

/// The hub's side of one twin.
struct Hub {
    client: Client,
    twin: Arc<Mutex<Document>>,
}

#[derive(Default)]
struct Document {
    desired: Map<String, Value>,
    version: i64,
    reported: Map<String, Value>,
    reports: u64,
    asked: u64,
}

impl Hub {
    fn new(broker: u16) -> Self {
        let mut options = MqttOptions::new("hub", "127.0.0.1", broker);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, mut connection) = Client::new(options, 64);
        for topic in ["$iothub/twin/GET/#", "$iothub/twin/PATCH/properties/reported/#"] {
            client.subscribe(topic, QoS::AtMostOnce).unwrap();
        }
        let twin = Arc::new(Mutex::new(Document::default()));
        let hub = Self { client: client.clone(), twin: Arc::clone(&twin) };
        thread::spawn(move || {
            for event in connection.iter() {
                let Ok(event) = event else { return };
                let Event::Incoming(Packet::Publish(message)) = event else { continue };
                let rid = message.topic.split_once("/?").map_or("", |(_, query)| query).to_owned();
                let mut twin = twin.lock().unwrap();
                let (status, body) = if message.topic.contains("/GET/") {
                    twin.asked += 1;
                    let mut desired = twin.desired.clone();
                    desired.insert("$version".to_owned(), json!(twin.version));
                    (200, json!({ "desired": desired, "reported": twin.reported }).to_string())
                } else {
                    let Value::Object(patch) = serde_json::from_slice(&message.payload).unwrap() else {
                        panic!()
                    };
                    merge(&mut twin.reported, patch);
                    twin.reports += 1;
                    (204, String::new())
                };
                let topic = format!("$iothub/twin/res/{status}/?{rid}");
                client.publish(topic, QoS::AtMostOnce, false, body).unwrap();
            }
        });
        hub
    }

    /// What the owner writes; `null` takes away.
    fn desire(&self, patch: Value) -> i64 {
        let Value::Object(patch) = patch else { panic!("an object") };
        let mut twin = self.twin.lock().unwrap();
        merge(&mut twin.desired, patch.clone());
        twin.version += 1;
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={}", twin.version);
        self.client.publish(topic, QoS::AtMostOnce, false, Value::Object(patch).to_string()).unwrap();
        twin.version
    }

    fn reported(&self) -> Value {
        Value::Object(self.twin.lock().unwrap().reported.clone())
    }

    fn reports(&self) -> u64 {
        self.twin.lock().unwrap().reports
    }
}

fn merge(into: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(into.remove(&name)),
            value => drop(into.insert(name, value)),
        }
    }
}

#[test]
fn what_the_owner_wishes_is_followed_and_answered() {
    let lab = Lab::new(KEY, "twin = true\ntwin_signature_seconds = 8");
    let hub = Hub::new(lab.broker);
    lab.see(1..=5);
    // half of its ways there fail at first
    for kind in ["401", "429", "500", "half_closed"] {
        lab.fault("mqtt", kind, 1);
    }
    let sensor = lab.sensor();
    lab.wait("a first report", |_| hub.reported()["sensor"]["version"] == env!("CARGO_PKG_VERSION"));
    lab.wait("a status", |lab| lab.destination("azure_twin")["upload"]["state"] == "connected");
    assert!(hub.reported()["sensor"]["destinations"]["azure_iot_hub"].is_object(), "{}", hub.reported());

    // settings: those that can be are in force, the one that cannot be is answered
    let version = hub.desire(json!({ "filter": "udp", "local_networks": ["10.0.0.0/8"], "bandwidth": 5 }));
    lab.wait("the filter", |_| hub.reported()["filter"]["ac"] == 200);
    let reported = hub.reported();
    assert_eq!(reported["filter"]["value"], "udp");
    assert_eq!(
        (&reported["filter"]["av"], &reported["local_networks"]["ac"]),
        (&json!(version), &json!(200))
    );
    assert_eq!(reported["bandwidth"]["ac"], 400);
    assert!(reported["bandwidth"]["ad"].as_str().unwrap().contains("not a setting"), "{reported}");
    assert!(lab.log().contains("filter: Some(\"udp\")"), "{}", lab.log());

    // a file on demand, with everything in it, and without the capture beginning anew
    let rounds = lab.log().matches("starting").count();
    hub.desire(json!({ "snapshot": "before the audit" }));
    lab.wait("the file", |lab| lab.blobs().keys().any(|name| name.ends_with("-last.ndjson")));
    let blobs = lab.blobs();
    let (name, text) = blobs.iter().next().unwrap();
    assert!(name.starts_with("lab-7/inventory/") && blobs.len() == 1, "{blobs:?}");
    let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let macs: Vec<_> = messages.iter().map(|m| m["device"]["mac"].as_str().unwrap().to_owned()).collect();
    assert_eq!(macs, (1..=5).map(mac).collect::<Vec<_>>());
    assert!(messages.iter().all(|m| m["schema"] == "eyot.message/1" && m["sensor"] == "lab-7"));
    // whoever keeps the firewall has to know where files go
    lab.wait("the account's name", |lab| lab.status()["storage_hosts"] == json!([STORAGE]));
    lab.wait("the answer", |_| hub.reported()["snapshot"]["ac"] == 200);
    assert_eq!(lab.log().matches("starting").count(), rounds);

    // the signature is renewed in time: the hub never has to end a connection
    let (logins, reports) = (lab.count("mqtt"), hub.reports());
    lab.wait("two renewals", |lab| lab.count("mqtt") >= logins + 2 && hub.reports() >= reports + 2);
    assert_eq!(lab.count("mqtt_over"), 0);

    // a kill changes nothing; what the owner takes away is the file's again, and has no answer any more
    drop(sensor);
    let reports = hub.reports();
    let _sensor = lab.sensor();
    lab.wait("a report after the kill", |_| hub.reports() > reports);
    assert_eq!(hub.reported()["filter"]["value"], "udp");
    assert_eq!(lab.blobs().len(), 1, "the same wish is fulfilled once");
    hub.desire(json!({ "filter": null }));
    lab.wait("the end of the filter", |_| hub.reported().get("filter").is_none());
    assert!(lab.log().rfind("filter: None") > lab.log().rfind("filter: Some(\"udp\")"), "{}", lab.log());
    assert!(lab.proxy_log().contains("CONNECT lab.azure-devices.net:443 sensor"), "{}", lab.proxy_log());
    assert!(!lab.log().contains("s3cret") && !lab.log().contains("sig="), "{}", lab.log());
}
