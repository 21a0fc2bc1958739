//! `sanity`: the machine itself, line by line.

use eyot_contract::Timestamp;
use serde_json::json;

use super::Format;
use crate::health::sanity::sanity;
use crate::health::validate::{exit_code, Outcome};
use crate::host::Host;
use crate::settings::gather;

/// Check the appliance itself: services, versions, disk, memory, processors, time, monitored interfaces
///
/// Asks nothing of the network; `validate` does.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance sanity\n  eyot-appliance sanity --format json\n\nExit codes: 0 up, 1 up with warnings, 2 down"
)]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let (checks, tier) = sanity(host, &gather(host), Timestamp::now());
        let code = exit_code(&checks);
        let size = tier.map_or("small", |t| t.name);
        match self.format {
            Format::Json => {
                let all = json!({ "up": code < 2, "size": size, "checks": checks });
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            Format::Text => {
                for check in &checks {
                    let mark = match check.outcome {
                        Outcome::Passed => "[+]",
                        Outcome::NotTried => "[ ]",
                        Outcome::Warning => "[!]",
                        Outcome::Failed => "[-]",
                    };
                    let phrase = check.title.map(|t| format!("{t}: ")).unwrap_or_default();
                    println!("{mark} {:<14} | {phrase}{}", check.name, check.detail);
                    if !check.remedy.is_empty() {
                        println!("{:<18} |  > {}", "", check.remedy);
                    }
                }
                println!("\nSystem is {} ({size})", if code < 2 { "UP" } else { "DOWN" });
            }
        }
        Ok(code)
    }
}
