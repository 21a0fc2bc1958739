//! The Kafka protocol (Kafka, Redpanda, Event Hubs' endpoint on port 9093): one message an event, its device or finding as
//! the key, acknowledged by all replicas in sync. Events of one key go to one partition, so that they stay in order there;
//! what is told twice carries the same `seq`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use serde::Deserialize;

use super::{tls, Told};
use crate::store::ToldEvent as Event;

/// Largest messages sent in one request, in bytes together: below the 1 MB that brokers take unless told otherwise.
const MAX_REQUEST: usize = 900_000;

/// A Kafka cluster, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// `host:9092`, several with commas between.
    brokers: String,
    /// The topic; it is there already.
    #[serde(default = "topic")]
    topic: String,
    /// Account (SASL PLAIN, over TLS); Event Hubs wants `$ConnectionString`.
    user: Option<String>,
    /// File whose first line is the password; for Event Hubs the connection string.
    password_file: Option<PathBuf>,
    /// TLS to the brokers; always on where there is an account.
    #[serde(default)]
    tls: bool,
    /// CA of the brokers' certificates, PEM, instead of the system's; with it the connection is TLS.
    ca: Option<PathBuf>,
}

fn topic() -> String {
    "eyot".to_owned()
}

impl Kafka {
    /// Whether it can be used at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(), String> {
        for broker in self.brokers.split(',').map(str::trim) {
            let port = broker
                .rsplit_once(':')
                .and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok()).flatten());
            if port.is_none() {
                return Err(format!("brokers: \"{broker}\" is not host:port"));
            }
        }
        match (&self.user, &self.password_file) {
            (Some(_), None) => Err("user: password_file is missing".to_owned()),
            (None, Some(_)) => Err("password_file: user is missing".to_owned()),
            _ => Ok(()),
        }
    }

    fn over_tls(&self) -> bool {
        self.tls || self.ca.is_some() || self.user.is_some()
    }
}

pub(super) struct Speaker {
    to: Kafka,
    partitions: Vec<Arc<PartitionClient>>,
}

impl Speaker {
    pub(super) fn new(to: Kafka) -> Self {
        Self { to, partitions: Vec::new() }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        if let Err(why) = self.connect().await {
            return Told::short(0, why);
        }
        // the first that was not acknowledged, for every partition that failed
        let mut first_left = events.len();
        let mut failure = None;
        for (partition, some) in by_partition(events, self.partitions.len()) {
            for request in requests(some) {
                let at = request[0].0;
                let records = request.into_iter().map(|(_, record)| record).collect();
                if let Err(why) =
                    self.partitions[partition].produce(records, Compression::NoCompression).await
                {
                    first_left = first_left.min(at);
                    failure = Some(why.to_string());
                    break;
                }
            }
        }
        if failure.is_some() {
            // whoever leads the partitions may have changed
            self.partitions.clear();
        }
        Told { acknowledged: first_left, failure }
    }

    async fn connect(&mut self) -> Result<(), String> {
        if !self.partitions.is_empty() {
            return Ok(());
        }
        let client = self.client().await?;
        let topics = client.list_topics().await.map_err(|e| e.to_string())?;
        let topic = topics
            .into_iter()
            .find(|t| t.name == self.to.topic)
            .ok_or_else(|| format!("the cluster has no topic \"{}\"; make it first", self.to.topic))?;
        for partition in topic.partitions {
            let one = client.partition_client(&topic.name, partition, UnknownTopicHandling::Error).await;
            self.partitions.push(Arc::new(one.map_err(|e| e.to_string())?));
        }
        Ok(())
    }

    async fn client(&self) -> Result<Client, String> {
        let brokers = self.to.brokers.split(',').map(|b| b.trim().to_owned()).collect();
        let mut builder = ClientBuilder::new(brokers).client_id("eyot-portal");
        if self.to.over_tls() {
            builder = builder.tls_config(Arc::new(tls::config(self.to.ca.as_deref())?));
        }
        if let (Some(user), Some(path)) = (&self.to.user, &self.to.password_file) {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let password = text.lines().next().unwrap_or_default().to_owned();
            builder = builder.sasl_config(SaslConfig::Plain(Credentials::new(user.clone(), password)));
        }
        builder.build().await.map_err(|e| e.to_string())
    }
}

/// Events with their place among all, by the partition of their key.
fn by_partition(events: &[Event], partitions: usize) -> BTreeMap<usize, Vec<(usize, Record)>> {
    let mut all: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let told = event.told();
        let key = told["id"].as_str().unwrap_or_default().as_bytes().to_vec();
        let partition = hash(&key) as usize % partitions.max(1);
        let record = Record {
            key: Some(key),
            value: Some(told.to_string().into_bytes()),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_micros(event.at).unwrap_or_default(),
        };
        all.entry(partition).or_default().push((at, record));
    }
    all
}

/// In requests that a broker takes.
fn requests(records: Vec<(usize, Record)>) -> Vec<Vec<(usize, Record)>> {
    let mut all: Vec<Vec<_>> = Vec::new();
    let mut size = MAX_REQUEST;
    for (at, record) in records {
        let own = record.value.as_ref().map_or(0, Vec::len);
        if size + own > MAX_REQUEST {
            all.push(Vec::new());
            size = 0;
        }
        size += own;
        if let Some(last) = all.last_mut() {
            last.push((at, record));
        }
    }
    all
}

/// FNV-1a, 32 bits: the same partition for the same key, whichever portal tells it.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
