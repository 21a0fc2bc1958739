//! `import`: bundles that somebody carried here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context};
use clap::Args;
use eyot_contract::MAX_BUNDLE_BYTES;

use super::{json, say, table, Data, Format};
use crate::portal::Portal;
use crate::rules::bundle::{self, Taken};
use crate::store::{Actor, Imported};

#[derive(Args)]
#[command(after_help = "Example:\n  \
    eyot-portal import /media/usb/eyot-*.ndjson\n\n\
    Bundles may come in any order and more than once: each counts once, and what is known newer stays. One that is\n\
    refused is named on standard error and stops none of the others; the exit code is 1 then.")]
pub(super) struct Import {
    #[command(flatten)]
    data: Data,
    /// Bundles as a sensor wrote them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let (mut taken, mut refused) = (Vec::new(), 0);
        for file in &self.files {
            match import(&portal, file).await {
                Ok(bundle) => taken.push((file, bundle)),
                Err(error) => {
                    refused += 1;
                    eprintln!("eyot-portal: {}: {error:#}", file.display());
                }
            }
        }
        portal.store.close().await;
        match self.format {
            Format::Json => {
                say(&json(&taken.iter().map(|(file, bundle)| view(file, bundle)).collect::<Vec<_>>())?)?
            }
            Format::Table if taken.is_empty() => {}
            Format::Table => {
                let rows: Vec<_> = taken.iter().map(|(file, bundle)| row(file, bundle)).collect();
                say(&table(&["FILE", "SENSOR", "NUMBER", "DEVICES", "FINDINGS", "OLDER"], &rows))?;
            }
        }
        match refused {
            0 => Ok(()),
            n => bail!("{n} of {} bundles were not imported", self.files.len()),
        }
    }
}

async fn import(portal: &Portal, file: &Path) -> anyhow::Result<Taken> {
    let mut bytes = Vec::new();
    // one byte more than a bundle has: the reader then says that it is too large
    let limit = MAX_BUNDLE_BYTES as u64 + 1;
    File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes)).context("cannot be read")?;
    Ok(bundle::import(&portal.store, &portal.authority, &bytes, Actor::command_line()).await?)
}

fn row(file: &Path, taken: &Taken) -> Vec<String> {
    let mut row =
        vec![file.display().to_string(), taken.header.sensor.clone(), taken.header.sequence.to_string()];
    row.extend(match taken.outcome {
        Imported::Stored { devices, findings, older } => [devices, findings, older].map(|n| n.to_string()),
        Imported::Repeated => ["imported before".to_owned(), String::new(), String::new()],
    });
    row
}

fn view(file: &Path, taken: &Taken) -> serde_json::Value {
    let (devices, findings, older, repeated) = match taken.outcome {
        Imported::Stored { devices, findings, older } => (devices, findings, older, false),
        Imported::Repeated => (0, 0, 0, true),
    };
    serde_json::json!({
        "file": file, "sensor": taken.header.sensor, "epoch": taken.header.epoch, "sequence": taken.header.sequence,
        "created": taken.header.created, "repeated": repeated, "devices": devices, "findings": findings,
        "older": older, "unused": taken.unused,
    })
}
