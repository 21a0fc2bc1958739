//! Prints what would be found in each of these captures, each taken as a network of its own: the way to look for false
//! alarms.
//!
//! `cargo run -p eyot-findings --example ordinary -- ../shared/captures`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use eyot_capture::file::FileSource;
use eyot_capture::{Pulled, Source};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits};
use eyot_findings::{Findings, Policy};
use eyot_inventory::Inventory;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = Vec::new();
    for arg in std::env::args_os().skip(1) {
        files(Path::new(&arg), &mut paths)?;
    }
    if paths.is_empty() {
        return Err("give capture files or folders".into());
    }
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut read = 0;
    for path in &paths {
        // what is no capture says so itself
        let Ok(mut source) = FileSource::open(path) else { continue };
        read += 1;
        let mut dissector = Dissector::new(Limits::default());
        let (mut inventory, mut findings) = (Inventory::new(), Findings::new(Policy::default()));
        let mut latest = Timestamp::default();
        while source.pull(4096, &mut |frame| {
            latest = latest.max(frame.at);
            let summary = inventory.frame(&mut dissector, frame);
            findings.frame(frame.at, &summary, &inventory);
        })? != Pulled::Ended
        {}
        inventory.identify(usize::MAX);
        findings.assess(&inventory, latest);
        for finding in findings.all() {
            *totals.entry(finding.kind.name()).or_default() += 1;
            let seen = finding.evidence.last().map_or("", |e| e.seen.as_str());
            println!("{}\t{}\t{}\t{}\t{seen}", path.display(), finding.kind, finding.count, finding.summary);
        }
    }
    println!("{read} captures");
    for (kind, count) in totals {
        println!("{count:6} {kind}");
    }
    Ok(())
}

fn files(path: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        out.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<_> =
        std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| files(entry, out))
}
