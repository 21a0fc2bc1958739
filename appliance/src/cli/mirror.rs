//! `mirror`: does the mirror deliver.

use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::Format;
use crate::apply::role;
use crate::host::{Adapter, Host};
use crate::mirror::{listen, Verdict};
use crate::settings::gather;

/// Check what the monitoring interfaces receive: nothing, broadcasts only, one direction, no VLAN tags, or a good mirror
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  eyot-appliance mirror --seconds 60\n\nExit codes: 0 good, 1 too few frames to tell, 2 something is wrong"
)]
pub(super) struct Arguments {
    /// How long to listen
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let settings = gather(host).resolve()?.settings;
        let adapters = host.adapters()?;
        let roles = role::decide(host, &settings, &adapters)?;
        let listening: Vec<&Adapter> = adapters.iter().filter(|a| roles.captures(&a.name)).collect();
        if listening.is_empty() {
            bail!("no adapter listens; `eyot-appliance interfaces` shows what each does and why");
        }
        let found = listen(host, &listening, Duration::from_secs(self.seconds))?;
        let phrase = |verdict: Verdict| match verdict {
            Verdict::Good => "Mirror is good",
            Verdict::NotEnough => "Too few frames to tell",
            other => other.condition().map_or("", |code| code.title()),
        };
        match self.format {
            Format::Json => {
                let all: Vec<_> = found
                    .iter()
                    .map(|(name, verdict, detail)| {
                        json!({ "name": name, "code": verdict.condition(), "title": phrase(*verdict), "detail": detail })
                    })
                    .collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            Format::Text => {
                for (_, verdict, detail) in &found {
                    println!("{}: {detail}", phrase(*verdict));
                }
            }
        }
        let code = |verdict: &Verdict| match verdict {
            Verdict::Good => 0,
            Verdict::NotEnough => 1,
            _ => 2,
        };
        Ok(found.iter().map(|(_, verdict, _)| code(verdict)).max().unwrap_or(0))
    }
}
