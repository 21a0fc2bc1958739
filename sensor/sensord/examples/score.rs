//! How often the sensor is right, on captures of known devices.
//!
//! Every capture file in a device's folder is one run: it is read alone, the device's record looked up, and vendor, type
//! and model compared with the label. Unknown is counted apart from wrong, because the sensor promises to say nothing
//! rather than something false. A device that is not found at all counts as unknown.
//!
//! Labels are tab-separated: folder, MAC address, vendor (regular expression), accepted types joined by `|`, model
//! (regular expression, `-` where the traffic cannot tell). Lines that begin with `#` are comments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use clap::{Parser, ValueEnum};
use eyot_capture::file::FileSource;
use eyot_capture::{Pulled, Source};
use eyot_contract::{DeviceRecord, DeviceType, MacAddr};
use eyot_dissect::{Dissector, Limits};
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
    /// Also print every run that is not entirely right, with what was said instead.
    #[arg(long)]
    misses: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

struct Label {
    folder: String,
    mac: MacAddr,
    vendor: Regex,
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
    for label in read_labels(&labels)? {
        let mut score = Score::default();
        for file in files(&arguments.captures.join(&label.folder))? {
            let record = read(&file, label.mac)?;
            let verdicts = label.judge(record.as_ref());
            score.add(verdicts);
            total.add(verdicts);
            if arguments.misses && verdicts.iter().flatten().any(|v| *v != Verdict::Right) {
                eprintln!("{}: {}", file.display(), told(record.as_ref()));
            }
        }
        devices.insert(label.folder, score);
    }
    match arguments.format {
        Format::Json => println!("{}", serde_json::json!({ "devices": devices, "total": total })),
        Format::Table => print(&devices, total),
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
            vendor: expression(vendor)?,
            types: types.split('|').map(|t| t.parse().map_err(anyhow::Error::msg)).collect::<Result<_>>()?,
            model: if model == "-" { None } else { Some(expression(model)?) },
        })
    }

    /// Vendor, type and model; none where the label leaves it open.
    fn judge(&self, record: Option<&DeviceRecord>) -> [Option<Verdict>; 3] {
        let text = |said: Option<&String>, expected: &Regex| match said {
            None => Verdict::Unknown,
            Some(said) if expected.is_match(said) => Verdict::Right,
            Some(_) => Verdict::Wrong,
        };
        let kind = match record.and_then(|r| r.device_type) {
            None => Verdict::Unknown,
            Some(kind) if self.types.contains(&kind) => Verdict::Right,
            Some(_) => Verdict::Wrong,
        };
        [
            Some(text(record.and_then(|r| r.vendor.as_ref()), &self.vendor)),
            Some(kind),
            self.model.as_ref().map(|expected| text(record.and_then(|r| r.model.as_ref()), expected)),
        ]
    }
}

fn expression(text: &str) -> Result<Regex> {
    Ok(RegexBuilder::new(text).case_insensitive(true).build()?)
}

/// The folder's files, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
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
    println!("{:<20} {:>4}  {:<24} {:<24} {:<24}", "device", "runs", "vendor", "type", "model");
    for (name, score) in devices {
        let (vendor, kind, model) = (score.vendor.counts(), score.kind.counts(), score.model.counts());
        println!("{name:<20} {:>4}  {vendor:<24} {kind:<24} {model:<24}", score.runs);
    }
    let (vendor, kind, model) = (total.vendor.shares(), total.kind.shares(), total.model.shares());
    println!("{:<20} {:>4}  {vendor:<24} {kind:<24} {model:<24}", "all", total.runs);
}
