//! The commands, one file each.

mod bench;
mod destinations;
mod devices;
mod explain;
mod findings;
mod interfaces;
mod protocols;
mod read;
mod run;

use std::process::ExitCode;

use crate::cli::Command;

/// Carries out a command.
///
/// # Errors
/// Whatever kept it from being done.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Read(args) => read::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Destinations(args) => destinations::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Findings(args) => findings::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Interfaces(args) => interfaces::run(&args),
        Command::Protocols(args) => protocols::run(&args),
    }
}
