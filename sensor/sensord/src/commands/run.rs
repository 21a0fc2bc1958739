//! `run`: the service. Ready when every interface that is there is being read; ends cleanly on SIGTERM or SIGINT, and begins
//! again by itself when the portal or the owner's device twin wants other settings.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, Context};
use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::{mpsc, Notify};
use tokio::time::{interval, MissedTickBehavior};
use tracing_subscriber::EnvFilter;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::destinations::Destinations;
use crate::pipeline::Pipeline;
use crate::remote::Remote;
use crate::status::{Shared, WRITE_EVERY_SECONDS};
use crate::twin::{Told, Twin};
use crate::uplink::Uplink;
use crate::wishes::Wishes;

/// Runs until told to stop, or until something fails that waiting cannot mend.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    if args.check {
        println!("{config:#?}");
        return Ok(ExitCode::SUCCESS);
    }
    let filter = EnvFilter::try_from_env("EYOT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // the journal adds the time
    tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    // read anew for each round: the file may have changed as well
    while !round(Config::read(&args.config)?, &runtime, &mut signals)? {}
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// One round with unchanged settings. False when another one is wanted.
fn round(base: Config, runtime: &Runtime, signals: &mut Signals) -> anyhow::Result<bool> {
    let remote = Remote::read(&base.database);
    let mut settled = remote.over(base.clone());
    let follows = base.azure.as_ref().and_then(|a| a.hub.as_ref()).is_some_and(|hub| hub.twin.is_some());
    let wishes = if follows { Wishes::read(&base.database) } else { Wishes::default() };
    let mut laid = wishes.over(settled.config.clone());
    settled.yield_to_twin(&remote, &laid.fulfilled());
    tracing::info!(config = ?laid.config, version = env!("CARGO_PKG_VERSION"), "starting");

    let shared = Shared::new(&laid.config.interfaces);
    let (failures, mut failed) = mpsc::unbounded_channel();
    let reports = Arc::new(Notify::new());
    let again = Arc::new(Notify::new());
    let pipeline = match Pipeline::start(&laid.config, &shared, &failures, Arc::clone(&reports)) {
        // it is a filter, and may not be one for this interface's kind of link
        Err(error) if remote.sets("filter") && !settled.refuses("filter") => {
            settled.config.filter.clone_from(&base.filter);
            laid = wishes.over(settled.config.clone());
            let pipeline = Pipeline::start(&laid.config, &shared, &failures, Arc::clone(&reports))?;
            settled.refuse("filter", &format!("{error:#}"));
            pipeline
        }
        started => started?,
    };
    let config = &laid.config;
    let uplink = match config.portal.clone() {
        Some(portal) => {
            let (database, shared, reports) = (config.database.clone(), shared.clone(), Arc::clone(&reports));
            Some(Uplink::start(portal, database, shared, reports, &settled, Arc::clone(&again))?)
        }
        None => None,
    };
    let (plan, planned) = tokio::sync::watch::channel(laid.plan.clone());
    let destinations = Destinations::start(config, &shared, &reports, &planned)?;
    let told = Told { plan, reports, again: Arc::clone(&again) };
    let twin = Twin::start(&settled.config, wishes, &laid, &shared, told)?;
    let ended = runtime.block_on(async {
        tokio::select! {
            () = signals.any() => Ended::Stopped,
            Some(error) = failed.recv() => Ended::Failed(error),
            () = again.notified() => Ended::Again,
            never = watch(config, &shared, &pipeline) => match never {},
        }
    });

    if !matches!(ended, Ended::Again) {
        tell(&[NotifyState::Stopping]);
    }
    let sound = pipeline.stop();
    let sound = uplink.is_none_or(Uplink::stop) && sound;
    let sound = destinations.stop() && sound;
    let sound = twin.is_none_or(Twin::stop) && sound;
    if let Err(error) = shared.write(&config.status) {
        tracing::warn!("{}: cannot be written: {error}", config.status.display());
    }
    if let Ended::Failed(failure) = ended {
        return Err(failure);
    }
    if !sound {
        bail!("a thread of the sensor panicked; the log above says where");
    }
    Ok(!matches!(ended, Ended::Again))
}

/// What asks the service to end. Made once: a signal between two rounds must not be missed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Why a round is over.
enum Ended {
    /// A signal.
    Stopped,
    /// Other settings are wished.
    Again,
    /// Something that waiting cannot mend.
    Failed(anyhow::Error),
}

/// Writes the status and pets the watchdog, for as long as the round takes.
async fn watch(config: &Config, shared: &Shared, pipeline: &Pipeline) -> Infallible {
    let mut status = interval(Duration::from_secs(WRITE_EVERY_SECONDS));
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watchdog = sd_notify::watchdog_enabled();
    // systemd asks for a sign at twice the rate at which it gives up
    let mut pet = interval(watchdog.unwrap_or(Duration::from_secs(3_600)) / 2);
    let mut beats = None;
    let mut complained = false;
    tell(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = status.tick() => {
                let written = shared.write(&config.status);
                if let Err(error) = &written {
                    if !complained {
                        tracing::warn!("{}: cannot be written: {error}", config.status.display());
                    }
                }
                complained = written.is_err();
            }
            _ = pet.tick() => {
                // a discovery thread that hangs must not be covered up by this one
                let now = pipeline.beats();
                if watchdog.is_some() && beats != Some(now) {
                    tell(&[NotifyState::Watchdog]);
                }
                beats = Some(now);
            }
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot notify systemd: {error}");
    }
}
