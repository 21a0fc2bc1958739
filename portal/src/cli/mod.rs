//! The portal from a terminal: serve it, set it up, register sensors, list what is there, let people in.
//!
//! Commands work on the data folder directly, whether or not the server runs. Exit code 0 means done, 1 not done (one
//! line on standard error says why), 2 a command line that makes no sense.

mod access;
mod import;
mod list;
mod register;
mod serve;
mod vulnerabilities;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

use serde::Serialize;

use crate::portal::DATA;

#[derive(Parser)]
#[command(
    name = "eyot-portal",
    version,
    about = "Many sensors to one place: register them, watch them, and see the devices they find",
    after_help = "Example, a portal on this machine:\n  \
        eyot-portal init --data ./portal --address https://localhost:8443\n  \
        eyot-portal register --data ./portal --name lobby --subscription main --seed-iso lobby.iso\n  \
        eyot-portal serve --data ./portal --listen 127.0.0.1:8443"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer browsers and sensors until told to stop
    Serve(serve::Serve),
    /// Make a portal: its CA, its certificate, its database
    Init(serve::Init),
    /// Register a sensor: prints its activation command and token, and writes its seed ISO
    Register(register::Register),
    /// Create a new activation command for a registered sensor; the older one stops working
    Activation(register::Activation),
    /// Import bundles that somebody carried here from sensors without a connection
    Import(import::Import),
    /// Import lists of vulnerabilities, and list what devices have
    #[command(subcommand)]
    Vulnerabilities(vulnerabilities::Vulnerabilities),
    /// List the sensors
    Sensors(list::Sensors),
    /// List the devices
    Devices(list::Devices),
    /// List who changed what, newest first
    Audit(list::Audit),
    /// Manage people's accounts
    #[command(subcommand)]
    User(access::User),
    /// Manage tokens for programs
    #[command(subcommand)]
    ApiToken(access::ApiToken),
}

/// Which portal.
#[derive(Args)]
struct Data {
    /// The portal's data folder
    #[arg(long, value_name = "DIR", default_value = DATA)]
    data: PathBuf,
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Parses the command line, does what it says, and tells how it went.
pub fn main() -> ExitCode {
    let line = Line::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("eyot-portal: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(line.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eyot-portal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Init(init) => init.run().await,
        Command::Register(register) => register.run().await,
        Command::Activation(activation) => activation.run().await,
        Command::Import(import) => import.run().await,
        Command::Vulnerabilities(vulnerabilities) => vulnerabilities.run().await,
        Command::Sensors(sensors) => sensors.run().await,
        Command::Devices(devices) => devices.run().await,
        Command::Audit(audit) => audit.run().await,
        Command::User(user) => user.run().await,
        Command::ApiToken(token) => token.run().await,
    }
}

/// Columns as wide as their widest cell, two blanks between them.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count());
        cells.chain([headings[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    let mut push = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    };
    push(&mut headings.iter().copied());
    for row in rows {
        push(&mut row.iter().map(String::as_str));
    }
    text
}

/// A value as JSON, a line break at its end.
fn json<T: Serialize>(value: &T) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Writes to standard output. A reader that has seen enough (`… | head`) is no error.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
