//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eyot_contract::MacAddr;

use crate::config::{DEFAULT_CONFIG, DEFAULT_DATABASE};

/// Finds the devices on a network from the traffic it is shown.
#[derive(Debug, Parser)]
#[command(name = "eyot-sensor", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the devices in capture files.
    #[command(after_help = "Examples:\n  eyot-sensor read office.pcapng\n  \
        eyot-sensor read --format ndjson day1.pcap day2.pcap.gz | jq .model\n  tcpdump -w - | eyot-sensor read -")]
    Read(ReadArgs),
    /// Watches the network and reports to the portal; runs until it is stopped.
    #[command(after_help = "Example:\n  eyot-sensor run --config /etc/eyot/sensor.toml")]
    Run(RunArgs),
    /// Lists the devices that the running sensor knows.
    #[command(after_help = "Example:\n  eyot-sensor devices --format csv > devices.csv")]
    Devices(DevicesArgs),
    /// Says why a device is taken for what it is.
    #[command(after_help = "Examples:\n  eyot-sensor explain b0:c5:54:25:5b:0e\n  \
        eyot-sensor explain b0:c5:54:25:5b:0e office.pcapng")]
    Explain(ExplainArgs),
    /// Lists the network interfaces that can be watched.
    #[command(after_help = "Example:\n  eyot-sensor interfaces --format json")]
    Interfaces(ListArgs),
    /// Lists the protocols that are read, and what is read of them.
    #[command(after_help = "Example:\n  eyot-sensor protocols")]
    Protocols(ListArgs),
}

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Capture files: pcap or pcapng, plain or compressed with gzip or zstd; `-` reads standard input. All of them are
    /// taken as one site.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to print the devices.
    #[arg(long, value_enum, default_value_t = DeviceFormat::Table)]
    pub format: DeviceFormat,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The sensor's configuration.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Only checks the configuration and prints it as it is understood.
    #[arg(long)]
    pub check: bool,
}

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// The sensor's database.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATABASE)]
    pub database: PathBuf,
    /// How to print the devices.
    #[arg(long, value_enum, default_value_t = DeviceFormat::Table)]
    pub format: DeviceFormat,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The device's MAC address.
    pub mac: MacAddr,
    /// Capture files to look in instead of the sensor's database.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The sensor's database.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATABASE)]
    pub database: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// Arguments of commands that list what there is.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How to print the list.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// Ways to print devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceFormat {
    /// For people.
    Table,
    /// One JSON object per line and device.
    Ndjson,
    /// For spreadsheets (RFC 4180).
    Csv,
}

/// Ways to print other lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}
