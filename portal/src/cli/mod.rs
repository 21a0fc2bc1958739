//! The portal from a terminal: serve it, set it up, register sensors, list what is there, let people in.
//!
//! Commands work on the data folder directly, whether or not the server runs. Exit code 0 means done, 1 not done (one
//! line on standard error says why), 2 a command line that makes no sense.

mod access;
mod list;
mod register;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// List the sensors
    Sensors(list::Sensors),
    /// List the devices
    Devices(list::Devices),
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
        Command::Sensors(sensors) => sensors.run().await,
        Command::Devices(devices) => devices.run().await,
        Command::User(user) => user.run().await,
        Command::ApiToken(token) => token.run().await,
    }
}

/// Columns as wide as their widest cell, two blanks between them.
fn print_table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count());
        cells.chain([headings[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let print = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    print(&mut headings.iter().copied());
    for row in rows {
        print(&mut row.iter().map(String::as_str));
    }
}
