//! `settings`: every setting there is, what holds, and who said so.

use eyot_contract::settings::{Definition, DEFINITIONS};
use serde_json::json;

use super::Format;
use crate::host::Host;
use crate::settings::{chain, gather, Gathered};

/// List every setting with its meaning, its value and where the value comes from
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance settings\n  eyot-appliance settings --format json\n\nSecrets are shown as \"(set)\". Sources, strongest first: /etc/eyot/local.toml, /etc/eyot/seed.toml, a volume labelled\ncidata, and what was kept from an earlier seed."
)]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let gathered = gather(host);
        match self.format {
            Format::Json => {
                let all: Vec<_> = DEFINITIONS
                    .iter()
                    .map(|d| {
                        let (value, origin) = shown(d, &gathered);
                        json!({
                            "key": d.key, "description": d.description, "default": d.default,
                            "secret": d.is_secret(), "value": value, "origin": origin,
                        })
                    })
                    .collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            Format::Text => {
                for d in DEFINITIONS {
                    let (value, origin) = shown(d, &gathered);
                    let from = origin.map_or("default".to_owned(), |o| format!("from {o}"));
                    println!(
                        "{} = {}    ({from})\n    {}",
                        d.key,
                        value.as_deref().unwrap_or("-"),
                        d.description
                    );
                }
            }
        }
        for (source, error) in &gathered.failures {
            eprintln!("{}: {}", source.place(), chain(error));
        }
        match gathered.resolve() {
            Ok(decided) => match decided.token_problem {
                Some(problem) => anyhow::bail!(problem),
                None => Ok(0),
            },
            Err(problem) if gathered.failures.is_empty() => anyhow::bail!(problem),
            Err(_) => Ok(1),
        }
    }
}

/// The value as it may be shown, and who gave it.
fn shown(definition: &Definition, gathered: &Gathered) -> (Option<String>, Option<String>) {
    let given = gathered
        .layers
        .iter()
        .find_map(|(_, l)| l.values.get(definition.key).map(|v| (v.trim(), &l.origin)))
        .filter(|(v, _)| !v.is_empty());
    match given {
        Some((_, origin)) if definition.is_secret() => (Some("(set)".to_owned()), Some(origin.clone())),
        Some((value, origin)) => (Some(value.replace('\n', " ")), Some(origin.clone())),
        None if definition.default.is_empty() => (None, None),
        None => (Some(definition.default.to_owned()), None),
    }
}
