//! The verbs people and units type, one file each. The front door parses, calls one of them and turns its answer into an
//! exit code.

mod activate;
mod blink;
mod cost;
mod data_volume;
mod factory_reset;
mod firewall;
mod interfaces;
mod mirror;
mod network;
mod run;
mod sanity;
mod settings;
mod status;
mod support_bundle;
mod validate;
mod wizard;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};

use crate::host::Machine;

/// From an activation token to a healthy appliance.
#[derive(Parser)]
#[command(name = "eyot-appliance", version, about, max_term_width = 110)]
#[command(after_help = "Example:\n  eyot-appliance status\n  eyot-appliance activate --token-file -")]
pub struct Arguments {
    /// Work below this directory instead of / (for tests and image building; adapters and /proc stay the machine's)
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Network(network::Arguments),
    DataVolume(data_volume::Arguments),
    Run(run::Arguments),
    Activate(activate::Arguments),
    Status(status::Arguments),
    Validate(validate::Arguments),
    Sanity(sanity::Arguments),
    SupportBundle(support_bundle::Arguments),
    Interfaces(interfaces::Arguments),
    Blink(blink::Arguments),
    Mirror(mirror::Arguments),
    Settings(settings::Arguments),
    Firewall(firewall::Arguments),
    FactoryReset(factory_reset::Arguments),
    Wizard(wizard::Arguments),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Arguments {
    /// Runs the command; the number is the exit code.
    ///
    /// # Errors
    /// Whatever stopped it, to be printed once with its causes.
    pub fn run(self) -> anyhow::Result<u8> {
        let host = Machine::below(self.root);
        match self.command {
            Command::Network(arguments) => at_its_cost(arguments.run(&host)),
            Command::DataVolume(arguments) => at_its_cost(arguments.run(&host)),
            Command::Run(arguments) => arguments.run(Arc::new(host)),
            Command::Activate(arguments) => arguments.run(&host),
            Command::Status(arguments) => arguments.run(&host),
            Command::Validate(arguments) => arguments.run(&host),
            Command::Sanity(arguments) => arguments.run(&host),
            Command::SupportBundle(arguments) => arguments.run(&host),
            Command::Interfaces(arguments) => arguments.run(&host),
            Command::Blink(arguments) => arguments.run(&host),
            Command::Mirror(arguments) => arguments.run(&host),
            Command::Settings(arguments) => arguments.run(&host),
            Command::Firewall(arguments) => arguments.run(&host),
            Command::FactoryReset(arguments) => arguments.run(&host),
            Command::Wizard(arguments) => arguments.run(&host),
        }
    }
}

/// Logs what it cost: the units of the boot are part of its time line.
fn at_its_cost<T>(outcome: T) -> T {
    if let Some(cost) = cost::Cost::so_far() {
        tracing::info!("{cost}");
    }
    outcome
}

/// A single-threaded runtime: everything here waits for one thing at a time.
fn block_on<T>(work: impl std::future::Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // a name still being looked up after its time limit must not hold the answer back
    runtime.shutdown_background();
    Ok(outcome)
}

#[cfg(test)]
mod tests;
