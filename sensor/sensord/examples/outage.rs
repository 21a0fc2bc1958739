//! What a month without its destination costs a sensor: every change goes through the real queue, by a clock of its own.
//!
//! A destination is away for so many days while devices change, findings come and the sensor tells how it is; then it
//! returns and takes everything through the real reporter to IoT Hub, whose answers come at once, so that what is measured
//! is the sensor's side: reading the queue, making messages, signing and noting what arrived, without the network.
//!
//! Prints what was kept, dropped and how fast it went; exit code 1 when a device was lost, the bound was crossed, what is
//! missing was not counted, or the way back took longer than 10,000 records a second allow. `scripts/bench uplink` runs it.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use eyot_contract::{Content, DeviceRecord, Finding, MacAddr, SensorStatus, Timestamp, MAX_BATCH_DEVICES};
use eyot_inventory::{Outbox, Store, MAX_SPOOLED};
use eyot_uplink::azure::dps::Registration;
use eyot_uplink::azure::reporter::HubReporter;
use eyot_uplink::azure::sas::SharedKey;
use eyot_uplink::destination::{Batch, Carrier, Destination, Trouble};
use eyot_uplink::wire::{Method, Request, Response};
use serde_json::json;

/// The destination's name in the queue.
const NAME: &str = "azure_iot_hub";
/// Records a second that the way back must reach.
const LEAST_RATE: f64 = 10_000.0;
const MINUTES_A_DAY: u64 = 24 * 60;
/// How often the sensor tells how it is, in minutes.
const HEALTH_EVERY: u64 = 5;
/// 1 January 2026, where the simulated clock begins.
const START: i64 = 1_767_225_600;
/// base64; nobody's.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A destination that is away for days, and returns.
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo run --release -p eyot-sensor --example outage -- --days 1")]
struct Args {
    /// Days that it is away.
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// Changes of devices a minute.
    #[arg(long, default_value_t = 1_000)]
    changes: u64,
    /// Devices, which change in turn.
    #[arg(long, default_value_t = 50_000)]
    devices: u64,
    /// New findings a minute.
    #[arg(long, default_value_t = 2)]
    findings: u64,
    /// Where the database lies for the time; a folder in memory measures without the disk.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let folder = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = folder.join(format!("eyot-outage-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let outcome = run(&args, &folder.join("inventory.sqlite"));
    fs::remove_dir_all(&folder).with_context(|| format!("{}: cannot be removed", folder.display()))?;
    outcome
}

fn run(args: &Args, database: &Path) -> anyhow::Result<ExitCode> {
    let mut store = Store::open(database)?;
    store.set_destinations(false, &[NAME])?;
    let mut outbox = Outbox::open(database, NAME)?;

    let began = Instant::now();
    let (mut changes, mut findings, mut healths) = (0, 0, 0);
    let (mut most_waiting, mut most_bytes) = (0, 0);
    let mut contents: Vec<Content> = Vec::new();
    for minute in 0..args.days * MINUTES_A_DAY {
        let now = Timestamp::from_seconds(START + minute as i64 * 60);
        contents.clear();
        for _ in 0..args.changes {
            contents.push(device(changes % args.devices, changes, now)?);
            changes += 1;
        }
        for _ in 0..args.findings {
            contents.push(finding(findings, now)?);
            findings += 1;
        }
        if minute % HEALTH_EVERY == 0 {
            let health = SensorStatus { at: now, ..SensorStatus::default() };
            contents.push(Content::Health { health: Box::new(health) });
            healths += 1;
        }
        store.queue(&contents, now)?;
        if minute % 60 == 0 {
            most_waiting = most_waiting.max(outbox.state()?.waiting);
            most_bytes = most_bytes.max(bytes(database));
        }
    }
    let took = began.elapsed();
    let state = outbox.state()?;
    most_waiting = most_waiting.max(state.waiting);
    most_bytes = most_bytes.max(bytes(database));
    let known = args.devices.min(changes);
    println!("away           {} days, {changes} changes of {known} devices, {findings} findings, {healths} reports of health", args.days);
    println!(
        "queued in      {:.0} s, {:.0} changes/s",
        took.as_secs_f64(),
        changes as f64 / took.as_secs_f64()
    );
    println!("waiting        {} records, at most {most_waiting} of {MAX_SPOOLED}", state.waiting);
    println!("on disk        at most {:.1} MiB", most_bytes as f64 / f64::from(1 << 20));
    println!("dropped        {} records, counted by the sensor", state.dropped);

    let began = Instant::now();
    let (latest, left) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(come_back(&mut outbox))?;
    let took = began.elapsed().as_secs_f64();
    let sent = latest.len() as u64 + left;
    let rate = sent as f64 / took;
    println!(
        "taken back     {sent} records in {took:.1} s, {rate:.0} records/s; {} devices, {left} others",
        latest.len()
    );

    let mut wrong = Vec::new();
    let newest = |n: u64| changes - 1 - (changes - 1 - n) % args.devices;
    if latest.len() as u64 != known || (0..known).any(|n| latest.get(&mac(n)) != Some(&newest(n))) {
        wrong.push("not the latest record of every device arrived");
    }
    if most_waiting > MAX_SPOOLED {
        wrong.push("the bound was crossed");
    }
    if state.dropped + sent != known + findings + healths {
        wrong.push("what is missing is not what was counted as dropped");
    }
    if rate < LEAST_RATE {
        wrong.push("the way back is slower than 10,000 records a second");
    }
    for what in &wrong {
        println!("WRONG          {what}");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends everything. The latest change of each device, and how many other records there were.
async fn come_back(outbox: &mut Outbox) -> anyhow::Result<(HashMap<MacAddr, u64>, u64)> {
    let key = SharedKey::from_base64(KEY)?;
    let registration = Registration::new("dps.example", "0ne0", "lab", key.clone())?;
    let mut reporter = HubReporter::new(AtOnce, registration, key, "lab");
    let (mut latest, mut others) = (HashMap::new(), 0);
    loop {
        let now = Timestamp::now();
        let Some(outgoing) = outbox.next(MAX_BATCH_DEVICES, now)? else { return Ok((latest, others)) };
        let batch = Batch {
            epoch: outbox.epoch(),
            sequence: outgoing.sequence,
            sent: outgoing.sent,
            records: outgoing.records,
        };
        reporter.deliver(&batch, now).await?;
        outbox.acknowledge()?;
        for record in batch.records {
            match record {
                Content::Device { device } => drop(latest.insert(device.mac, device.frames)),
                _ => others += 1,
            }
        }
    }
}

/// A hub that takes everything at once.
struct AtOnce;

impl Carrier for AtOnce {
    async fn carry(&mut self, request: Request) -> Result<Response, Trouble> {
        let assigned = json!({
            "status": "assigned", "registrationState": { "assignedHub": "hub.example", "deviceId": "lab" },
        });
        Ok(match request.method {
            Method::Put => {
                Response { status: 200, retry_after: None, body: assigned.to_string().into_bytes() }
            }
            _ => Response { status: 204, ..Response::default() },
        })
    }
}

/// The database with what its journal holds.
fn bytes(database: &Path) -> u64 {
    let mut journal = database.as_os_str().to_owned();
    journal.push("-wal");
    let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
    size(database) + size(Path::new(&journal))
}

fn mac(n: u64) -> MacAddr {
    let [.., a, b, c] = n.to_be_bytes();
    MacAddr([0x00, 0x11, 0x22, a, b, c])
}

/// An office's printer, about as much as is known of a device with some evidence.
fn device(n: u64, change: u64, now: Timestamp) -> anyhow::Result<Content> {
    thread_local! {
        static TEMPLATE: serde_json::Result<DeviceRecord> = serde_json::from_value(json!({
            "mac": "00:11:22:00:00:00", "ips": [], "vlans": [20], "hostname": "printer-third-floor",
            "vendor": "HP", "model": "LaserJet M404dn", "type": "printer", "os": null, "firmware": "002_2310A",
            "confidence": 0.93, "protocols": ["arp", "dhcp", "mdns", "snmp"], "first_seen": "2026-01-01T00:00:00Z",
            "last_seen": "2026-01-01T00:00:00Z", "evidence": (["vendor", "model", "type"]).map(|attribute| json!({
                "attribute": attribute, "value": "HP LaserJet M404dn", "source": "mdns", "rule": "printer-mdns-txt",
                "seen": "ty=HP LaserJet M404dn;product=(HP LaserJet M404dn)", "nature": "stated", "confidence": 0.9,
            })),
        }));
    }
    let mut record = TEMPLATE.with(|t| match t {
        Ok(record) => Ok(record.clone()),
        Err(error) => Err(anyhow::anyhow!("the template is no record: {error}")),
    })?;
    let [.., a, b, c] = n.to_be_bytes();
    record.mac = mac(n);
    record.ips = vec![IpAddr::V4(Ipv4Addr::new(10, a, b, c))];
    (record.frames, record.last_seen) = (change, now);
    Ok(Content::Device { device: Box::new(record) })
}

fn finding(n: u64, now: Timestamp) -> anyhow::Result<Content> {
    let mut finding: Finding = serde_json::from_value(json!({
        "id": format!("port_scan-{n}"), "kind": "port_scan", "severity": "medium", "mac": "00:11:22:00:00:07",
        "summary": "asked 120 ports of 14 devices within a minute", "count": 1, "evidence": [],
        "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
    }))?;
    (finding.first_seen, finding.last_seen) = (now, now);
    Ok(Content::Finding { finding: Box::new(finding) })
}
