//! `sign`: an OVA → the same OVA with a publisher's certificate behind its manifest; any file → a detached signature.

use std::fs::File;
use std::io::{copy, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Args;
use eyot_image::artefact::{Artefact, PUBLIC_MODE};
use eyot_image::detached;
use eyot_image::ova::{append_member, end_archive, member_header, Ova};
use eyot_image::pass::Control;

use super::date;
use super::ova_options::read_signer;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  eyot-image sign eyot.ova signed.ova --key publisher.key --certificate publisher.pem\n  \
    eyot-image sign SHA256SUMS --minisign-key eyot.key"
)]
pub struct Sign {
    /// OVA with a manifest, or any file for a detached signature; stays as it is
    input: PathBuf,
    /// Signed OVA to write; for a detached signature INPUT.minisig is the default
    output: Option<PathBuf>,
    /// RSA private key for the OVA's certificate, unencrypted PEM
    #[arg(long, value_name = "FILE", requires = "certificate", required_unless_present = "minisign_key")]
    key: Option<PathBuf>,
    /// X.509 certificate of the key in PEM, its chain perhaps following
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// minisign secret key for a detached signature
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    minisign_key: Option<PathBuf>,
    /// File with the minisign key's password
    #[arg(long, value_name = "FILE", requires = "minisign_key")]
    password_file: Option<PathBuf>,
}

pub fn sign(c: Sign, control: Control) -> Result<ExitCode> {
    match (&c.minisign_key, &c.key, &c.certificate, &c.output) {
        (Some(key), ..) => detached(&c, key),
        (None, Some(key), Some(certificate), Some(output)) => {
            publisher(&c.input, output, key, certificate, &control)
        }
        _ => bail!("name the signed OVA to write after the input (see --help)"),
    }
}

fn detached(c: &Sign, key: &Path) -> Result<ExitCode> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let password =
        c.password_file.as_deref().map(read).transpose()?.map(|p| p.trim_end_matches('\n').to_owned());
    let named = || format!("cannot sign {}", c.input.display());
    let name = c.input.file_name().and_then(|n| n.to_str()).with_context(named)?;
    let content = BufReader::new(File::open(&c.input).with_context(named)?);
    let text = detached::sign(&read(key)?, password, name, content).with_context(named)?;
    let beside = c.input.with_file_name(format!("{name}.{}", detached::EXTENSION));
    let mut out = Artefact::create(c.output.as_deref().unwrap_or(&beside), PUBLIC_MODE)?;
    out.write_all(text.as_bytes()).with_context(named)?;
    out.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn publisher(
    input: &Path,
    output: &Path,
    key: &Path,
    certificate: &Path,
    control: &Control,
) -> Result<ExitCode> {
    let signer = read_signer(key, certificate)?;
    let named = || format!("cannot sign {}", input.display());
    if output.exists() && output.canonicalize().ok() == input.canonicalize().ok() {
        bail!("input and output are the same file; choose another output");
    }
    let mut ova = Ova::open(File::open(input).with_context(named)?).with_context(named)?;
    let Some(manifest) = ova.by_extension("mf").cloned() else {
        bail!("{} has no manifest to sign", input.display());
    };
    let content = ova.content(&manifest).with_context(named)?;
    let certificate = signer.certificate_file(&manifest.name, &content).with_context(named)?;
    let certificate_name = match manifest.name.rsplit_once('.') {
        Some((stem, _)) => format!("{stem}.cert"),
        None => bail!("the manifest {:?} has no extension", manifest.name),
    };

    let mtime = date()?;
    let mut out = Artefact::create(output, PUBLIC_MODE)?;
    let writing = || format!("cannot make {}", output.display());
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
                bail!("{} ends within {:?}", input.display(), member.name);
            }
            left -= copied;
            done += copied;
            phase.at(done);
        }
        let padding = member.size.next_multiple_of(512) - member.size;
        out.write_all(&vec![0; padding as usize]).with_context(writing)?;
        if member.name == manifest.name {
            let mut block = Vec::new();
            append_member(&mut block, &certificate_name, &certificate, mtime).with_context(writing)?;
            out.write_all(&block).with_context(writing)?;
        }
    }
    end_archive(&mut out).with_context(writing)?;
    out.commit()?;
    phase.done();
    Ok(ExitCode::SUCCESS)
}
