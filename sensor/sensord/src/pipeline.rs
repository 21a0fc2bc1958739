//! The stations and what joins them: capture threads, the queue, the thread that discovers.
//!
//! One capture thread per interface copies frames into batches; one thread takes them through dissector and inventory,
//! identifies what changed, saves, and queues reports. Threads only; the async world begins at the uplink.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Error};
use eyot_capture::live::{LiveOptions, LiveSource};
use eyot_capture::{Pulled, Source, Stop};
use eyot_contract::{Refused, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::{Inventory, Store, RETENTION};
use tokio::sync::{mpsc, Notify};

use crate::config::Config;
use crate::queue::{queue, Drained, Drainer, Filler, BATCH_FRAMES};
use crate::status::Shared;
use crate::watch::Watch;

/// Pause between two rounds of identifying, saving what was learnt and queuing reports.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// Devices identified in one round; more wait for the next, so that a flood of new ones cannot hold up the frames.
const IDENTIFY_PER_ROUND: usize = 2_000;
/// Pause between two saves of mere counters and times.
const SAVE_ALL_EVERY: Duration = Duration::from_secs(60);
/// Pause between two searches for devices to forget.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// A device that is merely seen again is reported so often, in microseconds: a quarter of an hour.
const REFRESH: i64 = 15 * 60 * 1_000_000;
/// Pause between two looks at the kernel's counters.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The running pipeline.
pub struct Pipeline {
    stops: Vec<Stop>,
    capture: Vec<JoinHandle<()>>,
    discovery: JoinHandle<()>,
    beats: Arc<AtomicU64>,
}

impl Pipeline {
    /// Opens store and interfaces and starts the threads. Failures that end the sensor later come through `failures`;
    /// `reports` is notified when records were queued for the portal.
    ///
    /// # Errors
    /// When the store or an interface cannot be opened.
    pub fn start(
        config: &Config,
        shared: &Shared,
        failures: &mpsc::UnboundedSender<Error>,
        reports: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        let store = Store::open(&config.database)?;
        let mut inventory = store.load()?;
        inventory.set_local_networks(config.watched.policy.local.clone());
        let watch = Watch::start(&config.watched, &config.database, &store)?;
        tracing::info!(devices = inventory.len(), database = %config.database.display(), "inventory loaded");
        let mut sources = Vec::new();
        for interface in &config.interfaces {
            sources.push(LiveSource::open(LiveOptions {
                interface: interface.clone(),
                ring_bytes: config.ring_bytes,
                filter: config.filter.clone(),
            })?);
        }
        let stops = sources.iter().map(LiveSource::stop_handle).collect();
        let (filler, drainer) = queue();
        let mut capture = Vec::new();
        for (number, source) in sources.into_iter().enumerate() {
            let name = format!("capture-{}", source.interface());
            let station = Capture { number, source, filler: filler.clone(), shared: shared.clone() };
            let failures = failures.clone();
            let thread = thread::Builder::new().name(name).spawn(move || {
                if let Err(error) = station.run() {
                    // nobody listens any more only when the sensor is ending anyway
                    let _ = failures.send(error);
                }
            });
            capture.push(thread.context("cannot start a capture thread")?);
        }
        // the queue ends when the last capture thread does
        drop(filler);
        let beats = Arc::new(AtomicU64::new(0));
        let discovery = Discovery {
            inventory,
            watch,
            dissector: Dissector::new(Limits::default()),
            store,
            shared: shared.clone(),
            report_pause: config.portal.as_ref().map(|p| p.upload_interval),
            reports,
            beats: Arc::clone(&beats),
            tended: Instant::now(),
            saved_all: Instant::now(),
            forgot: None,
        };
        let discovery = thread::Builder::new()
            .name("discovery".to_owned())
            .spawn(move || discovery.run(&drainer))
            .context("cannot start the discovery thread")?;
        Ok(Self { stops, capture, discovery, beats })
    }

    /// A number that grows while the pipeline is alive.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Ends capturing, takes in what is queued, saves. False if a thread panicked.
    pub fn stop(self) -> bool {
        for stop in &self.stops {
            stop.stop();
        }
        let captured = self.capture.into_iter().all(|thread| thread.join().is_ok());
        self.discovery.join().is_ok() && captured
    }
}

/// One interface's station.
struct Capture {
    number: usize,
    source: LiveSource,
    filler: Filler,
    shared: Shared,
}

impl Capture {
    fn run(mut self) -> anyhow::Result<()> {
        let mut counted = Instant::now();
        let mut known_problem = None;
        self.publish(&mut known_problem);
        let Some(mut batch) = self.filler.empty() else { return Ok(()) };
        loop {
            let pulled = self.source.pull(BATCH_FRAMES, &mut |frame| batch.push(frame))?;
            if pulled == Pulled::Ended {
                break;
            }
            if !batch.is_empty() {
                if !self.filler.hand_on(batch) {
                    return Ok(());
                }
                batch = match self.filler.empty() {
                    Some(batch) => batch,
                    None => return Ok(()),
                };
            }
            if counted.elapsed() >= COUNT_EVERY {
                counted = Instant::now();
                self.publish(&mut known_problem);
            }
        }
        self.publish(&mut known_problem);
        if !batch.is_empty() {
            self.filler.hand_on(batch);
        }
        Ok(())
    }

    fn publish(&mut self, known_problem: &mut Option<String>) {
        let statistics = self.source.statistics();
        let problem = self.source.problem().map(str::to_owned);
        if problem != *known_problem {
            match &problem {
                Some(problem) => tracing::warn!("{problem}; waiting for it"),
                None => {
                    tracing::info!(interface = self.source.interface(), "interface is being watched again")
                }
            }
            known_problem.clone_from(&problem);
        }
        if let Some(interface) = self.shared.lock().interfaces.get_mut(self.number) {
            interface.frames = statistics.frames;
            interface.bytes = statistics.bytes;
            interface.kernel_received = statistics.kernel_received;
            interface.kernel_dropped = statistics.kernel_dropped;
            interface.interface_dropped = statistics.interface_dropped;
            interface.reopened = statistics.reopened;
            interface.problem = problem;
        }
    }
}

/// The station where frames become devices.
struct Discovery {
    inventory: Inventory,
    watch: Watch,
    dissector: Dissector,
    store: Store,
    shared: Shared,
    /// `None`: there is no portal to report to.
    report_pause: Option<Duration>,
    reports: Arc<Notify>,
    beats: Arc<AtomicU64>,
    tended: Instant,
    saved_all: Instant,
    forgot: Option<Instant>,
}

impl Discovery {
    fn run(mut self, drainer: &Drainer) {
        loop {
            match drainer.next(TEND_EVERY / 4) {
                Drained::Batch(batch) => {
                    for frame in batch.frames() {
                        let summary = self.inventory.frame(&mut self.dissector, &frame);
                        self.watch.frame(&frame, &summary, &self.inventory);
                    }
                    drainer.give_back(batch);
                }
                Drained::Nothing => {}
                Drained::Ended => break,
            }
            self.beats.fetch_add(1, Ordering::Relaxed);
            if self.tended.elapsed() >= TEND_EVERY {
                self.tend();
                self.tended = Instant::now();
            }
        }
        self.inventory.identify(usize::MAX);
        self.save(true);
    }

    fn tend(&mut self) {
        let now = Timestamp::now();
        self.inventory.identify(IDENTIFY_PER_ROUND);
        self.watch.tend(&self.inventory, now);
        if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.forgot = Some(Instant::now());
            let gone = self.inventory.forget_quiet(Timestamp(now.0.saturating_sub(RETENTION)));
            self.watch.forget_quiet(now);
            if gone > 0 {
                tracing::info!(devices = gone, "forgot devices not seen for 90 days");
            }
        }
        let everything = self.saved_all.elapsed() >= SAVE_ALL_EVERY;
        if everything {
            self.saved_all = Instant::now();
        }
        self.save(everything);
        let counters = self.inventory.counters();
        let found = self.watch.counters();
        let mut status = self.shared.lock();
        status.devices = self.inventory.len() as u64;
        status.devices_present = self.inventory.present(now) as u64;
        status.findings = found.kept;
        status.indicators = found.indicators;
        status.refused = Refused {
            devices: counters.devices_refused,
            facts: counters.facts_refused + counters.fact_bytes_refused,
            addresses: counters.addresses_refused,
            findings: found.refused,
        };
    }

    fn save(&mut self, everything: bool) {
        let now = Timestamp::now();
        let due = match self.report_pause {
            Some(pause) => {
                let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
                self.inventory.due(now, pause, REFRESH)
            }
            None => Vec::new(),
        };
        let mut queued = !due.is_empty();
        let saved = self
            .store
            .save(&mut self.inventory, everything, &due, now)
            .and_then(|()| self.watch.save(&mut self.store, self.report_pause.is_some(), now))
            .and_then(|more| {
                queued |= more;
                self.store.follow_decisions(&mut self.inventory)
            });
        let error = match saved {
            Ok(()) => None,
            // what could not be saved stays marked, and the next round tries again
            Err(error) => Some(format!("{:#}", Error::from(error))),
        };
        let mut status = self.shared.lock();
        if status.last_error != error {
            match &error {
                Some(error) => tracing::error!("{error}; trying again"),
                None => tracing::info!("the inventory can be saved again"),
            }
            status.last_error = error;
        } else if error.is_none() && queued {
            self.reports.notify_one();
        }
    }
}
