//! `eyot-image`: the command line over the crate of the same name. Parses, runs, prints the error chain once, and
//! chooses the exit code: 0 done, 1 failed or faults found, 2 wrong usage, 130 interrupted.

mod cli;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use eyot_image::pass::PassError;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let interrupted = error
                .chain()
                .any(|cause| matches!(cause.downcast_ref::<PassError>(), Some(PassError::Interrupted)));
            let full = error.chain().any(|cause| {
                cause
                    .downcast_ref::<std::io::Error>()
                    .is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
            });
            let advice = if full { "; free some space there or choose another directory" } else { "" };
            eprintln!("eyot-image: {error:#}{advice}");
            ExitCode::from(if interrupted { 130 } else { 1 })
        }
    }
}
