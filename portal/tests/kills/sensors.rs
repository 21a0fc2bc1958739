//! Sensors that report without a pause, each batch until it is acknowledged, and what the portal must know by then.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use eyot_client::{Client, Trust};
use eyot_contract::{
    path, ActivationToken, BatchAcknowledged, DeviceBatch, DeviceRecord, EnrolmentRequest, EnrolmentResponse,
    Finding, FindingKind, MacAddr, Severity, Timestamp,
};
use rcgen::{CertificateParams, KeyPair};
use uuid::Uuid;

use crate::eyot;

/// Records in a batch: one of a device of the sensor's own that is new, one of a device that is reported every time, and two
/// of devices that every sensor reports.
pub const DEVICES_A_BATCH: usize = 4;
/// How long a sensor waits for an answer before it sends again.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The pause before it does.
const AGAIN: Duration = Duration::from_millis(50);

/// The sensors.
pub struct Fleet {
    sensors: Vec<Sensor>,
    stop: AtomicBool,
    repeated: AtomicU64,
}

struct Sensor {
    number: u8,
    id: String,
    client: Client,
    epoch: Uuid,
    acknowledged: AtomicU64,
}

impl Fleet {
    pub async fn enrol(address: &str, data: &Path, count: usize) -> Self {
        let ca = std::fs::read_to_string(data.join("ca.pem")).unwrap();
        let anybody = client(address, &ca).build().unwrap();
        let mut sensors = Vec::new();
        for number in 0..count as u8 {
            let name = format!("s{number}");
            let made = eyot(&[
                "register",
                "--data",
                data.to_str().unwrap(),
                "--name",
                &name,
                "--subscription",
                "m",
                "--format",
                "json",
            ]);
            let made: serde_json::Value = serde_json::from_str(&made).unwrap();
            let token: ActivationToken = made["token"].as_str().unwrap().parse().unwrap();
            let key = KeyPair::generate().unwrap();
            let request = EnrolmentRequest {
                sensor: token.sensor,
                secret: token.secret_text(),
                csr_pem: CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap(),
                hostname: name,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            let enrolled: EnrolmentResponse = anybody.post_json(path::ENROL, &request).await.unwrap();
            let client =
                client(address, &ca).identity(enrolled.certificate_pem, key.serialize_pem()).build().unwrap();
            let (id, epoch) = (token.sensor.to_string(), Uuid::new_v4());
            sensors.push(Sensor { number, id, client, epoch, acknowledged: AtomicU64::new(0) });
        }
        Self { sensors, stop: AtomicBool::new(false), repeated: AtomicU64::new(0) }
    }

    /// Reports until [`Fleet::stop`]; each ends with an acknowledgement.
    pub fn report(self: Arc<Self>) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            for at in 0..self.sensors.len() {
                let fleet = self.clone();
                all.spawn(async move {
                    let sensor = &fleet.sensors[at];
                    let mut sequence = 1;
                    while !fleet.stop.load(Ordering::Relaxed) {
                        sensor.tell(sequence, &fleet.repeated).await;
                        sensor.acknowledged.store(sequence, Ordering::SeqCst);
                        sequence += 1;
                    }
                });
            }
            while let Some(ended) = all.join_next().await {
                ended.unwrap();
            }
        })
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many batches were acknowledged, by sensor.
    pub fn acknowledged(&self) -> HashMap<String, u64> {
        self.sensors.iter().map(|s| (s.id.clone(), s.acknowledged.load(Ordering::SeqCst))).collect()
    }

    /// Attempts that were not the first of their batch.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Names by address, once nothing is under way.
    pub fn expected_devices(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for sensor in &self.sensors {
            for sequence in 1..=sensor.acknowledged.load(Ordering::SeqCst) {
                for record in sensor.records(sequence) {
                    all.insert(record.mac.to_string(), record.hostname.unwrap());
                }
            }
        }
        all
    }
}

impl Sensor {
    async fn tell(&self, sequence: u64, repeated: &AtomicU64) {
        let batch = DeviceBatch {
            epoch: self.epoch,
            sequence,
            sent: Timestamp::now(),
            devices: self.records(sequence),
            findings: vec![self.finding(sequence)],
        };
        loop {
            let told: Result<BatchAcknowledged, _> = self.client.post_json(path::DEVICES, &batch).await;
            match told {
                Ok(told) => {
                    assert_eq!((told.epoch, told.sequence), (batch.epoch, sequence));
                    return;
                }
                Err(_) => {
                    repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    fn records(&self, sequence: u64) -> Vec<DeviceRecord> {
        let [.., a, b, c] = sequence.to_be_bytes();
        vec![
            record(
                MacAddr([0, 0x40, self.number, a, b, c]),
                format!("own {} {sequence}", self.number),
                sequence,
            ),
            record(MacAddr([0, 0x41, self.number, 0, 0, 0]), format!("latest {sequence}"), sequence),
            record(MacAddr([0, 0x42, 0, 0, 0, 1]), "shared 1".to_owned(), sequence),
            record(MacAddr([0, 0x42, 0, 0, 0, 2]), "shared 2".to_owned(), sequence),
        ]
    }

    fn finding(&self, sequence: u64) -> Finding {
        let at = Timestamp(1_790_000_000_000_000 + sequence as i64);
        Finding {
            id: format!("port_scan/{}", sequence % 10),
            kind: FindingKind::PortScan,
            severity: Severity::Medium,
            mac: None,
            summary: format!("scan {sequence}"),
            first_seen: at,
            last_seen: at,
            count: sequence,
            evidence: Vec::new(),
        }
    }
}

fn record(mac: MacAddr, name: String, sequence: u64) -> DeviceRecord {
    DeviceRecord {
        mac,
        ips: vec![std::net::Ipv4Addr::from(0x0a00_0000 + sequence as u32 % 1_000).into()],
        vlans: Vec::new(),
        hostname: Some(name),
        vendor: None,
        model: None,
        device_type: None,
        class: None,
        os: None,
        firmware: None,
        serial: None,
        confidence: 0.5,
        randomized_mac: false,
        protocols: Vec::new(),
        frames: sequence,
        first_seen: Timestamp(1_790_000_000_000_000),
        last_seen: Timestamp(1_790_000_000_000_000 + sequence as i64),
        evidence: Vec::new(),
        activity: Default::default(),
        managed: Default::default(),
    }
}

fn client(address: &str, ca: &str) -> eyot_client::Builder {
    Client::builder(address).trust(Trust::CaPem(ca.to_owned())).timeout(TIMEOUT)
}
