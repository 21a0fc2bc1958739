//! Destinations are told everything, also across failures of theirs and a kill of the portal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use eyot_contract::{Finding, FindingKind, MacAddr, Severity, Timestamp};
use ring::hmac;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::process::Process;
use crate::support::{device, own_database, run, Client, Sensor};

/// A portal that is configured to tell, and a sensor of it.
struct Telling {
    folder: tempfile::TempDir,
    config: String,
    process: Option<Process>,
    sensor: Sensor,
}

impl Telling {
    async fn begin(outlets: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        own_database(folder.path()).await;
        let config = folder.path().join("portal.toml");
        std::fs::write(folder.path().join("secret"), "between us\n").unwrap();
        let outlets = outlets.replace("SECRET", folder.path().join("secret").to_str().unwrap());
        std::fs::write(&config, outlets).unwrap();
        let config = config.to_str().unwrap().to_owned();
        let process = Process::start(folder.path(), &["--config", &config], "");
        let data = folder.path().to_str().unwrap();
        let made =
            run(&["register", "--data", data, "--name", "s", "--subscription", "m", "--format", "json"]);
        assert!(made.status.success(), "{made:?}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let anybody = Client::new(process.at, folder.path(), None);
        let sensor = Sensor::activate(&anybody, folder.path(), made["token"].as_str().unwrap()).await;
        Self { folder, config, process: Some(process), sensor }
    }

    /// Kills the portal and starts it again.
    fn again(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        let process = Process::start(self.folder.path(), &["--config", &self.config], "");
        let identity = (self.sensor.certificate.as_str(), self.sensor.key.as_str());
        self.sensor.client = Client::new(process.at, self.folder.path(), Some(identity));
        self.process = Some(process);
    }

    /// Two devices and an alert.
    async fn report(&self, sequence: u64) {
        let n = sequence as u32;
        let mut batch = self.sensor.batch(sequence, vec![device(n * 2, "a"), device(n * 2 + 1, "b")]);
        batch.findings.push(alert(n));
        let answer = self.sensor.client.post_json(eyot_contract::path::DEVICES, &batch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn alert(n: u32) -> Finding {
    let at = Timestamp(1_790_000_000_000_000);
    Finding {
        id: format!("port_scan/{n}"),
        kind: FindingKind::PortScan,
        severity: Severity::Medium,
        mac: Some(MacAddr([0, 0x40, 0, 0, 0, 1])),
        summary: format!("scan number {n}"),
        first_seen: at,
        last_seen: at,
        count: 1,
        evidence: Vec::new(),
    }
}

/// What came, by number. The same number again must say the same.
#[derive(Default)]
struct Heard(BTreeMap<i64, Value>);

impl Heard {
    fn take(&mut self, told: Value) {
        let seq = told["seq"].as_i64().unwrap();
        let before = self.0.insert(seq, told.clone());
        assert!(before.is_none_or(|before| before == told), "{told}");
    }

    /// Every batch from the first to `last`, whole and in order, nothing else.
    #[cfg(any(feature = "nats", feature = "kafka"))]
    fn is_all(&self, last: u64) -> bool {
        let expected: Vec<_> = (1..=last).flat_map(batch_of).collect();
        if self.0.len() < expected.len() {
            return false;
        }
        let heard: Vec<_> = self.0.values().map(named).collect();
        assert_eq!(heard, expected);
        for (told, sequence) in self.0.values().filter(|t| t["kind"] == "device.new").zip(2..) {
            let name = if sequence % 2 == 0 { "a" } else { "b" };
            assert_eq!(told["device"], serde_json::to_value(device(sequence, name)).unwrap());
        }
        true
    }
}

#[cfg(any(feature = "nats", feature = "kafka"))]
fn batch_of(sequence: u64) -> Vec<String> {
    let mac = |n: u32| format!("device.new {}", device(n, "").mac);
    let n = sequence as u32;
    vec![mac(n * 2), mac(n * 2 + 1), format!("finding.new scan number {n}")]
}

#[cfg(any(feature = "nats", feature = "kafka"))]
fn named(told: &Value) -> String {
    let what = told["device"]["mac"].as_str().or(told["finding"]["summary"].as_str());
    format!("{} {}", told["kind"].as_str().unwrap(), what.unwrap())
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..300 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not come about in half a minute");
}

#[derive(Clone, Default)]
struct Hook {
    heard: Arc<Mutex<Heard>>,
    refused: Arc<Mutex<u32>>,
}

async fn hooked(State(hook): State<Hook>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["eyot-signature"].to_str().unwrap();
    let (time, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"between us");
    hmac::verify(&key, format!("{time}.{body}").as_bytes(), &hex::decode(tag).unwrap()).unwrap();
    {
        let mut refused = hook.refused.lock().unwrap();
        *refused += 1;
        if *refused <= 2 {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    let told: Value = serde_json::from_str(&body).unwrap();
    for event in told["events"].as_array().unwrap() {
        hook.heard.lock().unwrap().take(event.clone());
    }
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn webhook_and_syslog_hear_every_alert_once_they_can() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook_at = listener.local_addr().unwrap();
    let hook = Hook::default();
    let router = axum::Router::new().route("/hook", axum::routing::post(hooked)).with_state(hook.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    // the syslog receiver is not there at first
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let syslog_at = reserved.local_addr().unwrap();
    drop(reserved);
    let mut telling = Telling::begin(&format!(
        "[[outlets]]\nname = \"hook\"\nwebhook = {{ url = \"http://{hook_at}/hook\", secret_file = \"SECRET\" }}\n\
         [[outlets]]\nname = \"siem\"\nsyslog = {{ server = \"tcp://{syslog_at}\" }}\n"
    ))
    .await;
    telling.report(1).await;
    telling.again();
    telling.report(2).await;
    let lines = syslog_lines(TcpListener::bind(syslog_at).await.unwrap());
    let count = |wanted: usize| {
        let lines = lines.clone();
        move || {
            (1..=wanted)
                .all(|n| lines.lock().unwrap().iter().any(|l| l.ends_with(&format!("scan number {n}"))))
        }
    };
    until("both lines", count(2)).await;
    until("both posts", || hook.heard.lock().unwrap().0.len() >= 2).await;
    telling.report(3).await;
    until("the third line", count(3)).await;
    until("the third post", || hook.heard.lock().unwrap().0.len() >= 3).await;
    let heard = hook.heard.lock().unwrap();
    let summaries: Vec<_> = heard.0.values().map(|t| t["finding"]["summary"].clone()).collect();
    assert_eq!(summaries, ["scan number 1", "scan number 2", "scan number 3"], "alerts only, in order");
    assert!(*hook.refused.lock().unwrap() > 2, "it was tried again after a failure");
    let lines = lines.lock().unwrap();
    assert!(lines.iter().all(|l| l.starts_with("<132>1 ") && l.contains("[eyot@32473 seq=")), "{lines:?}");
}

/// Lines with their counts in front, from every connection.
fn syslog_lines(listener: TcpListener) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let kept = kept.clone();
            tokio::spawn(async move {
                let mut seen = String::new();
                let mut some = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut some).await {
                    seen.push_str(std::str::from_utf8(&some[..count]).unwrap());
                    while let Some((length, rest)) = seen.split_once(' ') {
                        let length: usize = length.parse().unwrap();
                        let Some(line) = rest.get(..length) else { break };
                        kept.lock().unwrap().push(line.to_owned());
                        seen = rest[length..].to_owned();
                    }
                }
            });
        }
    });
    lines
}

#[tokio::test]
async fn a_destination_that_makes_no_sense_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("portal.toml");
    for (text, expected) in [
        ("[[outlets]]\nname = \"x\"\n", "x: exactly one of webhook, syslog, nats and kafka is expected"),
        ("[[outlets]]\nname = \"x\"\nwebhook = { url = \"http://a.example/\", secret_file = \"s\" }\n", "go over https://"),
        ("[[outlets]]\nname = \"x\"\nsyslog = { server = \"a\" }\n", "server: \"a\" is not"),
        ("[[outlets]]\nname = \"x\"\ncolour = 1\n", "unknown field `colour`"),
        ("[[outlets]]\nname = \"x\"\nsyslog = { server = \"udp://a:1\" }\n[[outlets]]\nname = \"x\"\nsyslog = { server = \"udp://a:1\" }\n", "two destinations are named"),
    ] {
        std::fs::write(&config, text).unwrap();
        let ended = serve(folder.path(), &config);
        assert!(ended.contains(expected), "{text}: {ended}");
    }
}

fn serve(folder: &Path, config: &Path) -> String {
    let (data, config) = (folder.join("data"), config.to_str().unwrap());
    let data = data.to_str().unwrap();
    let ended = run(&[
        "serve",
        "--data",
        data,
        "--config",
        config,
        "--listen",
        "127.0.0.1:0",
        "--address",
        "https://x",
    ]);
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}

/// What was ingested is what a consumer reads back, with the portal killed in between.
#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_gives_back_what_was_ingested() {
    use futures_util::StreamExt;
    let store = tempfile::tempdir().unwrap();
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let start = || {
        std::process::Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(store.path())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("nats-server (Debian's package of that name)")
    };
    let mut telling = Telling::begin(&format!(
        "[[outlets]]\nname = \"n\"\nnats = {{ server = \"nats://127.0.0.1:{port}\" }}\n"
    ))
    .await;
    telling.report(1).await;
    let mut server = start();
    telling.report(2).await;
    telling.again();
    for sequence in 3..=10 {
        telling.report(sequence).await;
        if sequence == 5 {
            // the server goes away and comes back with its store
            server.kill().unwrap();
            server.wait().unwrap();
            server = start();
        }
        if sequence == 8 {
            telling.again();
        }
    }
    let client = loop {
        match async_nats::connect(format!("127.0.0.1:{port}")).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let context = async_nats::jetstream::new(client);
    let mut heard = Heard::default();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Ok(stream) = context.get_stream("EYOT").await else { continue };
        let config = async_nats::jetstream::consumer::pull::OrderedConfig::default();
        let Ok(consumer) = stream.create_consumer(config).await else { continue };
        let Ok(mut messages) = consumer.messages().await else { continue };
        while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_secs(1), messages.next()).await
        {
            heard.take(serde_json::from_slice(&message.payload).unwrap());
        }
        if heard.is_all(10) {
            break;
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(heard.is_all(10), "{:?}", heard.0.keys());
}

/// The same from librdkafka's own mock of a cluster.
#[cfg(feature = "kafka")]
#[tokio::test]
async fn kafka_gives_back_what_was_ingested() {
    use rdkafka::consumer::{Consumer, StreamConsumer};
    use rdkafka::Message;
    let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
    cluster.create_topic("eyot", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let mut telling =
        Telling::begin(&format!("[[outlets]]\nname = \"k\"\nkafka = {{ brokers = \"{brokers}\" }}\n")).await;
    for sequence in 1..=10 {
        telling.report(sequence).await;
        if sequence == 4 || sequence == 8 {
            telling.again();
        }
    }
    let consumer: StreamConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["eyot"]).unwrap();
    let mut heard = Heard::default();
    while !heard.is_all(10) {
        let message = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await;
        let message = message.unwrap_or_else(|_| panic!("{:?}", heard.0.keys())).unwrap();
        heard.take(serde_json::from_slice(message.payload().unwrap()).unwrap());
    }
}
