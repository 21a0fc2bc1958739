//! `run`: the daemon.

use eyot_contract::HealthReport;
use sd_notify::NotifyState;

use crate::agent::{Agent, ROUND};
use crate::host::Host;

/// Run as the appliance's agent: apply the settings, activate, keep the sensor running, report health
///
/// Started by eyot-appliance.service. Logs to standard error.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  systemctl status eyot-appliance")]
pub(super) struct Arguments {
    /// Stop after one round: apply, try to activate, report
    #[arg(long)]
    once: bool,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        super::block_on(async {
            let mut agent = Agent::new(host);
            let mut said = String::new();
            loop {
                if !self.once && agent.stands_aside()? {
                    tokio::time::sleep(ROUND).await;
                    continue;
                }
                let report = agent.round().await?;
                let line = summary(&report);
                if line != said {
                    tracing::info!("{line}");
                    notify(&line);
                    said = line;
                }
                if self.once {
                    return Ok(0);
                }
                tokio::time::sleep(ROUND).await;
            }
        })?
    }
}

fn summary(report: &HealthReport) -> String {
    let words = report.conditions.iter().map(|c| format!("{} ({})", c.code.title(), c.detail));
    words.collect::<Vec<_>>().join(" | ")
}

/// Tells the service manager. Without one there is nobody to tell.
fn notify(line: &str) {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(line)]) {
        tracing::debug!("service manager not notified: {error}");
    }
}
