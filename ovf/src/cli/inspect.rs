//! `inspect` and `verify`: what a file is, and whether it is what it should be. The kind is told by content, not by
//! extension.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::Args;
use eyot_image::detached;
use eyot_image::findings::{Findings, Severity};
use eyot_image::ova::{self, check_certificate, Member, Ova, Publisher};
use eyot_image::ovf::{lint, Descriptor, OvfInfo, MAX_DESCRIPTOR_BYTES};
use eyot_image::pass::Control;
use eyot_image::vhdx::{self, Vhdx};
use eyot_image::vmdk::{self, Vmdk};
use serde::Serialize;
use serde_json::Value;

use super::Format;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  eyot-image inspect eyot.ova --format json")]
pub struct Inspect {
    /// VMDK, VHDX, OVA, OVF or ISO
    file: PathBuf,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  eyot-image verify eyot.ova\n\nExit code 0: sound; 1: faults found, or unreadable."
)]
pub struct Verify {
    /// VMDK, VHDX, OVA or OVF
    file: PathBuf,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Demand that an OVA carries a valid signature
    #[arg(long)]
    signature: bool,
    /// Check the detached signature FILE.minisig against this public key (a file, or the key itself); any file has one
    #[arg(long, value_name = "FILE|KEY")]
    minisign_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vmdk,
    Vhdx,
    Ova,
    Ovf,
    Iso,
}

#[derive(Debug, Serialize)]
struct OvaReport {
    format: &'static str,
    members: Vec<Member>,
    descriptor: OvfInfo,
    publisher: Option<Publisher>,
}

#[derive(Debug, Serialize)]
struct IsoReport {
    format: &'static str,
    label: String,
    files: Vec<IsoEntry>,
}

#[derive(Debug, Serialize)]
struct IsoEntry {
    name: String,
    size: u64,
}

#[derive(Debug, Serialize)]
struct VerifyReport<'a> {
    file: String,
    sound: bool,
    findings: &'a Findings,
}

pub fn inspect(c: Inspect) -> Result<ExitCode> {
    let (file, kind) = open(&c.file)?;
    let report = report(file, kind).with_context(|| format!("cannot read {}", c.file.display()))?;
    match c.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Format::Text => print_text(&report, 0),
    }
    Ok(ExitCode::SUCCESS)
}

fn report(mut file: File, kind: Kind) -> Result<Value> {
    Ok(match kind {
        Kind::Vmdk => serde_json::to_value(Vmdk::open(file)?.info()?)?,
        Kind::Vhdx => serde_json::to_value(Vhdx::open(file)?.info())?,
        Kind::Ovf => serde_json::to_value(Descriptor::parse(&read_descriptor(&mut file)?)?.info())?,
        Kind::Ova => {
            let mut ova = Ova::open(file)?;
            let descriptor = ova.descriptor()?.info().clone();
            let publisher = match (ova.by_extension("cert").cloned(), ova.by_extension("mf").cloned()) {
                (Some(certificate), Some(manifest)) => {
                    Some(check_certificate(&ova.content(&certificate)?, &ova.content(&manifest)?)?)
                }
                _ => None,
            };
            let members = ova.members().to_vec();
            serde_json::to_value(OvaReport { format: "ova", members, descriptor, publisher })?
        }
        Kind::Iso => {
            let volume = eyot_iso::read(file)?;
            let entry = |f: &eyot_iso::IsoFile| IsoEntry { name: f.name().to_owned(), size: f.size() };
            serde_json::to_value(IsoReport {
                format: "iso",
                label: volume.label().to_owned(),
                files: volume.files().iter().map(entry).collect(),
            })?
        }
    })
}

/// One line per value, nested ones indented; the same names as in JSON.
fn print_text(value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(_) => {
                println!("{indent}{name}:");
                print_text(value, depth + 1);
            }
            Value::Array(items) if items.iter().all(|i| !i.is_object()) => {
                let texts: Vec<String> = items.iter().map(plain).collect();
                println!("{indent}{name}: {}", texts.join(", "));
            }
            Value::Array(items) => {
                println!("{indent}{name}:");
                for item in items.iter().filter_map(Value::as_object) {
                    let texts: Vec<String> = item
                        .iter()
                        .filter(|(_, v)| !v.is_null())
                        .map(|(name, v)| format!("{name} {}", plain(v)))
                        .collect();
                    println!("{indent}  - {}", texts.join(", "));
                }
            }
            _ => println!("{indent}{name}: {}", plain(value)),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub fn verify(c: Verify, control: Control) -> Result<ExitCode> {
    if let Some(key) = &c.minisign_key {
        detached_signature(&c.file, key)?;
    }
    let (mut file, kind) = match open(&c.file) {
        Ok(opened) => opened,
        // Checksums and scripts are signed too; there is no format to check in them.
        Err(_) if c.minisign_key.is_some() && !c.signature && c.file.exists() => {
            println!("{}: the signature holds", c.file.display());
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error),
    };
    let failed = || format!("cannot verify {}", c.file.display());
    let mut findings = match kind {
        Kind::Vmdk => vmdk::verify(file, &control).with_context(failed)?,
        Kind::Vhdx => vhdx::verify(file).with_context(failed)?,
        Kind::Ova => {
            let signed = c.signature && Ova::open(&file).is_ok_and(|o| o.by_extension("cert").is_some());
            let mut findings = ova::verify(file, &control).with_context(failed)?;
            if c.signature && !signed {
                findings.fault("certificate", "there is none, but --signature demands it");
            }
            findings
        }
        Kind::Ovf => lint(&Descriptor::parse(&read_descriptor(&mut file)?).with_context(failed)?),
        Kind::Iso => bail!("{} is an ISO; it carries no checks of its own, see `inspect`", c.file.display()),
    };
    if c.signature && kind != Kind::Ova {
        findings.fault("file", "only an OVA carries a signature");
    }
    control.check()?;
    let sound = findings.sound();
    match c.format {
        Format::Json => {
            let report = VerifyReport { file: c.file.display().to_string(), sound, findings: &findings };
            println!("{}", serde_json::to_string_pretty(&report)?);
        }
        Format::Text => {
            for finding in findings.list() {
                let severity = match finding.severity {
                    Severity::Fault => "fault",
                    Severity::Remark => "remark",
                };
                println!("{severity}: {}: {}", finding.part, finding.text);
            }
            if findings.suppressed() > 0 {
                println!("… and {} more", findings.suppressed());
            }
            println!("{}: {}", c.file.display(), if sound { "sound" } else { "has faults" });
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn detached_signature(path: &Path, key: &str) -> Result<()> {
    let named = || format!("cannot verify {}", path.display());
    let key = match std::fs::read_to_string(key) {
        Ok(text) => text,
        Err(_) => key.to_owned(),
    };
    let name = path.file_name().and_then(|n| n.to_str()).with_context(named)?;
    let signature = path.with_file_name(format!("{name}.{}", detached::EXTENSION));
    let signature = std::fs::read_to_string(&signature)
        .with_context(|| format!("cannot read signature {}", signature.display()))?;
    let content = BufReader::new(File::open(path).with_context(named)?);
    detached::verify(&key, &signature, name, content).with_context(named)
}

fn open(path: &Path) -> Result<(File, Kind)> {
    let named = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(named)?;
    let mut head = Vec::new();
    (&mut file).take(32_774).read_to_end(&mut head).with_context(named)?;
    file.seek(SeekFrom::Start(0)).with_context(named)?;
    let text = String::from_utf8_lossy(&head[..head.len().min(4096)]);
    let kind = if head.starts_with(b"KDMV") {
        Kind::Vmdk
    } else if head.starts_with(b"vhdxfile") {
        Kind::Vhdx
    } else if head.get(32_769..32_774) == Some(b"CD001") {
        Kind::Iso
    } else if head.get(257..262) == Some(b"ustar") {
        Kind::Ova
    } else if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') && text.contains("Envelope") {
        Kind::Ovf
    } else {
        bail!("{} is none of VMDK, VHDX, OVA, OVF and ISO, or it is damaged at its start", path.display());
    };
    Ok((file, kind))
}

fn read_descriptor(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_DESCRIPTOR_BYTES).read_to_end(&mut bytes).context("cannot read the descriptor")?;
    Ok(bytes)
}
