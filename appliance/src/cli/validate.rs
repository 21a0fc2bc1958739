//! `validate`: every step to a working appliance, tried now.

use super::Format;
use crate::health::validate::{exit_code, validate, Outcome};
use crate::host::Host;
use crate::settings::gather;

/// Try every step to a working appliance and say what works and what does not
///
/// Looks at the settings, the management interface, name resolution, proxy, connection, certificate, clock, firewall,
/// monitoring interfaces, the sensor, and the portal's acknowledgement. Changes nothing.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance validate\n  eyot-appliance validate --format json\n\nExit codes: 0 everything works, 1 warnings or steps that could not be tried, 2 something does not work"
)]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let checks = super::block_on(validate(host, &gather(host)))?;
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&checks)?),
            Format::Text => {
                for check in &checks {
                    let mark = match check.outcome {
                        Outcome::Passed => "ok",
                        Outcome::NotTried => "-",
                        Outcome::Warning => "warning",
                        Outcome::Failed => "FAILED",
                    };
                    let remedy = match check.remedy.is_empty() || check.detail.contains(&check.remedy) {
                        true => String::new(),
                        false => format!(" > {}", check.remedy),
                    };
                    println!("{mark:<8} {:<12} {}{remedy}", check.name, check.detail);
                }
            }
        }
        Ok(exit_code(&checks))
    }
}
