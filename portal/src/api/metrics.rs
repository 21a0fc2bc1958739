//! `/metrics` for Prometheus: what the portal does (counted in this process) and how things stand (read when asked).
//! Whoever asks has a role; Prometheus sends an API token as its bearer token.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use eyot_contract::Timestamp;
use prometheus_client::encoding::{text, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{App, Problem, Viewer};
use crate::rules::health;
use crate::store::{Status, Tally};

/// Where they are.
pub const METRICS: &str = "/metrics";

/// Upper ends of the buckets for request times, in seconds.
const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: String,
    /// Address with its variable parts by name, so that there are only so many.
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteOnly {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    category: String,
    severity: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: String,
}

/// What this process counts.
pub struct Metrics {
    requests: Family<Asked, Counter>,
    seconds: Family<RouteOnly, Histogram>,
    batches: Counter,
    records: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            batches: Counter::default(),
            records: Counter::default(),
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let asked = Asked { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&asked).inc();
        self.seconds.get_or_create(&RouteOnly { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// A batch of devices was stored.
    pub fn stored(&self, records: usize) {
        self.batches.inc();
        self.records.inc_by(records as u64);
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests answered", self.requests.clone());
        let help = "From a request's head to the start of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.seconds.clone());
        registry.register("device_batches", "Batches of devices stored", self.batches.clone());
        registry.register("device_records", "Device records in stored batches", self.records.clone());
    }
}

/// `GET /metrics`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, _: Viewer) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("eyot_portal");
    portal.metrics.register(&mut registry);
    let now = Timestamp::now();
    let sensors = portal.store.sensors().await?;
    let connected = sensors.iter().filter(|s| health::is_connected(s, now)).count();
    let tally = portal.store.tally().await?;
    gauge(&mut registry, "sensors", "Registered sensors", sensors.len() as i64);
    gauge(&mut registry, "sensors_connected", "Sensors heard from lately", connected as i64);
    gauge(&mut registry, "devices", "Devices in the inventory", tally.devices);
    register_findings(&mut registry, &tally);
    let names = |name: String| Named { name };
    let (behind, failures) = (Family::<Named, Gauge>::default(), Family::<Named, Gauge>::default());
    for outlet in tally.outlets {
        behind.get_or_create(&names(outlet.name.clone())).set(outlet.behind);
        failures.get_or_create(&names(outlet.name)).set(outlet.failures);
    }
    registry.register("outlet_events_behind", "Events not yet told to a destination", behind);
    registry.register("outlet_failures", "Attempts that failed since the last that did not", failures);
    let mut answer = String::new();
    if let Err(error) = text::encode(&mut answer, &registry) {
        tracing::error!(%error, "the metrics could not be written");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], answer).into_response())
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn register_findings(registry: &mut Registry, tally: &Tally) {
    let findings = Family::<Kind, Gauge>::default();
    for count in &tally.findings {
        let severity = count.severity.name().to_owned();
        let kind = Kind { category: count.category.clone(), severity, status: count.status.clone() };
        findings.get_or_create(&kind).set(count.findings);
    }
    debug_assert!(tally.findings.iter().all(|c| Status::named(&c.status).is_some()));
    registry.register("findings", "Findings that no rule hides", findings);
}
