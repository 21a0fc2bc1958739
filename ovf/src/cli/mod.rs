//! Commands and their options; one file per family of commands.

mod inspect;
mod ova_options;
mod repair;
mod seed;
mod sign;
mod vhdx_output;
mod write;

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use eyot_image::pass::{default_threads, Control, MAX_THREADS};
use eyot_image::progress::Progress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Date on everything written when SOURCE_DATE_EPOCH is not set: 2020-01-01T00:00:00Z. The real date would make every
/// run's bytes different.
const FIXED_DATE: u64 = 1_577_836_800;

/// Turns a raw disk into the images an appliance travels in, and checks such images.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
pub struct Cli {
    /// Show no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a disk as .vmdk, .vhdx or .vhdx.zip, by the output's extension
    Convert(write::Convert),
    /// Write a disk as an OVA for ESXi and vCenter
    Ova(write::Ova),
    /// Write a disk as a VHDX for Hyper-V, zipped if wanted
    Vhdx(write::VhdxCommand),
    /// Write OVA, VHDX, import scripts and SHA256SUMS in one pass over the disk
    Images(write::Images),
    /// Write the seed CD that gives a new appliance its settings
    Seed(seed::SeedCommand),
    /// Show what a VMDK, VHDX, OVA or ISO is
    Inspect(inspect::Inspect),
    /// Check a VMDK, VHDX, OVA or OVF against its format
    Verify(inspect::Verify),
    /// Give a foreign streamOptimized VMDK the exact end it lacks
    Repair(repair::RepairCommand),
    /// Add a publisher's signature to an OVA, or make a detached one
    Sign(sign::Sign),
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// for people
    Text,
    /// for programs
    Json,
}

/// Runs the command.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let progress = if cli.quiet { Progress::quiet() } else { Progress::on_stderr() };
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // The second signal ends the program at once, in case the first is not heeded.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
            .context("cannot watch for signals")?;
    }
    let control = Control { threads: default_threads(), progress, interrupted };
    match cli.command {
        Command::Convert(c) => write::convert(c, control),
        Command::Ova(c) => write::ova(c, control),
        Command::Vhdx(c) => write::vhdx(c, control),
        Command::Images(c) => write::images(c, control),
        Command::Seed(c) => seed::seed(c),
        Command::Inspect(c) => inspect::inspect(c),
        Command::Verify(c) => inspect::verify(c, control),
        Command::Repair(c) => repair::repair(c, control),
        Command::Sign(c) => sign::sign(c, control),
    }
}

/// SOURCE_DATE_EPOCH, or the fixed date.
fn date() -> Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            text.parse().with_context(|| format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds"))
        }
        Err(_) => Ok(FIXED_DATE),
    }
}

/// The `--threads` option.
#[derive(Debug, clap::Args)]
struct Threads {
    /// Worker threads; the result does not depend on it [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS as i64))]
    threads: Option<u16>,
}

impl Threads {
    fn apply(&self, control: Control) -> Control {
        match self.threads {
            Some(n) => Control { threads: usize::from(n), ..control },
            None => control,
        }
    }
}
