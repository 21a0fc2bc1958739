//! `read`: devices out of capture files.

use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use crate::cli::ReadArgs;
use crate::offline::Reading;
use crate::show;

/// Prints the devices. A file that cannot be read fails the command, after the others were read.
pub fn run(args: &ReadArgs) -> anyhow::Result<ExitCode> {
    let reading = Reading::of(&args.files);
    let mut out = BufWriter::new(stdout().lock());
    show::devices(&mut out, &reading.inventory.records(), args.format)?;
    out.flush()?;
    Ok(if reading.unreadable > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
