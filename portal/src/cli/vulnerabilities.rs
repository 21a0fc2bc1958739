//! `vulnerabilities`: bring the lists up to date, and list what the fleet has.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{anyhow, bail, Context};
use clap::{Args, Subcommand};

use super::{json, say, table, Data, Format};
use crate::api::vulnerabilities::{Asked, Imported, Vulnerabilities as Listed};
use crate::portal::Portal;
use crate::rules::vulnerability_import;
use crate::store::Actor;

#[derive(Subcommand)]
pub(super) enum Vulnerabilities {
    /// Import NVD's CVE files and CISA's list of exploited ones
    Import(Import),
    /// List the vulnerabilities that devices have, the most urgent first
    List(List),
}

#[derive(Args)]
#[command(after_help = "Example:\n  \
    eyot-portal vulnerabilities import nvdcve-2.0-*.json.gz known_exploited_vulnerabilities.json\n\n\
    NVD's files are JSON 2.0, CISA's JSON or CSV; each may be compressed with gzip. The newer entry wins, so files may\n\
    come in any order and more than once. A running portal need not stop. A file that is refused is named on standard\n\
    error and stops none of the others; the exit code is 1 then.")]
pub(super) struct Import {
    #[command(flatten)]
    data: Data,
    /// Files as they were published
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal vulnerabilities list --exploited --format json")]
pub(super) struct List {
    #[command(flatten)]
    data: Data,
    /// Only those that are known to be exploited
    #[arg(long)]
    exploited: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 500)]
    limit: i64,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Vulnerabilities {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Import(import) => import.run().await,
            Self::List(list) => list.run().await,
        }
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let (mut taken, mut refused) = (Vec::new(), 0);
        for path in &self.files {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let imported = match File::open(path).context("cannot be read") {
                Ok(file) => vulnerability_import::import(&portal.store, &name, file, Actor::command_line())
                    .await
                    .map_err(anyhow::Error::from),
                Err(error) => Err(error),
            };
            match imported {
                Ok(one) => taken.push((path.display().to_string(), Imported::of(&one))),
                Err(error) => {
                    refused += 1;
                    eprintln!("eyot-portal: {}: {error:#}", path.display());
                }
            }
        }
        portal.store.close().await;
        match self.format {
            Format::Json => say(&json(&taken.into_iter().map(InFile::from).collect::<Vec<_>>())?)?,
            Format::Table if taken.is_empty() => {}
            Format::Table => {
                let rows: Vec<_> = taken.iter().map(|(file, one)| one.row(file)).collect();
                say(&table(&Imported::HEADINGS, &rows))?;
            }
        }
        match refused {
            0 => Ok(()),
            n => bail!("{n} of {} files were not imported", self.files.len()),
        }
    }
}

/// What became of a file, and which it was.
#[derive(serde::Serialize)]
struct InFile {
    file: String,
    #[serde(flatten)]
    imported: Imported,
}

impl From<(String, Imported)> for InFile {
    fn from((file, imported): (String, Imported)) -> Self {
        Self { file, imported }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let exploited = if self.exploited { "yes" } else { "" };
        let asked = Asked { exploited: exploited.to_owned(), per_page: Some(self.limit), ..Asked::default() };
        let query = asked.query().map_err(|reason| anyhow!(reason))?;
        let found = Listed::of(&portal.store, &query).await?;
        portal.store.close().await;
        match self.format {
            Format::Json => say(&json(&found)?),
            Format::Table => say(&table(&Listed::HEADINGS, &found.rows())),
        }
    }
}
