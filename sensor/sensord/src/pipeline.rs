//! The stations and what joins them: ring threads, the queue, the thread that discovers.
//!
//! One thread for each ring reads frames and draws together what they say (`ring`); one thread takes that from all of
//! them into the inventory, identifies what changed, saves, and queues reports. Threads only; the async world begins at
//! the uplink.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Error};
use eyot_capture::live::{LiveOptions, LiveSource};
use eyot_capture::{Source, Stop};
use eyot_contract::{Refused, SensorStatus, Timestamp};
use eyot_inventory::{Inventory, Store, RETENTION};
use tokio::sync::{mpsc, Notify};

use crate::config::Config;
use crate::destinations;
use crate::queue::{queue, Drained, Drainer};
use crate::ring::Ring;
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

/// Pause between two messages about how the sensor is.
const HEALTH_EVERY: Duration = Duration::from_secs(300);
/// Shortest time between two reports of the same device where no portal says another.
const UPLOAD_INTERVAL: Duration = Duration::from_secs(60);

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
        let mut store = Store::open(&config.database)?;
        let others = destinations::names(config);
        store.set_destinations(config.portal.is_some(), &others)?;
        let mut inventory = store.load()?;
        inventory.set_local_networks(config.watched.policy.local.clone());
        let watch = Watch::start(&config.watched, &config.database, &store)?;
        tracing::info!(devices = inventory.len(), database = %config.database.display(), "inventory loaded");
        let mut sources = Vec::new();
        for (interface, name) in config.interfaces.iter().enumerate() {
            for number in 0..config.rings {
                let source = LiveSource::open(LiveOptions {
                    interface: name.clone(),
                    ring_bytes: config.ring_bytes,
                    filter: config.filter.clone(),
                    shared: config.rings > 1,
                })?;
                sources.push((interface, number, source));
            }
        }
        let stops = sources.iter().map(|(.., source)| source.stop_handle()).collect();
        let (filler, drainer) = queue(sources.len());
        let mut processors = config.processors.iter().copied().cycle();
        let mut capture = Vec::new();
        for (interface, number, source) in sources {
            let name = format!("ring-{number}-{}", source.interface());
            let processor = processors.next();
            let (filler, shared) = (filler.clone(), shared.clone());
            let ring = Ring { interface, number, processor, source, filler, shared };
            let failures = failures.clone();
            let thread = thread::Builder::new().name(name).spawn(move || {
                if let Err(error) = ring.run() {
                    // nobody listens any more only when the sensor is ending anyway
                    let _ = failures.send(error);
                }
            });
            capture.push(thread.context("cannot start a ring's thread")?);
        }
        // the queue ends when the last ring's thread does
        drop(filler);
        let beats = Arc::new(AtomicU64::new(0));
        let discovery = Discovery {
            inventory,
            watch,
            store,
            shared: shared.clone(),
            report_pause: match &config.portal {
                Some(portal) => Some(portal.upload_interval),
                None => (!others.is_empty()).then_some(UPLOAD_INTERVAL),
            },
            tells_others: !others.is_empty(),
            told_health: None,
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

/// The station where frames become devices.
struct Discovery {
    inventory: Inventory,
    watch: Watch,
    store: Store,
    shared: Shared,
    /// `None`: there is nobody to report to.
    report_pause: Option<Duration>,
    /// Whether there are destinations besides the portal.
    tells_others: bool,
    told_health: Option<Instant>,
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
                Drained::Batch(mut batch) => {
                    let watch = &mut self.watch;
                    self.inventory.take(&mut batch, |sighting, inventory| {
                        watch.frame(sighting.at, &sighting.summary, inventory);
                    });
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
        if self.tells_others && self.told_health.is_none_or(|at| at.elapsed() >= HEALTH_EVERY) {
            self.told_health = Some(Instant::now());
            let status = SensorStatus { at: now, ..self.shared.lock().clone() };
            if let Err(error) = self.store.queue_health(&status) {
                tracing::error!("{:#}", Error::from(error));
            }
        }
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
            // one may wait for the portal, one for each other destination
            self.reports.notify_waiters();
            self.reports.notify_one();
        }
    }
}
