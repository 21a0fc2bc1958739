//! The front door of `eyot-appliance`: parse, run, print the error with its causes, choose the exit code.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// sysexits.h: the command was used wrongly.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match eyot_appliance::cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(wrong) => {
            // not clap's 2, which `status` and `validate` use for "critical"; a closed stderr is no news either
            let _ = wrong.print();
            return ExitCode::from(EX_USAGE);
        }
    };
    // journald adds the time; RUST_LOG=debug shows more
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match arguments.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("eyot-appliance: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
