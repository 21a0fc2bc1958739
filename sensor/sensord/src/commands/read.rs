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
    show::devices(&mut out, reading.inventory.each_record(), args.format)?;
    out.flush()?;
    let unreadable = reading.unreadable > 0;
    // the process ends here: to take thousands of devices apart before it does would only cost time
    std::mem::forget(reading);
    Ok(if unreadable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
