//! The VHDX as a command writes it: as it is, or as the one member of a ZIP archive.

use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use eyot_image::artefact::{Artefact, PUBLIC_MODE};
use eyot_image::digest::{sha256_of, Hashing};
use eyot_image::disk::Survey;
use eyot_image::pass::{Control, Sink};
use eyot_image::vhdx::{self, Allocation, Options, SectorSize, Writer};
use eyot_image::zip::ZipWriter;

use super::date;

/// Extension of an archive.
pub const ZIP: &str = "zip";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AllocationChoice {
    Dynamic,
    Fixed,
}

/// The options that describe a VHDX, shared by `vhdx` and `images`.
#[derive(Debug, Args)]
pub struct VhdxOptions {
    /// Whether blocks of zeros take room in the VHDX
    #[arg(long, value_enum, default_value_t = AllocationChoice::Dynamic)]
    allocation: AllocationChoice,
    /// Sector size the VHDX's guest addresses: 512 makes a 512e disk, 4096 a 4Kn disk
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = ["512", "4096"])]
    logical_sector: String,
    /// Write the VHDX into a ZIP archive, NAME.vhdx.zip
    #[arg(long)]
    pub zip: bool,
}

impl VhdxOptions {
    /// As the writer wants them.
    pub fn options(&self) -> Options {
        Options {
            allocation: match self.allocation {
                AllocationChoice::Dynamic => Allocation::Dynamic,
                AllocationChoice::Fixed => Allocation::Fixed,
            },
            logical_sector: if self.logical_sector == "4096" { SectorSize::B4096 } else { SectorSize::B512 },
            ..Options::default()
        }
    }
}

/// A VHDX being written.
pub enum VhdxOutput {
    Plain(Box<Writer<Artefact>>),
    Hashed(Box<Writer<Hashing<Artefact>>>),
    Zipped(Box<Writer<ZipWriter<Artefact>>>),
}

/// What becomes of the file's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Wanted,
    Unwanted,
}

impl VhdxOutput {
    /// Begins the file at `path`, an archive when `zip`.
    pub fn create(path: &Path, zip: bool, digest: Digest, survey: &Survey, options: Options) -> Result<Self> {
        let making = || format!("cannot make {}", path.display());
        let out = Artefact::create(path, PUBLIC_MODE)?;
        Ok(match (zip, digest) {
            (true, _) => {
                let out = ZipWriter::new(out, &member_name(path)?, vhdx::length(survey, options), date()?);
                let out = out.with_context(making)?;
                VhdxOutput::Zipped(Box::new(Writer::new(out, survey, options).with_context(making)?))
            }
            (false, Digest::Wanted) => {
                let out = Hashing::new(out);
                VhdxOutput::Hashed(Box::new(Writer::new(out, survey, options).with_context(making)?))
            }
            (false, Digest::Unwanted) => {
                VhdxOutput::Plain(Box::new(Writer::new(out, survey, options).with_context(making)?))
            }
        })
    }

    /// As it takes part in a pass.
    pub fn sink(&mut self) -> &mut dyn Sink {
        match self {
            VhdxOutput::Plain(writer) => &mut **writer,
            VhdxOutput::Hashed(writer) => &mut **writer,
            VhdxOutput::Zipped(writer) => &mut **writer,
        }
    }

    /// Ends the file, which then waits to be committed.
    pub fn finish(self) -> Result<Artefact> {
        Ok(match self {
            VhdxOutput::Plain(writer) => writer.finish()?.0,
            VhdxOutput::Hashed(writer) => writer.finish()?.0.finish().0,
            VhdxOutput::Zipped(writer) => writer.finish()?.0.finish()?.0,
        })
    }

    /// Ends the file and gives its SHA-256 in lower-case hexadecimal: counted on the way, or by reading it again.
    pub fn finish_hashed(self, control: &Control) -> Result<(Artefact, String)> {
        let (mut artefact, length) = match self {
            VhdxOutput::Plain(writer) => writer.finish()?,
            VhdxOutput::Hashed(writer) => {
                let (artefact, sha256, _) = writer.finish()?.0.finish();
                return Ok((artefact, sha256));
            }
            VhdxOutput::Zipped(writer) => writer.finish()?.0.finish()?,
        };
        let sha256 = reread(&mut artefact, length, control)?;
        Ok((artefact, sha256))
    }
}

/// SHA-256 of a finished file whose front was written last.
pub fn reread(artefact: &mut Artefact, length: u64, control: &Control) -> Result<String> {
    artefact
        .seek(SeekFrom::Start(0))
        .with_context(|| format!("cannot read {}", artefact.path().display()))?;
    Ok(sha256_of(&mut BufReader::new(artefact), length, control)?.0)
}

/// disk.vhdx.zip holds disk.vhdx.
fn member_name(path: &Path) -> Result<String> {
    match path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".zip")) {
        Some(name) if name.ends_with(".vhdx") => Ok(name.to_owned()),
        Some(name) if !name.is_empty() => Ok(format!("{name}.vhdx")),
        _ => bail!("the archive {} does not end in .vhdx.zip", path.display()),
    }
}
