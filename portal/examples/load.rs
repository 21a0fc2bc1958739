//! Loads a running portal as many sensors would, and asks for the inventory as people do: what `scripts/bench portal` runs.
//!
//! Every sensor enrols for itself and sends its devices through the real client over TLS with its own certificate, one batch
//! after the other, all sensors at once. The first round makes the devices, the second reports each of them again: its
//! rate is that of device updates. Then each kind of page is asked for many times over one connection, as nothing else
//! runs. Words to standard output, one line a figure.

#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use eyot_client::{Client, Trust};
use eyot_contract::{
    path, ActivationToken, BatchAcknowledged, DeviceBatch, DeviceRecord, DeviceType, EnrolmentRequest,
    EnrolmentResponse, MacAddr, Timestamp, MAX_BATCH_DEVICES,
};
use rcgen::{CertificateParams, KeyPair};
use tokio::sync::Semaphore;
use uuid::Uuid;

#[derive(Parser)]
#[command(about = "Load a running portal with sensors and devices, and time its pages")]
struct Line {
    /// The portal, https://host:port
    #[arg(long)]
    portal: String,
    /// Its CA certificate
    #[arg(long)]
    ca: std::path::PathBuf,
    /// File with an API token that may register sensors
    #[arg(long)]
    token_file: std::path::PathBuf,
    /// Devices in all
    #[arg(long, default_value_t = 10_000)]
    devices: u32,
    /// Sensors that report them
    #[arg(long, default_value_t = 10)]
    sensors: u32,
    /// Times each page is asked for
    #[arg(long, default_value_t = 200)]
    requests: usize,
}

/// Pages that are timed; `*` is another number each time, so that nobody can remember the answer.
const PAGES: [(&str, &str); 9] = [
    ("first page", "/devices"),
    ("page 100", "/devices?page=100"),
    ("search, 0.2 %", "/devices?search=room-*"),
    ("search, nothing", "/devices?search=nobody-*"),
    ("filter", "/devices?type=printer&vendor=Brother"),
    ("sort by name", "/devices?sort=name"),
    ("sort by address", "/devices?sort=ip"),
    ("group by type", "/devices?group=type"),
    ("next by cursor", "/api/v1/devices?cursor=start&per_page=50"),
];
/// Sensors that report at the same moment; the others wait for their turn.
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(120);

struct Sensor {
    client: Client,
    first: u32,
    last: u32,
}

#[tokio::main]
async fn main() {
    let line = Line::parse();
    let ca = std::fs::read_to_string(&line.ca).unwrap();
    let token = std::fs::read_to_string(&line.token_file).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let anybody = client(&line.portal, &ca).build().unwrap();
    let begun = Instant::now();
    let mut sensors = Vec::new();
    for n in 0..line.sensors {
        let share = |n: u32| (u64::from(line.devices) * u64::from(n) / u64::from(line.sensors)) as u32;
        let identity = enrolled(&anybody, &bearer, n).await;
        let client = client(&line.portal, &ca).identity(identity.0, identity.1).build().unwrap();
        sensors.push(Arc::new(Sensor { client, first: share(n), last: share(n + 1) }));
    }
    println!("{} sensors enrolled in {:.1} s", line.sensors, begun.elapsed().as_secs_f64());
    for round in ["new devices", "device updates"] {
        let begun = Instant::now();
        let epoch = Uuid::new_v4();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut all = tokio::task::JoinSet::new();
        for sensor in &sensors {
            let (sensor, turns) = (sensor.clone(), turns.clone());
            all.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                report(&sensor, epoch).await;
            });
        }
        all.join_all().await;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{round}: {:.0} a second ({} in {seconds:.1} s)",
            f64::from(line.devices) / seconds,
            line.devices
        );
    }
    let listed = ask(&anybody, &bearer, "/api/v1/devices?per_page=1").await;
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let one = format!("/devices/{}", listed["devices"][0]["id"].as_str().unwrap());
    for (name, page) in PAGES.into_iter().chain([("one device", one.as_str())]) {
        let mut times = Vec::with_capacity(line.requests);
        for n in 0..line.requests {
            let page = page.replace('*', &(n * 7 % 500).to_string());
            let begun = Instant::now();
            ask(&anybody, &bearer, &page).await;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        println!("{name}: p50 {:.1} ms, p99 {:.1} ms", at(50), at(99));
    }
}

async fn ask(anybody: &Client, bearer: &str, page: &str) -> Vec<u8> {
    let reply = anybody.send("GET", page, &[("authorization", bearer)], Vec::new()).await.unwrap();
    assert_eq!(reply.status, 200, "{page}");
    reply.body.to_vec()
}

fn client(portal: &str, ca: &str) -> eyot_client::Builder {
    Client::builder(portal).trust(Trust::CaPem(ca.to_owned())).timeout(PATIENCE)
}

/// Certificate and key of a new sensor.
async fn enrolled(anybody: &Client, bearer: &str, n: u32) -> (String, String) {
    let wanted = serde_json::json!({ "name": format!("load-{n}"), "subscription": "load" }).to_string();
    let headers = [("authorization", bearer), ("content-type", "application/json")];
    let reply = anybody.send("POST", "/api/v1/sensors", &headers, wanted.into_bytes()).await.unwrap();
    let issued: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let token: ActivationToken = issued["token"].as_str().unwrap().parse().unwrap();
    let key = KeyPair::generate().unwrap();
    let request = EnrolmentRequest {
        sensor: token.sensor,
        secret: token.secret_text(),
        csr_pem: CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap(),
        hostname: format!("load-{n}"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let enrolled: EnrolmentResponse = anybody.post_json(path::ENROL, &request).await.unwrap();
    (enrolled.certificate_pem, key.serialize_pem())
}

async fn report(sensor: &Sensor, epoch: Uuid) {
    let all: Vec<u32> = (sensor.first..sensor.last).collect();
    for (at, some) in all.chunks(MAX_BATCH_DEVICES).enumerate() {
        let batch = DeviceBatch {
            epoch,
            sequence: at as u64 + 1,
            sent: Timestamp::now(),
            devices: some.iter().map(|n| device(*n)).collect(),
            findings: Vec::new(),
        };
        let told: BatchAcknowledged = sensor.client.post_json(path::DEVICES, &batch).await.unwrap();
        assert_eq!(told.sequence, batch.sequence);
    }
}

/// A device like those of an office: a few makers, types and networks, names and addresses of its own.
fn device(n: u32) -> DeviceRecord {
    let kinds = [
        ("Brother", "HL-L5200DW", DeviceType::Printer),
        ("Axis Communications", "P3245-V", DeviceType::Camera),
        ("Yealink", "T46S", DeviceType::VoipPhone),
        ("Cisco Systems", "C2960X-24PS", DeviceType::Switch),
    ];
    let (vendor, model, device_type) = kinds[n as usize % kinds.len()];
    let [a, b, c, d] = n.to_be_bytes();
    let now = Timestamp::now();
    DeviceRecord {
        mac: MacAddr([0, 0x40, a, b, c, d]),
        ips: vec![Ipv4Addr::from(0x0a00_0000 + n).into()],
        vlans: vec![(n % 20) as u16 + 1],
        hostname: Some(format!("room-{}-{n}", n % 500)),
        vendor: Some(vendor.to_owned()),
        model: Some(model.to_owned()),
        device_type: Some(device_type),
        class: Some(device_type.class()),
        os: None,
        firmware: Some("1.2.3".to_owned()),
        serial: Some(format!("S{n:08}")),
        confidence: 0.9,
        randomized_mac: false,
        protocols: ["arp", "dhcp", "mdns"].map(str::to_owned).to_vec(),
        frames: 1_000,
        first_seen: Timestamp(now.0 - 3_600_000_000),
        last_seen: now,
        evidence: Vec::new(),
        activity: Default::default(),
        managed: Default::default(),
    }
}
