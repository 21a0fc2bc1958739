//! A day's traffic in minutes: `soak [--times N] [--hours H] CAPTURE`.
//!
//! Plays the capture N times (50), one after the other, with a clock that goes on so that the whole lasts H hours (24), through
//! dissector, inventory and findings, with the rounds of identifying, saving and forgetting that the running sensor makes.
//! After each round prints how much memory the process holds. Every round brings the same devices: after the first few
//! nothing may grow. Fails when the last quarter's memory is more than [`GROWTH`] above that of the second quarter.
//! scripts/soak calls this.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, Context};
use eyot_capture::file::FileSource;
use eyot_capture::{Frame, Pulled, Source};
use eyot_contract::Timestamp;
use eyot_dissect::Limits;
use eyot_findings::{passage, Findings, Policy};
use eyot_inventory::{Gatherer, Inventory, Store, RETENTION};

/// Growth that is no leak: allocators keep what they were once given.
const GROWTH: f64 = 0.05;
/// Frames between two rounds of identifying and saving.
const ROUND: usize = 262_144;
const HOUR: i64 = 3_600 * 1_000_000;
/// The day begins somewhere.
const BEGINNING: i64 = 1_700_000_000_000_000;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<bool> {
    let (mut times, mut hours, mut file) = (50_usize, 24_i64, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse().ok()).context("a number is missing");
        match argument.as_str() {
            "--times" => times = number()?,
            "--hours" => hours = number()? as i64,
            _ => file = Some(PathBuf::from(argument)),
        }
    }
    let file = file.context("usage: soak [--times N] [--hours H] CAPTURE")?;
    if times < 4 || hours < 1 {
        bail!("at least four times and one hour are needed to compare quarters");
    }
    let (beginning, end) = span(&file)?;
    // the file's own seconds are stretched to its share of the hours
    let share = hours * HOUR / times as i64;
    let length = (end - beginning).max(1);

    let directory = tempfile::tempdir().context("no place for the database")?;
    let mut store = Store::open(directory.path().join("inventory.sqlite"))?;
    let mut inventory = Inventory::new();
    let mut findings = Findings::new(Policy::default());
    let mut gatherer = Gatherer::new(Limits::default());
    let mut memory = Vec::new();
    for time in 0..times {
        let start = BEGINNING + time as i64 * share;
        let mut source = FileSource::open(&file)?;
        let mut now = Timestamp(start);
        loop {
            let pulled = source.pull(ROUND, &mut |frame| {
                let passed = i128::from(frame.at.0 - beginning) * i128::from(share) / i128::from(length);
                now = Timestamp(start + passed as i64);
                gatherer.frame(&Frame { at: now, ..*frame });
                if gatherer.gathered().len() >= 8_192 {
                    passage::take(&mut gatherer, &mut inventory, Some(&mut findings));
                }
            })?;
            gatherer.settle();
            passage::take(&mut gatherer, &mut inventory, Some(&mut findings));
            inventory.identify(usize::MAX);
            findings.assess(&inventory, now);
            inventory.forget_quiet(Timestamp(now.0 - RETENTION));
            findings.forget_quiet(now);
            store.save(&mut inventory, true, &[], now)?;
            findings.save(&mut store, false, now)?;
            if pulled == Pulled::Ended {
                break;
            }
        }
        let resident = resident_kib()?;
        memory.push(resident as f64);
        println!(
            "{:6.1} h  {:7} devices  {:9} frames  {:5} findings  {:7} KiB",
            (now.0 - BEGINNING) as f64 / HOUR as f64,
            inventory.len(),
            inventory.counters().frames,
            findings.counters().kept,
            resident
        );
    }
    let quarter = times / 4;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let before = mean(&memory[quarter..2 * quarter]);
    let after = mean(&memory[times - quarter..]);
    let growth = after / before - 1.0;
    println!("second quarter {before:.0} KiB, last quarter {after:.0} KiB: {:+.1} %", growth * 100.0);
    Ok(growth <= GROWTH)
}

/// First and last time of the capture.
fn span(file: &PathBuf) -> anyhow::Result<(i64, i64)> {
    let mut source = FileSource::open(file)?;
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    while source.pull(65_536, &mut |frame| {
        first = first.min(frame.at.0);
        last = last.max(frame.at.0);
    })? != Pulled::Ended
    {}
    if last < first {
        bail!("{}: there is no frame in it", file.display());
    }
    Ok((first, last))
}

/// What the kernel says this process holds, less what belongs to files.
fn resident_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status: cannot be read")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .context("the kernel does not say how much memory this process holds")
}
