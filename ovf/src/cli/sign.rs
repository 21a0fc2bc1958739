//! `sign`: an OVA → the same OVA with a publisher's certificate behind its manifest.

use std::fs::File;
use std::io::{copy, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Args;
use eyot_image::artefact::{Artefact, PUBLIC_MODE};
use eyot_image::ova::{append_member, end_archive, member_header, Ova};
use eyot_image::pass::Control;

use super::date;
use super::ova_options::read_signer;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  eyot-image sign eyot.ova signed.ova --key publisher.key --certificate publisher.pem"
)]
pub struct Sign {
    /// OVA with a manifest; stays as it is
    input: PathBuf,
    /// Signed OVA to write
    output: PathBuf,
    /// RSA private key, unencrypted PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// X.509 certificate of the key in PEM, its chain perhaps following
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

pub fn sign(c: Sign, control: Control) -> Result<ExitCode> {
    let signer = read_signer(&c.key, &c.certificate)?;
    let named = || format!("cannot sign {}", c.input.display());
    if c.output.exists() && c.output.canonicalize().ok() == c.input.canonicalize().ok() {
        bail!("input and output are the same file; choose another output");
    }
    let mut ova = Ova::open(File::open(&c.input).with_context(named)?).with_context(named)?;
    let Some(manifest) = ova.by_extension("mf").cloned() else {
        bail!("{} has no manifest to sign", c.input.display());
    };
    let content = ova.content(&manifest).with_context(named)?;
    let certificate = signer.certificate_file(&manifest.name, &content).with_context(named)?;
    let certificate_name = match manifest.name.rsplit_once('.') {
        Some((stem, _)) => format!("{stem}.cert"),
        None => bail!("the manifest {:?} has no extension", manifest.name),
    };

    let mtime = date()?;
    let mut out = Artefact::create(&c.output, PUBLIC_MODE)?;
    let writing = || format!("cannot make {}", c.output.display());
    let phase = control.progress.phase("copying", ova.members().iter().map(|m| m.size).sum());
    let mut done = 0;
    let members: Vec<_> = ova.members().iter().filter(|m| !m.name.ends_with(".cert")).cloned().collect();
    for member in members {
        out.write_all(&member_header(&member.name, member.size, mtime).with_context(writing)?)
            .with_context(writing)?;
        let mut left = member.size;
        let mut section = ova.section(&member);
        while left > 0 {
            control.check()?;
            let step = left.min(1 << 20);
            let copied = copy(&mut (&mut section).take(step), &mut out).with_context(writing)?;
            if copied < step {
                bail!("{} ends within {:?}", c.input.display(), member.name);
            }
            left -= copied;
            done += copied;
            phase.at(done);
        }
        let padding = member.size.next_multiple_of(512) - member.size;
        out.write_all(&vec![0; padding as usize]).with_context(writing)?;
        if member.name == manifest.name {
            let mut block = Vec::new();
            append_member(&mut block, &certificate_name, &certificate, mtime);
            out.write_all(&block).with_context(writing)?;
        }
    }
    end_archive(&mut out).with_context(writing)?;
    out.commit()?;
    phase.done();
    Ok(ExitCode::SUCCESS)
}
