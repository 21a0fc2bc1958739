//! How often the sensor is right, on captures of known devices.
//!
//! Every capture file in a device's folder is one run: it is read alone, the device's record looked up, and vendor, type
//! and model compared with the label. Unknown is counted apart from wrong, because the sensor promises to say nothing
//! rather than something false. A device that is not found at all counts as unknown.
//!
//! Labels are tab-separated: folder (or one file), MAC address, vendor (regular expression), accepted types joined by `|`,
//! model (regular expression); `-` where the traffic cannot tell. Lines that begin with `#` are comments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use clap::{Parser, ValueEnum};
use eyot_capture::file::FileSource;
use eyot_capture::{Pulled, Source};
use eyot_contract::{DeviceRecord, DeviceType, MacAddr};
use eyot_dissect::{Dissector, Field, Limits};
use eyot_identify::{identify, Fact, Identity};
use eyot_inventory::Inventory;
use regex::{Regex, RegexBuilder};
use serde::Serialize;

/// Frames between two looks at the source.
const BATCH: usize = 8_192;

/// Compares what the sensor says about labelled captures with their labels.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run -p eyot-sensor --example score -- ../shared/captures/iot-sentinel"
)]
struct Arguments {
    /// Folder with one folder of captures per device.
    captures: PathBuf,
    /// Labels; `labels.tsv` in that folder by default.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Also print how often an answer of each degree of sureness is right: of every run as it is, and of what each of its
    /// protocols alone, and all but one of them, would have told.
    #[arg(long)]
    reliability: bool,
    /// Also print every run that is not entirely right, with what was said instead.
    #[arg(long)]
    misses: bool,
    /// Also print how the score falls when one kind of evidence is taken away from every run, or all but one.
    #[arg(long)]
    ablation: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

struct Label {
    folder: String,
    mac: MacAddr,
    vendor: Option<Regex>,
    types: Vec<DeviceType>,
    model: Option<Regex>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Unknown,
    Wrong,
}

/// Verdicts on one attribute.
#[derive(Clone, Copy, Default, Serialize)]
struct Tally {
    right: usize,
    unknown: usize,
    wrong: usize,
}

/// Verdicts on one device, or on all.
#[derive(Clone, Copy, Default, Serialize)]
struct Score {
    runs: usize,
    vendor: Tally,
    #[serde(rename = "type")]
    kind: Tally,
    model: Tally,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let labels = arguments.labels.clone().unwrap_or_else(|| arguments.captures.join("labels.tsv"));
    let mut devices = BTreeMap::new();
    let mut total = Score::default();
    let mut reliability = Reliability::default();
    let mut ablation = Ablation::default();
    for label in read_labels(&labels)? {
        let mut score = Score::default();
        for file in files(&arguments.captures.join(&label.folder))? {
            let record = read(&file, label.mac)?;
            if arguments.reliability || arguments.ablation {
                let facts = facts(&file, label.mac)?;
                if arguments.reliability {
                    reliability.add(&label, &facts);
                }
                if arguments.ablation {
                    ablation.add(&label, &facts);
                }
            }
            let verdicts = label.judge(record.as_ref());
            score.add(verdicts);
            total.add(verdicts);
            if arguments.misses && verdicts.iter().flatten().any(|v| *v != Verdict::Right) {
                eprintln!("{}: {}", file.display(), told(record.as_ref()));
            }
        }
        devices.insert(label.name(), score);
    }
    match arguments.format {
        Format::Json => println!(
            "{}",
            serde_json::json!({
                "devices": devices,
                "total": total,
                "reliability": reliability.buckets,
                "ablation": ablation.scores(),
            })
        ),
        Format::Table => print(&devices, total),
    }
    if arguments.reliability && arguments.format == Format::Table {
        reliability.print();
    }
    if arguments.ablation && arguments.format == Format::Table {
        ablation.print();
    }
    Ok(())
}

fn read_labels(path: &Path) -> Result<Vec<Label>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| Label::parse(line).with_context(|| format!("{}, line {}", path.display(), at + 1)))
        .collect()
}

impl Label {
    fn parse(line: &str) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [folder, mac, vendor, types, model] = columns[..] else {
            bail!("{} columns instead of five", columns.len());
        };
        Ok(Self {
            folder: folder.to_owned(),
            mac: mac.parse()?,
            vendor: expected(vendor)?,
            types: types
                .split('|')
                .filter(|t| *t != "-")
                .map(|t| t.parse().map_err(anyhow::Error::msg))
                .collect::<Result<_>>()?,
            model: expected(model)?,
        })
    }

    /// The folder; of one file, several devices of which may be labelled, also the address.
    fn name(&self) -> String {
        match self.folder.contains('.') {
            true => format!("{} {}", self.folder, self.mac),
            false => self.folder.clone(),
        }
    }

    /// Vendor, type and model; none where the label leaves it open.
    fn judge(&self, record: Option<&DeviceRecord>) -> [Option<Verdict>; 3] {
        self.judge_answers(
            record.and_then(|r| r.vendor.as_ref()),
            record.and_then(|r| r.device_type),
            record.and_then(|r| r.model.as_ref()),
        )
    }

    fn judge_answers(
        &self,
        vendor: Option<&String>,
        kind: Option<DeviceType>,
        model: Option<&String>,
    ) -> [Option<Verdict>; 3] {
        let text = |said: Option<&String>, expected: &Regex| match said {
            None => Verdict::Unknown,
            Some(said) if expected.is_match(said) => Verdict::Right,
            Some(_) => Verdict::Wrong,
        };
        let kind = match kind {
            None => Verdict::Unknown,
            Some(kind) if self.types.contains(&kind) => Verdict::Right,
            Some(_) => Verdict::Wrong,
        };
        [
            self.vendor.as_ref().map(|expected| text(vendor, expected)),
            (!self.types.is_empty()).then_some(kind),
            self.model.as_ref().map(|expected| text(model, expected)),
        ]
    }
}

fn expected(text: &str) -> Result<Option<Regex>> {
    let expression = |text| RegexBuilder::new(text).case_insensitive(true).build();
    Ok((text != "-").then(|| expression(text)).transpose()?)
}

/// The folder's files, by name, or the one file.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    if files.is_empty() {
        bail!("{}: no captures", folder.display());
    }
    Ok(files)
}

/// What one capture says about one device.
fn read(file: &Path, mac: MacAddr) -> Result<Option<DeviceRecord>> {
    let mut source = FileSource::open(file)?;
    let mut dissector = Dissector::new(Limits::default());
    let mut inventory = Inventory::new();
    while source.pull(BATCH, &mut |frame| {
        inventory.frame(&mut dissector, frame);
    })? != Pulled::Ended
    {}
    inventory.identify(usize::MAX);
    Ok(inventory.device(mac).map(|device| device.record()))
}

/// Everything that one capture's packets say about one device.
fn facts(file: &Path, mac: MacAddr) -> Result<Vec<Fact>> {
    let mut source = FileSource::open(file)?;
    let mut dissector = Dissector::new(Limits::default());
    let mut facts: Vec<Fact> = Vec::new();
    while source.pull(BATCH, &mut |frame| {
        dissector.frame(frame, &mut |o| {
            if o.mac == mac && !facts.iter().any(|f| f.field == o.field && f.value == o.value) {
                facts.push(Fact {
                    field: o.field,
                    value: o.value.to_string(),
                    first_seen: frame.at,
                    last_seen: frame.at,
                    count: 1,
                });
            }
        });
    })? != Pulled::Ended
    {}
    Ok(facts)
}

/// Bounds of the buckets of sureness, from below.
const BUCKETS: [f32; 7] = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// How often answers are right, by attribute (vendor, type, model) and by how sure they are.
#[derive(Default)]
struct Reliability {
    buckets: [[Tally; BUCKETS.len()]; 3],
    /// Sum of sureness in each.
    stated: [[f64; BUCKETS.len()]; 3],
}

impl Reliability {
    fn add(&mut self, label: &Label, facts: &[Fact]) {
        self.count(label, &identify(label.mac, facts));
        let mut protocols: Vec<&str> = facts.iter().map(|f| f.field.protocol()).collect();
        protocols.sort_unstable();
        protocols.dedup();
        for protocol in protocols {
            for alone in [true, false] {
                let some: Vec<Fact> =
                    facts.iter().filter(|f| (f.field.protocol() == protocol) == alone).cloned().collect();
                self.count(label, &identify(label.mac, &some));
            }
        }
    }

    fn count(&mut self, label: &Label, identity: &Identity) {
        let verdicts =
            label.judge_answers(identity.vendor.as_ref(), identity.device_type, identity.model.as_ref());
        let sure = [identity.sure.vendor, identity.sure.device_type, identity.sure.model];
        for (attribute, (verdict, sure)) in verdicts.into_iter().zip(sure).enumerate() {
            let Some(bucket) = BUCKETS.iter().rposition(|from| sure >= *from) else { continue };
            let tally = &mut self.buckets[attribute][bucket];
            match verdict {
                Some(Verdict::Right) => tally.right += 1,
                Some(Verdict::Wrong) => tally.wrong += 1,
                _ => continue,
            }
            self.stated[attribute][bucket] += f64::from(sure);
        }
    }

    fn print(&self) {
        println!("\nanswers by how sure they are: how many, mean sureness stated, share right");
        println!("{:<12} {:<24} {:<24} {:<24}", "from", "vendor", "type", "model");
        for (at, from) in BUCKETS.iter().enumerate() {
            let cell = |attribute: usize| {
                let tally = self.buckets[attribute][at];
                let all = tally.right + tally.wrong;
                if all == 0 {
                    return "-".to_owned();
                }
                let mean = self.stated[attribute][at] / all as f64;
                format!("{all} {mean:.2} {:.3}", tally.right as f64 / all as f64)
            };
            println!("{from:<12} {:<24} {:<24} {:<24}", cell(0), cell(1), cell(2));
        }
    }
}

/// Kinds of evidence, each with the beginnings of its fields' names; `oui` is the maker of the address.
const KINDS: &[(&str, &[&str])] = &[
    ("the address's maker", &["oui"]),
    ("names of hosts", &["dhcp.hostname", "dhcp.fqdn", "mdns.hostname", "nbns.", "llmnr.", "browser."]),
    ("DHCP", &["dhcp.", "dhcp6."]),
    ("names of clouds", &["dns.", "tls.sni", "quic.sni", "http.host"]),
    ("mDNS", &["mdns."]),
    ("SSDP and UPnP", &["ssdp.", "upnp."]),
    ("HTTP", &["http."]),
    ("LLDP, CDP, STP", &["lldp.", "cdp.", "stp.", "edp.", "fdp."]),
    ("how TCP is opened", &["tcp."]),
];

/// An address that tells no maker.
const NOBODYS: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 1]);

/// The score with everything, without one kind of evidence, and with one kind alone.
#[derive(Default)]
struct Ablation {
    all: Score,
    without: [Score; KINDS.len()],
    alone: [Score; KINDS.len()],
}

impl Ablation {
    fn add(&mut self, label: &Label, facts: &[Fact]) {
        let judge = |mac, facts: &[Fact]| {
            let told = identify(mac, facts);
            label.judge_answers(told.vendor.as_ref(), told.device_type, told.model.as_ref())
        };
        self.all.add(judge(label.mac, facts));
        for (at, (_, starts)) in KINDS.iter().enumerate() {
            let is_kind = |field: Field| starts.iter().any(|start| field.name().starts_with(start));
            let part = |kept: bool| -> Vec<Fact> {
                facts.iter().filter(|fact| is_kind(fact.field) == kept).cloned().collect()
            };
            let address = starts.contains(&"oui");
            let (with, without) = if address { (label.mac, NOBODYS) } else { (NOBODYS, label.mac) };
            self.without[at].add(judge(without, &part(false)));
            self.alone[at].add(judge(with, &part(true)));
        }
    }

    fn scores(&self) -> BTreeMap<String, Score> {
        let named = |what: &'static str, scores: &[Score; KINDS.len()]| {
            let scores = *scores;
            KINDS.iter().zip(scores).map(move |((name, _), score)| (format!("{what} {name}"), score))
        };
        let all = std::iter::once(("everything".to_owned(), self.all));
        all.chain(named("without", &self.without)).chain(named("only", &self.alone)).collect()
    }

    fn print(&self) {
        println!("\nright / unknown / wrong with one kind of evidence taken away, or alone");
        println!("{:<30} {:<24} {:<24} {:<24}", "", "vendor", "type", "model");
        let line = |name: &str, score: &Score| {
            let (vendor, kind, model) = (score.vendor.shares(), score.kind.shares(), score.model.shares());
            println!("{name:<30} {vendor:<24} {kind:<24} {model:<24}");
        };
        line("everything", &self.all);
        for (what, scores) in [("without", &self.without), ("only", &self.alone)] {
            for ((name, _), score) in KINDS.iter().zip(scores) {
                line(&format!("{what} {name}"), score);
            }
        }
    }
}

fn told(record: Option<&DeviceRecord>) -> String {
    let Some(record) = record else { return "the device was not found".to_owned() };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let kind = record.device_type.map_or("-", DeviceType::name);
    format!("vendor {}, type {kind}, model {}", text(&record.vendor), text(&record.model))
}

impl Score {
    fn add(&mut self, verdicts: [Option<Verdict>; 3]) {
        self.runs += 1;
        for (tally, verdict) in [&mut self.vendor, &mut self.kind, &mut self.model].into_iter().zip(verdicts)
        {
            match verdict {
                Some(Verdict::Right) => tally.right += 1,
                Some(Verdict::Unknown) => tally.unknown += 1,
                Some(Verdict::Wrong) => tally.wrong += 1,
                None => {}
            }
        }
    }
}

impl Tally {
    fn counts(self) -> String {
        match self.right + self.unknown + self.wrong {
            0 => "-".to_owned(),
            _ => format!("{}/{}/{}", self.right, self.unknown, self.wrong),
        }
    }

    fn shares(self) -> String {
        let all = (self.right + self.unknown + self.wrong).max(1) as f64;
        let share = |part: usize| 100.0 * part as f64 / all;
        format!("{:.1} / {:.1} / {:.1} %", share(self.right), share(self.unknown), share(self.wrong))
    }
}

fn print(devices: &BTreeMap<String, Score>, total: Score) {
    println!("right/unknown/wrong, per run");
    let width = devices.keys().map(String::len).chain([20]).max().unwrap_or_default();
    println!("{:<width$} {:>4}  {:<24} {:<24} {:<24}", "device", "runs", "vendor", "type", "model");
    for (name, score) in devices {
        let (vendor, kind, model) = (score.vendor.counts(), score.kind.counts(), score.model.counts());
        println!("{name:<width$} {:>4}  {vendor:<24} {kind:<24} {model:<24}", score.runs);
    }
    let (vendor, kind, model) = (total.vendor.shares(), total.kind.shares(), total.model.shares());
    println!("{:<width$} {:>4}  {vendor:<24} {kind:<24} {model:<24}", "all", total.runs);
}
