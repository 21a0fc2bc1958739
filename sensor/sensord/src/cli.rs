//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eyot_contract::{Attribute, FindingKind, MacAddr};

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
    /// Asks every destination besides the portal whether it would take what the sensor sends.
    #[command(after_help = "Example:\n  eyot-sensor destinations --format json\n\n\
        Exit codes: 0 each of them would, or --format json says which would not; 1 one would not")]
    Destinations(DestinationsArgs),
    /// Lists the devices that the running sensor knows, or decides about them.
    #[command(after_help = "Examples:\n  eyot-sensor devices --format csv > devices.csv\n  \
        eyot-sensor devices set b0:c5:54:25:5b:0e model DCS-935L\n  \
        eyot-sensor devices merge b0:c5:54:25:5b:0e b0:c5:54:25:5b:0f\n  \
        eyot-sensor devices authorize b0:c5:54:25:5b:0e yes")]
    Devices(DevicesArgs),
    /// Lists what is wrong on the network: alerts and recommendations.
    #[command(after_help = "Examples:\n  eyot-sensor findings\n  \
        eyot-sensor findings --format ndjson office.pcapng | jq .summary\n  \
        eyot-sensor findings --threats feed.txt --kind malicious_address office.pcapng\n  \
        eyot-sensor findings --kinds")]
    Findings(FindingsArgs),
    /// Measures how much traffic this machine can take.
    #[command(
        after_help = "Examples:\n  eyot-sensor bench\n  eyot-sensor bench --format json office.pcapng"
    )]
    Bench(BenchArgs),
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
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATABASE, global = true)]
    pub database: PathBuf,
    /// How to print the devices.
    #[arg(long, value_enum, default_value_t = DeviceFormat::Table)]
    pub format: DeviceFormat,
    /// What to decide; without it the devices are listed.
    #[command(subcommand)]
    pub action: Option<DevicesAction>,
}

/// Decisions about devices. The running sensor follows them within a second or two.
#[derive(Debug, Subcommand)]
pub enum DevicesAction {
    /// Makes several hardware addresses one device, shown under the first.
    Merge {
        /// 2 to 10 hardware addresses.
        #[arg(required = true, num_args = 2.., value_name = "MAC")]
        macs: Vec<MacAddr>,
    },
    /// Takes a merge back.
    Unmerge {
        /// Any of the merged addresses.
        mac: MacAddr,
    },
    /// Sets an attribute; what is found out later does not change it.
    Set {
        /// The device.
        mac: MacAddr,
        /// The attribute.
        attribute: AttributeName,
        /// Its value.
        value: String,
    },
    /// Lets an attribute be what is found out again.
    Unset {
        /// The device.
        mac: MacAddr,
        /// The attribute.
        attribute: AttributeName,
    },
    /// Says whether a device may be here.
    Authorize {
        /// The device.
        mac: MacAddr,
        /// Whether it may.
        verdict: Verdict,
    },
    /// Forgets a device and what was decided about it; seen again, it is a new one.
    Delete {
        /// The device.
        mac: MacAddr,
    },
}

/// Attributes that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttributeName {
    /// What it is called.
    Hostname,
    /// Who made it.
    Vendor,
    /// Which product it is.
    Model,
    /// What kind of thing it is.
    Type,
    /// Operating system.
    Os,
    /// Firmware version.
    Firmware,
    /// Serial number.
    Serial,
}

impl AttributeName {
    /// The contract's word for it.
    pub fn attribute(self) -> Attribute {
        match self {
            Self::Hostname => Attribute::Hostname,
            Self::Vendor => Attribute::Vendor,
            Self::Model => Attribute::Model,
            Self::Type => Attribute::Type,
            Self::Os => Attribute::Os,
            Self::Firmware => Attribute::Firmware,
            Self::Serial => Attribute::Serial,
        }
    }
}

/// Whether a device may be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// Nobody says.
    Unknown,
}

/// Arguments of `findings`.
#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// Capture files to look in instead of the sensor's database. All of them are taken as one site, and what they show
    /// in their first day as usual.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The sensor's database.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATABASE)]
    pub database: PathBuf,
    /// Threat lists for the capture files: STIX 2.1 bundles or plain lists, or folders of them.
    #[arg(long, value_name = "PATH", requires = "files")]
    pub threats: Vec<PathBuf>,
    /// Only findings of this kind.
    #[arg(long)]
    pub kind: Option<FindingKind>,
    /// Only findings about this device.
    #[arg(long)]
    pub mac: Option<MacAddr>,
    /// Lists the kinds of findings there are, and what to do about each.
    #[arg(long, conflicts_with_all = ["files", "kind", "mac"])]
    pub kinds: bool,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = DeviceFormat::Table)]
    pub format: DeviceFormat,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Capture files to measure with instead of generated traffic. They are held in memory, at most a gigabyte.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How long to measure.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
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

/// Arguments of `destinations`.
#[derive(Debug, Args)]
pub struct DestinationsArgs {
    /// The sensor's configuration.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// How to print the answers.
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
