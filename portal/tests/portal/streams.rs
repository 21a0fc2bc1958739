//! What was ingested, and what people did, is what a consumer reads back: from a real nats-server, and from librdkafka's mock
//! of a cluster with librdkafka's own consumer; with kills of the portal and of the server in between.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use hyper::Method;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::Message;
use serde_json::{json, Value};

use crate::support::device;
use crate::telling::{Heard, Telling};

/// Batches reported before people come.
const BATCHES: u64 = 10;

/// What has to be heard: of each batch two devices and an alert, and then what people did.
struct Expected {
    all: Vec<String>,
}

impl Expected {
    fn of_batches() -> Self {
        let mac = |n: u32| format!("device.new {}", device(n, "").mac);
        let batch = |n: u64| {
            let at = n as u32;
            vec![mac(at * 2), mac(at * 2 + 1), format!("finding.new scan number {n}")]
        };
        Self { all: (1..=BATCHES).flat_map(batch).collect() }
    }

    /// Does what people do, and expects to hear of it.
    async fn people(&mut self, telling: &Telling) {
        let owner = telling.owner();
        let found = owner.get("/api/v1/devices?sort=mac").await.json();
        let found = found["devices"].as_array().unwrap().clone();
        let (id, mac) =
            (|n: usize| found[n]["id"].clone(), |n: usize| found[n]["mac"].as_str().unwrap().to_owned());
        let send = |method: Method, path: String, body: Value| {
            let owner = owner.clone();
            async move {
                let answer = owner.send(method, &path, "application/json", body.to_string()).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                answer.json()
            }
        };
        let devices = || "/api/v1/devices".to_owned();
        send(Method::PATCH, devices(), json!({ "ids": [id(0)], "name": "Front door", "tags": ["lobby"] }))
            .await;
        self.all.push(format!("device.edited {}", mac(0)));
        send(Method::DELETE, devices(), json!({ "ids": [id(1)] })).await;
        self.all.push(format!("device.deleted {}", mac(1)));
        let both = json!({ "ids": [id(2), id(3)], "into": id(2) });
        let merged = send(Method::POST, format!("{}/merge", devices()), both).await;
        self.all.push(format!("device.deleted {}", mac(3)));
        self.all.push(format!("device.merged {}", mac(2)));
        let undo = format!("/api/v1/merges/{}", merged["merge"].as_str().unwrap());
        send(Method::DELETE, undo, Value::Null).await;
        self.all.push(format!("device.unmerged {}", mac(3)));
        self.all.push(format!("device.unmerged {}", mac(2)));
        let alerts = owner.get("/api/v1/findings").await.json();
        let alert = &alerts["findings"][0];
        let work = json!({ "ids": [alert["id"]], "status": "closed", "note": "Kim's test" });
        send(Method::PATCH, "/api/v1/findings".to_owned(), work).await;
        self.all.push(format!("finding.worked_on {}", alert["summary"].as_str().unwrap()));
    }

    /// Whether that was heard, whole and in order, and nothing else; what was ingested as it was ingested.
    fn is_heard(&self, heard: &Heard) -> bool {
        let named: Vec<_> = heard.0.values().map(named).collect();
        assert!(
            self.all.starts_with(&named) || heard.0.keys().zip(1..).any(|(seq, n)| *seq != n),
            "{named:?}"
        );
        if named.len() < self.all.len() {
            return false;
        }
        assert_eq!(named, self.all);
        assert!(heard.0.keys().copied().eq(1..=self.all.len() as i64), "numbered without a gap");
        for (told, n) in heard.0.values().filter(|t| t["kind"] == "device.new").zip(2..) {
            let name = if n % 2 == 0 { "a" } else { "b" };
            assert_eq!(told["device"], serde_json::to_value(device(n, name)).unwrap());
        }
        let edited = heard.0.values().find(|t| t["kind"] == "device.edited").unwrap();
        assert_eq!(edited["device"]["hostname"], "Front door");
        assert_eq!(edited["decisions"]["tags"], json!(["lobby"]));
        assert_eq!((&edited["by"], &edited["fields"]), (&json!("token kim"), &json!(["hostname", "tags"])));
        let worked_on = heard.0.values().last().unwrap();
        assert_eq!((&worked_on["status"], &worked_on["note"]), (&json!("closed"), &json!("Kim's test")));
        true
    }
}

fn named(told: &Value) -> String {
    let about = told["device"]["mac"].as_str().or(told["mac"].as_str());
    let about = about.or(told["finding"]["summary"].as_str());
    format!("{} {}", told["kind"].as_str().unwrap(), about.unwrap_or("nothing"))
}

/// nats-server with a store, which outlives a kill.
struct NatsServer {
    port: u16,
    store: tempfile::TempDir,
    child: Option<Child>,
}

impl NatsServer {
    fn reserve() -> Self {
        let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = reserved.local_addr().unwrap().port();
        Self { port, store: tempfile::tempdir().unwrap(), child: None }
    }

    fn start(&mut self) {
        let started = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(self.store.path())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(started.expect("nats-server: install Debian's package of that name"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Everything the stream holds, once it can be asked.
    async fn read(&self) -> Option<Vec<Value>> {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await.ok()?;
        let stream = async_nats::jetstream::new(client).get_stream("EYOT").await.ok()?;
        let ordered = async_nats::jetstream::consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(ordered).await.ok()?.messages().await.ok()?;
        let mut all = Vec::new();
        while let Ok(Some(Ok(message))) =
            tokio::time::timeout(Duration::from_millis(500), messages.next()).await
        {
            let told: Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(message.subject.as_str(), format!("eyot.{}", told["kind"].as_str().unwrap()));
            all.push(told);
        }
        Some(all)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test]
async fn nats_gives_back_what_was_ingested() {
    let mut server = NatsServer::reserve();
    let outlet =
        format!("[[outlets]]\nname = \"n\"\nnats = {{ server = \"nats://127.0.0.1:{}\" }}\n", server.port);
    let mut telling = Telling::begin(&outlet).await;
    telling.report(1).await;
    server.start();
    telling.report(2).await;
    telling.again();
    for sequence in 3..=BATCHES {
        telling.report(sequence).await;
        if sequence == 5 {
            // the server goes away and comes back with its store
            server.kill();
            server.start();
        }
        if sequence == 8 {
            telling.again();
        }
    }
    let mut expected = Expected::of_batches();
    expected.people(&telling).await;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Some(read) = server.read().await else { continue };
        let mut heard = Heard::default();
        read.into_iter().for_each(|told| heard.take(told));
        if expected.is_heard(&heard) {
            return;
        }
    }
    panic!("not everything came within half a minute");
}

#[tokio::test]
async fn kafka_gives_back_what_was_ingested() {
    let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
    cluster.create_topic("eyot", 3, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let mut telling =
        Telling::begin(&format!("[[outlets]]\nname = \"k\"\nkafka = {{ brokers = \"{brokers}\" }}\n")).await;
    for sequence in 1..=BATCHES {
        telling.report(sequence).await;
        if sequence == 4 || sequence == 8 {
            telling.again();
        }
    }
    let mut expected = Expected::of_batches();
    expected.people(&telling).await;
    let consumer: StreamConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["eyot"]).unwrap();
    let mut heard = Heard::default();
    while !expected.is_heard(&heard) {
        let message = tokio::time::timeout(Duration::from_secs(30), consumer.recv()).await;
        let message = message.unwrap_or_else(|_| panic!("{:?}", heard.0.keys())).unwrap();
        let told: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        assert_eq!(
            message.key().unwrap(),
            told["id"].as_str().unwrap().as_bytes(),
            "events of a device stay together"
        );
        heard.take(told);
    }
}
