//! `eyot-sensor`: finds the devices on a network from the traffic it is shown.
//!
//! The front door: parse, run, print the error chain, choose the exit code. What each command does is in `commands`, how
//! frames become devices in the crates behind it.

mod beside;
mod cli;
mod commands;
mod config;
mod destinations;
mod https;
mod offline;
mod pipeline;
mod portal_threats;
mod progress;
mod queue;
mod remote;
mod ring;
mod show;
mod snapshots;
mod status;
mod twin;
mod uplink;
mod watch;
mod wishes;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eyot-sensor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `eyot-sensor read … | head` is not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}
