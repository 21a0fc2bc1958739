//! `run`: the daemon.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use eyot_contract::{ConditionCode, HealthReport};
use sd_notify::NotifyState;
use tokio::sync::Notify;

use super::cost::Cost;
use crate::agent::{Agent, ROUND};
use crate::host::netlink::LinkNews;
use crate::host::{Host, Machine};
use crate::keeper::Keeper;
use crate::page::Page;
use crate::settings::chain;

/// News of one change come in several messages, and a driver that is reloaded takes its time.
const SETTLING: Duration = Duration::from_millis(300);
/// Pause after a failure to hear news.
const DEAF: Duration = Duration::from_secs(1);

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
    pub(super) fn run(self, host: Arc<Machine>) -> anyhow::Result<u8> {
        let stored = Arc::new(Notify::new());
        // until the settings have been read once, nobody knows
        let page_wanted = Arc::new(AtomicBool::new(false));
        if !self.once {
            serve_page(Arc::clone(&host), Arc::clone(&stored), Arc::clone(&page_wanted));
        }
        let host = &*host;
        super::block_on(async {
            let mut agent = Agent::new(host);
            agent.tell_page(page_wanted);
            let mut said = String::new();
            let mut was_connected = false;
            let keeper = agent.keeper();
            let mut news = LinkNews::open()?;
            loop {
                if !self.once && agent.stands_aside()? {
                    tokio::time::sleep(ROUND).await;
                    continue;
                }
                // the round waits for the portal; what happens to adapters meanwhile does not wait with it
                let report = {
                    let mut round = pin!(agent.round());
                    loop {
                        tokio::select! {
                            report = &mut round => break report?,
                            heard = news.next() => tend(host, &keeper, heard).await,
                        }
                    }
                };
                if !was_connected && report.conditions.iter().any(|c| c.code == ConditionCode::Connected) {
                    was_connected = true;
                    if let Some(cost) = Cost::so_far() {
                        tracing::info!("connected; {cost}");
                    }
                }
                let line = summary(&report);
                if line != said {
                    tracing::info!("{line}");
                    notify(&line);
                    said = line;
                }
                if self.once {
                    return Ok(0);
                }
                let mut pause = pin!(tokio::time::sleep(ROUND));
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        () = stored.notified() => break,
                        heard = news.next() => tend(host, &keeper, heard).await,
                    }
                }
            }
        })?
    }
}

/// Serves the local page on a thread of its own. An appliance without a page is still one, so what goes wrong is told and
/// no more.
fn serve_page(host: Arc<Machine>, stored: Arc<Notify>, wanted: Arc<AtomicBool>) {
    let serving = std::thread::Builder::new().name("page".to_owned()).spawn(move || {
        let served: anyhow::Result<()> = super::block_on(async {
            let page = Rc::new(Page::new(host, stored, wanted)?);
            tokio::task::LocalSet::new().run_until(page.run()).await;
            Ok(())
        })
        .and_then(|served| served);
        if let Err(error) = served {
            tracing::warn!("no local page: {error:#}");
        }
    });
    if let Err(error) = serving {
        tracing::warn!("no local page: {error}");
    }
}

/// Puts things right after news of adapters. What fails now is tried again, and told, by the next round.
async fn tend(host: &dyn Host, keeper: &RefCell<Keeper>, heard: std::io::Result<()>) {
    if let Err(error) = heard {
        tracing::debug!("news of adapters: {error}");
        tokio::time::sleep(DEAF).await;
    }
    tokio::time::sleep(SETTLING).await;
    if let Err(error) = keeper.borrow_mut().tend(host) {
        tracing::debug!("{}", chain(&error));
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
