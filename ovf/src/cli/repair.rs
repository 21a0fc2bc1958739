//! `repair`: a foreign streamOptimized VMDK → one with the exact end.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Args;
use eyot_image::artefact::{Artefact, PUBLIC_MODE};
use eyot_image::pass::Control;
use eyot_image::vmdk::{repair as write_repaired, Repair};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  eyot-image repair from-qemu.vmdk repaired.vmdk\n\nAn OVF's size and manifest must \
    be written anew for the repaired file."
)]
pub struct RepairCommand {
    /// streamOptimized VMDK; stays as it is
    input: PathBuf,
    /// Repaired VMDK to write
    output: PathBuf,
}

pub fn repair(c: RepairCommand, control: Control) -> Result<ExitCode> {
    let named = || format!("cannot repair {}", c.input.display());
    let mut source = File::open(&c.input).with_context(named)?;
    if c.output.canonicalize().ok() == c.input.canonicalize().ok() && c.output.exists() {
        bail!("input and output are the same file; choose another output");
    }
    let plan = Repair::plan(&mut source).with_context(named)?;
    let mut out = Artefact::create(&c.output, PUBLIC_MODE)?;
    write_repaired(&mut source, &plan, &mut out, &control).with_context(named)?;
    out.commit()?;
    let end =
        if plan.added_end { "added the end-of-stream sector" } else { "the end-of-stream sector was there" };
    println!("{}: kept {} bytes, removed {} bytes, {end}", c.output.display(), plan.kept, plan.removed);
    Ok(ExitCode::SUCCESS)
}
