//! The Kafka protocol (Kafka, Redpanda, Event Hubs' endpoint on port 9093): one message an event, its device or finding as
//! the key, acknowledged by all replicas. The producer is idempotent, so that its own repetitions are dropped by the
//! broker; after a restart of the portal an event may come twice and carries the same `seq`.

use std::path::PathBuf;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::Deserialize;

use super::Told;
use crate::store::ToldEvent as Event;

/// How long the producer itself tries, in milliseconds: below what one go may take.
const MESSAGE_MS: &str = "20000";

/// A Kafka cluster, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// `host:9092`, several with commas between.
    brokers: String,
    /// The topic.
    #[serde(default = "topic")]
    topic: String,
    /// Account (SASL PLAIN over TLS); Event Hubs wants `$ConnectionString`.
    user: Option<String>,
    /// File whose first line is the password; for Event Hubs the connection string.
    password_file: Option<PathBuf>,
    /// CA of the brokers' certificates, PEM; with it the connection is TLS.
    ca: Option<PathBuf>,
}

fn topic() -> String {
    "eyot".to_owned()
}

pub(super) struct Speaker {
    to: Kafka,
    producer: Option<FutureProducer>,
}

impl Speaker {
    pub(super) fn new(to: Kafka) -> Self {
        Self { to, producer: None }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        let producer = match self.producer() {
            Ok(producer) => producer,
            Err(why) => return Told::short(0, why),
        };
        let mut deliveries = Vec::with_capacity(events.len());
        let mut refused = None;
        for event in events {
            let told = event.told();
            let (key, body) = (told["id"].as_str().unwrap_or_default().to_owned(), told.to_string());
            // in the queue at once, so that they are sent in order
            match producer.send_result(FutureRecord::to(&self.to.topic).key(&key).payload(&body)) {
                Ok(delivery) => deliveries.push(delivery),
                Err((why, _)) => {
                    refused = Some(why.to_string());
                    break;
                }
            }
        }
        let mut acknowledged = 0;
        for delivery in deliveries {
            match delivery.await {
                Ok(Ok(_)) => acknowledged += 1,
                Ok(Err((why, _))) => return Told::short(acknowledged, why),
                Err(_) => return Told::short(acknowledged, "the producer ended"),
            }
        }
        if let Some(why) = refused {
            return Told::short(acknowledged, why);
        }
        Told::all(events)
    }

    fn producer(&mut self) -> Result<FutureProducer, String> {
        if let Some(producer) = &self.producer {
            return Ok(producer.clone());
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.to.brokers).set("client.id", "eyot-portal");
        config.set("enable.idempotence", "true").set("message.timeout.ms", MESSAGE_MS);
        if let Some(ca) = &self.to.ca {
            config.set("ssl.ca.location", ca.display().to_string());
        }
        let protocol = match (&self.to.user, &self.to.ca) {
            (Some(user), _) => {
                let path = self.to.password_file.as_ref().ok_or("user: password_file is missing")?;
                let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
                config.set("sasl.mechanisms", "PLAIN").set("sasl.username", user);
                config.set("sasl.password", text.lines().next().unwrap_or_default());
                "SASL_SSL"
            }
            (None, Some(_)) => "SSL",
            (None, None) => "PLAINTEXT",
        };
        config.set("security.protocol", protocol);
        let producer: FutureProducer = config.create().map_err(|e| e.to_string())?;
        self.producer = Some(producer.clone());
        Ok(producer)
    }
}
