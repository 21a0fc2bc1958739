//! Reports to destinations besides the portal: the owner's Azure, and bundles that somebody carries.
//!
//! Each has a thread, a place in the store and pauses of its own, so that none waits for another. A batch stays on disk
//! until its destination has all of it. Keys are read when reporting starts and again after a failure that somebody has
//! to mend.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use eyot_contract::{ConditionCode, SpoolStatus, Timestamp, UploadState, MAX_BATCH_DEVICES};
use eyot_inventory::Outbox;
use eyot_uplink::azure::dps::Registration;
use eyot_uplink::azure::event_hub::EventHub;
use eyot_uplink::azure::reporter::{EventReporter, HubReporter};
use eyot_uplink::azure::sas::SharedKey;
use eyot_uplink::bundle::BundleFolder;
use eyot_uplink::destination::{Batch, Destination, Trouble};
use eyot_uplink::pause::Pause;
use tokio::sync::{watch, Notify};

use crate::config::{read, Azure, AzureHub, Bundles, Config, Enrolment};
use crate::https::{chain, Https};
use crate::snapshots::{Plan, Snapshots};
use crate::status::Shared;

/// What the store and the status call each.
pub const IOT_HUB: &str = "azure_iot_hub";
pub const EVENT_HUB: &str = "azure_event_hub";
pub const BUNDLES: &str = "bundles";
/// How often a queue is looked at when nobody says that there is something in it.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Pause while somebody has to do something.
const OPERATOR_PAUSE: Duration = Duration::from_secs(300);

/// The names of the configured destinations, as the store and the status know them.
pub fn names(config: &Config) -> Vec<&'static str> {
    kinds(config).iter().map(Kind::name).collect()
}

fn kinds(config: &Config) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if let Some(azure) = &config.azure {
        if let Some(hub) = &azure.hub {
            kinds.push(Kind::Hub(azure.clone(), hub.clone()));
        }
        if let Some(file) = &azure.event_hub_file {
            kinds.push(Kind::Event(azure.clone(), file.clone()));
        }
    }
    kinds.extend(config.bundles.clone().map(Kind::Bundles));
    kinds
}

/// The running senders.
pub struct Destinations {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Destinations {
    /// Starts a sender for each configured destination.
    ///
    /// # Errors
    /// When the store cannot be opened, or a thread not be started.
    pub fn start(
        config: &Config,
        shared: &Shared,
        reports: &Arc<Notify>,
        plan: &watch::Receiver<Plan>,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut threads = Vec::new();
        for kind in kinds(config) {
            let name = kind.name();
            let outbox = Outbox::open(&config.database, name)?;
            shared.destination(name, |status| status.upload.state = UploadState::Connected);
            let snapshots = match &kind {
                Kind::Hub(azure, _) => {
                    Some(Snapshots::new(&config.database, &azure.sensor, plan.clone(), shared))
                }
                _ => None,
            };
            let sender = Sender {
                kind,
                snapshots,
                outbox,
                shared: shared.clone(),
                reports: Arc::clone(reports),
                stopped: stopped.clone(),
                reporter: None,
                pause: Pause::default(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .with_context(|| format!("cannot start the runtime of {name}"))?;
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || runtime.block_on(sender.run()))
                .with_context(|| format!("cannot start the thread of {name}"))?;
            threads.push(thread);
        }
        Ok(Self { stop, threads })
    }

    /// Ends them; what has not arrived stays on disk. False if a thread panicked.
    pub fn stop(self) -> bool {
        self.stop.send_replace(true);
        // every thread is waited for, also after one that panicked
        self.threads.into_iter().filter_map(|thread| thread.join().err()).count() == 0
    }
}

enum Kind {
    Hub(Azure, AzureHub),
    Event(Azure, PathBuf),
    Bundles(Bundles),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Hub(..) => IOT_HUB,
            Self::Event(..) => EVENT_HUB,
            Self::Bundles(..) => BUNDLES,
        }
    }

    fn reporter(&self) -> anyhow::Result<Reporter> {
        Ok(match self {
            Self::Hub(azure, hub) => Reporter::Hub(Box::new(hub_reporter(azure, hub)?.0)),
            Self::Event(azure, file) => {
                let hub = EventHub::from_connection_string(&read("azure.event_hub_file", file)?)?;
                Reporter::Event(Box::new(EventReporter::new(Https::new(azure)?, hub, &azure.sensor)))
            }
            Self::Bundles(bundles) => {
                let key = read("bundles.key_file", &bundles.key_file)?;
                let certificate = read("bundles.certificate_file", &bundles.certificate_file)?;
                let name =
                    fs::read_to_string("/proc/sys/kernel/hostname").context("cannot read the host name")?;
                Reporter::Bundles(Box::new(BundleFolder::new(
                    &bundles.folder,
                    name.trim(),
                    &key,
                    certificate,
                )?))
            }
        })
    }
}

/// A reporter to the hub of this registration, and the device's own key.
pub fn hub_reporter(azure: &Azure, hub: &AzureHub) -> anyhow::Result<(HubReporter<Https>, SharedKey)> {
    let key = SharedKey::from_base64(&read("azure.key_file", &hub.key_file)?).context("azure.key")?;
    let key = match hub.enrolment {
        Enrolment::Individual => key,
        Enrolment::Group => key.derive(&hub.registration_id),
    };
    let registration =
        Registration::new(&hub.provisioning_host, &hub.id_scope, &hub.registration_id, key.clone())?;
    Ok((HubReporter::new(Https::new(azure)?, registration, key.clone(), &azure.sensor), key))
}

enum Reporter {
    Hub(Box<HubReporter<Https>>),
    Event(Box<EventReporter<Https>>),
    Bundles(Box<BundleFolder>),
}

impl Reporter {
    async fn deliver(&mut self, batch: &Batch, now: Timestamp) -> Result<(), Trouble> {
        match self {
            Self::Hub(hub) => hub.deliver(batch, now).await,
            Self::Event(hub) => hub.deliver(batch, now).await,
            Self::Bundles(folder) => folder.deliver(batch, now).await,
        }
    }
}

struct Sender {
    kind: Kind,
    snapshots: Option<Snapshots>,
    outbox: Outbox,
    shared: Shared,
    reports: Arc<Notify>,
    stopped: watch::Receiver<bool>,
    reporter: Option<Reporter>,
    pause: Pause,
}

impl Sender {
    async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        loop {
            let (pause, wakes) = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                step = self.step() => step,
            };
            // messages first, then files; a file that is not taken holds up no message
            if let (Some(Reporter::Hub(hub)), Some(snapshots)) = (&mut self.reporter, &mut self.snapshots) {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return,
                    () = snapshots.tend(hub) => {}
                }
            }
            self.publish();
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
                () = self.reports.notified(), if wakes => {}
            }
        }
    }

    /// Sends one batch, if there is one. How long to wait then, and whether new records cut that short.
    async fn step(&mut self) -> (Duration, bool) {
        match self.send().await {
            Ok(true) => (Duration::ZERO, false),
            Ok(false) => (LOOK_EVERY, true),
            Err(trouble) => (self.failed(&trouble), false),
        }
    }

    async fn send(&mut self) -> Result<bool, Trouble> {
        let now = Timestamp::now();
        let here = |error: &dyn std::error::Error| Trouble::Later { after: None, message: chain(error) };
        let Some(outgoing) = self.outbox.next(MAX_BATCH_DEVICES, now).map_err(|e| here(&e))? else {
            return Ok(false);
        };
        let records = outgoing.records.len() as u64;
        let batch = Batch {
            epoch: self.outbox.epoch(),
            sequence: outgoing.sequence,
            sent: outgoing.sent,
            records: outgoing.records,
        };
        let reporter = match &mut self.reporter {
            Some(reporter) => reporter,
            none => none.insert(
                self.kind.reporter().map_err(|error| Trouble::Operator { message: format!("{error:#}") })?,
            ),
        };
        // a batch of which every record was given up is done
        if records > 0 {
            match reporter.deliver(&batch, now).await {
                Err(Trouble::Record { at, message }) => {
                    tracing::error!(
                        "{} does not take a record, which was dropped: {message}",
                        self.kind.name()
                    );
                    self.outbox.give_up(at).map_err(|e| here(&e))?;
                    return Ok(true);
                }
                other => other?,
            }
        }
        self.outbox.acknowledge().map_err(|e| here(&e))?;
        self.pause.reset();
        self.shared.delivered(self.kind.name(), records);
        Ok(true)
    }

    fn failed(&mut self, trouble: &Trouble) -> Duration {
        let name = self.kind.name();
        let (pause, state, condition) = match trouble {
            Trouble::Later { after, .. } => {
                (self.pause.after_failure(*after), UploadState::Retrying, ConditionCode::Disconnected)
            }
            Trouble::Operator { .. } | Trouble::Record { .. } => {
                self.reporter = None;
                let pause = OPERATOR_PAUSE.mul_f64(0.5 + fastrand::f64());
                (pause, UploadState::NotEnrolled, ConditionCode::SanityFailed)
            }
        };
        let complaint = format!("cannot report to {name}");
        self.shared.failing(name, &complaint, state, condition, trouble.to_string());
        pause
    }

    fn publish(&self) {
        let Ok(state) = self.outbox.state() else { return };
        self.shared.destination(self.kind.name(), |status| {
            status.spool = SpoolStatus {
                waiting: state.waiting,
                in_flight: state.in_flight,
                dropped: state.dropped,
                oldest: state.oldest,
            };
        });
    }
}
