//! `settings`: every setting there is, what holds, and who said so.

use eyot_contract::settings::{Definition, DEFINITIONS};
use serde_json::json;

use super::Format;
use crate::datasource::{Source, PRECEDENCE};
use crate::host::Host;
use crate::settings::{chain, gather, Gathered};

/// List every setting with its meaning, its value, where the value comes from and what other sources offer
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance settings\n  eyot-appliance settings --format json\n\nSecrets are shown as \"(set)\". The sources are listed at the end, strongest first, with how much each offers."
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
                let settings: Vec<_> = DEFINITIONS.iter().map(|d| json(d, &gathered)).collect();
                let sources: Vec<_> = PRECEDENCE
                    .iter()
                    .map(|s| json!({ "place": s.place(), "offers": offered_by(*s, &gathered), "problem": problem_of(*s, &gathered) }))
                    .collect();
                println!(
                    "{}",
                    serde_json::to_string_pretty(&json!({ "settings": settings, "sources": sources }))?
                );
            }
            Format::Text => {
                for d in DEFINITIONS {
                    text(d, &gathered);
                }
                println!("\nsources, strongest first");
                for source in PRECEDENCE {
                    let said = match (problem_of(source, &gathered), offered_by(source, &gathered).len()) {
                        (Some(problem), _) => problem,
                        (None, 0) => "nothing".to_owned(),
                        (None, 1) => "1 setting".to_owned(),
                        (None, n) => format!("{n} settings"),
                    };
                    println!("    {}: {said}", source.place());
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

/// Every offer for a setting, the one that holds first: who, and the value as it may be shown.
fn offers<'g>(definition: &Definition, gathered: &'g Gathered) -> Vec<(&'g str, String)> {
    gathered
        .layers
        .iter()
        .filter_map(|(_, l)| l.values.get(definition.key).map(|v| (l.origin.as_str(), v.trim())))
        .map(|(origin, value)| match definition.is_secret() && !value.is_empty() {
            true => (origin, "(set)".to_owned()),
            false => (origin, value.replace('\n', " ")),
        })
        .collect()
}

fn json(definition: &Definition, gathered: &Gathered) -> serde_json::Value {
    let offers = offers(definition, gathered);
    let holds = offers.first().filter(|(_, value)| !value.is_empty());
    let default = Some(definition.default).filter(|d| !d.is_empty());
    let all: Vec<_> = offers
        .iter()
        .enumerate()
        .map(|(place, (origin, value))| json!({ "origin": origin, "value": value, "holds": place == 0 }))
        .collect();
    json!({
        "key": definition.key, "description": definition.description, "default": definition.default,
        "secret": definition.is_secret(), "value": holds.map(|h| h.1.as_str()).or(default),
        "origin": holds.map(|h| h.0), "offers": all,
    })
}

fn text(definition: &Definition, gathered: &Gathered) {
    let offers = offers(definition, gathered);
    let default = Some(definition.default).filter(|d| !d.is_empty()).unwrap_or("-");
    let (value, from) = match offers.first().filter(|(_, value)| !value.is_empty()) {
        Some((origin, value)) => (value.as_str(), format!("from {origin}")),
        None => (default, "default".to_owned()),
    };
    println!("{} = {value}    ({from})\n    {}", definition.key, definition.description);
    for (origin, value) in offers.iter().skip(1) {
        println!("    overruled: {value} from {origin}");
    }
}

/// Keys that a source offers.
fn offered_by(source: Source, gathered: &Gathered) -> Vec<&'static str> {
    let own = gathered.layers.iter().filter(|(s, _)| *s == source);
    own.flat_map(|(_, l)| l.values.keys().copied()).collect()
}

fn problem_of(source: Source, gathered: &Gathered) -> Option<String> {
    gathered.failures.iter().find(|(s, _)| *s == source).map(|(_, e)| chain(e))
}
