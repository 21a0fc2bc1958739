//! `run`: the service. Ready when every interface that is there is being read; ends cleanly on SIGTERM or SIGINT.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, Context};
use sd_notify::NotifyState;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::{mpsc, Notify};
use tokio::time::{interval, MissedTickBehavior};
use tracing_subscriber::EnvFilter;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::destinations::Destinations;
use crate::pipeline::Pipeline;
use crate::status::{Shared, WRITE_EVERY_SECONDS};
use crate::uplink::Uplink;

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
    tracing::info!(?config, version = env!("CARGO_PKG_VERSION"), "starting");

    let shared = Shared::new(&config.interfaces);
    let (failures, mut failed) = mpsc::unbounded_channel();
    let reports = Arc::new(Notify::new());
    let pipeline = Pipeline::start(&config, &shared, &failures, Arc::clone(&reports))?;
    let uplink = match config.portal.clone() {
        Some(portal) => {
            Some(Uplink::start(portal, config.database.clone(), shared.clone(), Arc::clone(&reports))?)
        }
        None => None,
    };
    let destinations = Destinations::start(&config, &shared, &reports)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let failure = runtime.block_on(watch(&config, &shared, &pipeline, &mut failed))?;

    tell(&[NotifyState::Stopping]);
    let sound = pipeline.stop();
    let sound = uplink.is_none_or(Uplink::stop) && sound;
    let sound = destinations.stop() && sound;
    if let Err(error) = shared.write(&config.status) {
        tracing::warn!("{}: cannot be written: {error}", config.status.display());
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if !sound {
        bail!("a thread of the sensor panicked; the log above says where");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Writes the status, pets the watchdog, waits for a signal (`None`) or a failure.
async fn watch(
    config: &Config,
    shared: &Shared,
    pipeline: &Pipeline,
    failed: &mut mpsc::UnboundedReceiver<anyhow::Error>,
) -> anyhow::Result<Option<anyhow::Error>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
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
            _ = terminate.recv() => return Ok(None),
            _ = interrupt.recv() => return Ok(None),
            Some(error) = failed.recv() => return Ok(Some(error)),
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
