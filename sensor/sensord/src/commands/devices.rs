//! `devices`: what the running sensor has stored.

use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use eyot_inventory::Store;

use crate::cli::DevicesArgs;
use crate::show;

/// Prints the stored devices, identified by the rules of this program.
pub fn run(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    let mut inventory = Store::open_read_only(&args.database)?.load()?;
    inventory.identify(usize::MAX);
    let mut out = BufWriter::new(stdout().lock());
    show::devices(&mut out, &inventory.records(), args.format)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
