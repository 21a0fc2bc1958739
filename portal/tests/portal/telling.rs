//! A portal that is configured to tell others, a sensor of it, and what the others heard.

use std::collections::BTreeMap;
use std::time::Duration;

use eyot_contract::{Finding, FindingKind, MacAddr, Severity, Timestamp};
use serde_json::Value;

use crate::process::Process;
use crate::support::{device, own_database, run, Client, Sensor};

/// A portal that is configured to tell, and a sensor of it.
pub struct Telling {
    pub folder: tempfile::TempDir,
    config: String,
    process: Option<Process>,
    pub sensor: Sensor,
}

impl Telling {
    pub async fn begin(outlets: &str) -> Self {
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
    pub fn again(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        let process = Process::start(self.folder.path(), &["--config", &self.config], "");
        let identity = (self.sensor.certificate.as_str(), self.sensor.key.as_str());
        self.sensor.client = Client::new(process.at, self.folder.path(), Some(identity));
        self.process = Some(process);
    }

    /// A client that may change everything.
    pub fn owner(&self) -> Client {
        let folder = self.folder.path();
        let made =
            ["api-token", "create", "--data", folder.to_str().unwrap(), "--name", "kim", "--role", "owner"];
        let made = run(&made);
        assert!(made.status.success(), "{made:?}");
        let mut client = Client::new(self.process.as_ref().unwrap().at, folder, None);
        let token = String::from_utf8(made.stdout).unwrap();
        client.headers.insert("authorization", format!("Bearer {}", token.trim()).parse().unwrap());
        client
    }

    /// Two devices and an alert.
    pub async fn report(&self, sequence: u64) {
        let n = sequence as u32;
        let mut batch = self.sensor.batch(sequence, vec![device(n * 2, "a"), device(n * 2 + 1, "b")]);
        batch.findings.push(alert(n));
        let answer = self.sensor.client.post_json(eyot_contract::path::DEVICES, &batch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

pub fn alert(n: u32) -> Finding {
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
pub struct Heard(pub BTreeMap<i64, Value>);

impl Heard {
    pub fn take(&mut self, told: Value) {
        let seq = told["seq"].as_i64().unwrap();
        let before = self.0.insert(seq, told.clone());
        assert!(before.is_none_or(|before| before == told), "{told}");
    }
}

pub async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..300 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not come about in half a minute");
}
