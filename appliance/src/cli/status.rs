//! `status`: the latest health report, in plain words.

use eyot_contract::{Condition, ConditionCode, Level, Timestamp};
use serde_json::json;

use super::Format;
use crate::activate::{forget::Forgotten, Identity};
use crate::apply::data_volume;
use crate::health::{current, latest, role_word};
use crate::host::Host;
use crate::settings::chain;

/// Say how the appliance is, and why
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance status\n  eyot-appliance status --line\n  eyot-appliance status --format json\n\nExit codes: 0 healthy, 1 warnings, 2 critical"
)]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Only why, in one line: the worst condition and its detail
    #[arg(long, conflicts_with = "format")]
    line: bool,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let now = Timestamp::now();
        let (report, conditions) = current(latest(host)?, now);
        let identity = match Identity::load(host) {
            Ok(identity) => identity.map(|i| i.enrolment),
            Err(error) => {
                eprintln!("{}; run this as root to see the enrolment too", chain(&error));
                None
            }
        };
        let forgotten = Forgotten::load(host)?;
        let data_volume = data_volume::Record::load(host)?;
        match self.format {
            _ if self.line => {
                if let Some(condition) = conditions.first() {
                    println!("{}: {}", condition.code.title(), condition.detail);
                }
            }
            Format::Json => {
                let conditions: Vec<_> = conditions.iter().map(with_words).collect();
                let all = json!({
                    "level": worst(&conditions_levels(&conditions)),
                    "conditions": conditions,
                    "report": report,
                    "enrolment": identity,
                    "token": forgotten,
                    "data_volume": data_volume,
                });
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            Format::Text => {
                for condition in &conditions {
                    println!(
                        "{:<9} {}: {}",
                        condition.code.level(),
                        condition.code.title(),
                        condition.detail
                    );
                    if condition.code != ConditionCode::Connected {
                        println!("          > {}", condition.code.remedy());
                    }
                }
                for interface in report.iter().flat_map(|r| &r.interfaces) {
                    println!(
                        "{:<10} {:<15} {}  {}  received {}  sent {}",
                        role_word(interface.role),
                        interface.name,
                        interface.mac,
                        if interface.link { "link" } else { "no link" },
                        interface.rx_frames,
                        interface.tx_frames
                    );
                }
                if let Some(report) = &report {
                    println!(
                        "devices {}, frames {}, lost {}",
                        report.devices, report.frames_captured, report.frames_dropped
                    );
                }
                if let Some(volume) = &data_volume {
                    println!("{}", volume.text());
                }
                if let Some(enrolment) = &identity {
                    println!(
                        "activated {} as {} at {}",
                        enrolment.activated, enrolment.sensor_name, enrolment.portal
                    );
                }
                if let Some(forgotten) = &forgotten {
                    println!("{}", forgotten.text());
                }
            }
        }
        let level = conditions.iter().map(|c| c.code.level()).max().unwrap_or(Level::Healthy);
        Ok(match level {
            Level::Healthy => 0,
            Level::Warning => 1,
            Level::Critical => 2,
        })
    }
}

fn with_words(condition: &Condition) -> serde_json::Value {
    json!({
        "code": condition.code,
        "level": condition.code.level(),
        "title": condition.code.title(),
        "detail": condition.detail,
        "remedy": condition.code.remedy(),
        "since": condition.since,
    })
}

fn conditions_levels(conditions: &[serde_json::Value]) -> Vec<String> {
    conditions.iter().filter_map(|c| c["level"].as_str().map(str::to_owned)).collect()
}

fn worst(levels: &[String]) -> &'static str {
    match () {
        () if levels.iter().any(|l| l == "critical") => "critical",
        () if levels.iter().any(|l| l == "warning") => "warning",
        () => "healthy",
    }
}
