//! Reports to the portal: takes batches out of the spool, sends them until they are acknowledged.
//!
//! A batch is on disk before it is sent and stays there until the portal has it on its own. Failures are repeated with
//! growing, jittered pauses. A batch that the portal finds too large, or cannot read, is taken apart into smaller ones
//! until what it chokes on stands alone. Once an hour the portal is asked for its threat list, every minute for the settings
//! that it wants; other ones end the round of `run`.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use eyot_client::{Client, ClientError, Trust, DEFAULT_TIMEOUT};
use eyot_contract::{
    path, BatchAcknowledged, ConditionCode, DeviceBatch, RefusalCode, SpoolStatus, Timestamp, UploadError,
    UploadState, MAX_BATCH_DEVICES,
};
use eyot_inventory::{Spool, StoreError};
use tokio::sync::{watch, Notify};

use crate::config::{read, ConfigError, Portal};
use crate::https::chain;
use crate::portal_threats::PortalThreats;
use crate::remote::{Settings, Settled};
use crate::status::Shared;

/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Pause between two looks at the portal's threat list.
const THREATS_EVERY: Duration = Duration::from_secs(3_600);
/// How long a request may take on a line that is held to a bandwidth.
const SLOW_REQUEST: Duration = Duration::from_secs(120);
/// What a record has in JSON, in bytes, most of them less.
const RECORD_BYTES: u64 = 2_048;
/// Seconds that a batch may take on such a line.
const BATCH_SECONDS: u64 = 10;
/// How often the spool is looked at when nobody says that there is something in it.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The running uplink.
pub struct Uplink {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Uplink {
    /// Starts reporting what is in the spool of `database`. `again` is notified when the portal wants other settings than
    /// the `settled` ones.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn start(
        portal: Portal,
        database: PathBuf,
        shared: Shared,
        reports: Arc<Notify>,
        settled: &Settled,
        again: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        let most = most_records(portal.bandwidth_kbps);
        let settings = Settings::new(settled, portal.settings_interval);
        let spool = Spool::open(&database)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the uplink's runtime")?;
        let (stop, stopped) = watch::channel(false);
        shared.lock().upload.state = UploadState::Connected;
        let sender = Sender {
            portal,
            spool,
            shared,
            reports,
            stopped,
            client: None,
            pause: FIRST_PAUSE,
            most,
            limit: most,
            threats: PortalThreats::beside(&database),
            asked_for_threats: None,
            settings,
            again,
        };
        let thread = thread::Builder::new()
            .name("uplink".to_owned())
            .spawn(move || runtime.block_on(sender.run()))
            .context("cannot start the uplink's thread")?;
        Ok(Self { stop, thread })
    }

    /// Ends it; what is not acknowledged stays on disk. False if its thread panicked.
    pub fn stop(self) -> bool {
        self.stop.send_replace(true);
        self.thread.join().is_ok()
    }
}

struct Sender {
    portal: Portal,
    spool: Spool,
    shared: Shared,
    reports: Arc<Notify>,
    stopped: watch::Receiver<bool>,
    /// Kept while it works; after a failure the certificate may have been renewed.
    client: Option<Client>,
    pause: Duration,
    /// Most records in a batch.
    most: usize,
    limit: usize,
    threats: PortalThreats,
    asked_for_threats: Option<Instant>,
    settings: Settings,
    /// Asks for a new round with other settings.
    again: Arc<Notify>,
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Material(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the portal acknowledged batch {got} instead of {sent}; appliance and portal may be of different versions")]
    Acknowledgement { sent: u64, got: u64 },
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Send it again later.
    Again,
    /// Send it in smaller pieces.
    Smaller,
    /// Somebody must activate this sensor again.
    Activate,
}

impl Sender {
    async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        loop {
            let wait = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                wait = self.step() => wait,
            };
            if self.settings.due_in().is_zero() {
                let others = tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return,
                    others = self.ask_for_settings() => others,
                };
                if others {
                    tracing::info!("the portal wants other settings; the capture begins anew with them");
                    self.again.notify_one();
                    let _ = stopped.wait_for(|stop| *stop).await;
                    return;
                }
            }
            // only while the portal can be reached, which the step before has found out
            if self.client.is_some() && self.asked_for_threats.is_none_or(|at| at.elapsed() >= THREATS_EVERY)
            {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return,
                    () = self.ask_for_threats() => {}
                }
            }
            self.publish();
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(self.pause_for(&wait)) => {}
                () = self.reports.notified(), if wait.wakes => {}
            }
        }
    }

    /// Questions do not come late because there is nothing to send; after a failure they wait like everything else.
    fn pause_for(&self, wait: &Wait) -> Duration {
        match wait.wakes {
            true => wait.pause.min(self.settings.due_in()),
            false => wait.pause,
        }
    }

    /// Whether there are other settings now. A failure is said once a question.
    async fn ask_for_settings(&mut self) -> bool {
        self.settings.note();
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match self.connect() {
                Ok(client) => client,
                Err(error) => {
                    tracing::warn!("the portal cannot be asked for settings: {}", chain(&error));
                    return false;
                }
            },
        };
        match self.settings.ask(&client).await {
            Ok(others) => {
                self.client = Some(client);
                others
            }
            Err(error) => {
                self.client = None;
                tracing::warn!("the portal's settings cannot be had: {}", chain(&error));
                false
            }
        }
    }

    /// Sends one batch, if there is one; how long to wait before the next step.
    async fn step(&mut self) -> Wait {
        let batch = match self.spool.next(self.limit, Timestamp::now()) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Wait { pause: LOOK_EVERY, wakes: true },
            Err(error) => return self.failed(&error.into()),
        };
        match self.send(&batch).await {
            Ok(()) => {
                self.pause = FIRST_PAUSE;
                self.limit = (self.limit * 2).min(self.most);
                let mut status = self.shared.lock();
                status.upload.state = UploadState::Connected;
                status.upload.last_success = Some(Timestamp::now());
                status.upload.last_error = None;
                status.upload.batches += 1;
                status.upload.records += (batch.devices.len() + batch.findings.len()) as u64;
                Wait { pause: Duration::ZERO, wakes: false }
            }
            Err(error) => {
                if error.remedy() == Remedy::Smaller {
                    self.limit = (batch.devices.len().max(batch.findings.len()) / 2).max(1);
                    match self.spool.give_back() {
                        Ok(0) => {}
                        Ok(_) => tracing::error!(
                            what = batch.devices.first().map_or_else(
                                || batch.findings.first().map(|f| f.id.clone()).unwrap_or_default(),
                                |device| device.mac.to_string()
                            ),
                            "the portal does not take this record; it was dropped"
                        ),
                        Err(error) => return self.failed(&error.into()),
                    }
                }
                self.failed(&error)
            }
        }
    }

    /// A failure is said once; the list that there is stays, and the next hour tries again.
    async fn ask_for_threats(&mut self) {
        self.asked_for_threats = Some(Instant::now());
        let Some(client) = self.client.clone() else { return };
        match self.threats.renew(&client).await {
            Ok(true) => tracing::info!("the portal's threat list was renewed"),
            Ok(false) => {}
            Err(error) => tracing::warn!("the portal's threat list cannot be renewed: {}", chain(&error)),
        }
    }

    async fn send(&mut self, batch: &DeviceBatch) -> Result<(), SendError> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.connect()?,
        };
        let answer: BatchAcknowledged = client.post_json(path::DEVICES, batch).await?;
        if (answer.epoch, answer.sequence) != (batch.epoch, batch.sequence) {
            return Err(SendError::Acknowledgement { sent: batch.sequence, got: answer.sequence });
        }
        self.spool.acknowledge(batch.sequence)?;
        self.client = Some(client);
        Ok(())
    }

    fn connect(&self) -> Result<Client, SendError> {
        let portal = &self.portal;
        let extra = portal.extra_ca_file.as_deref().map(|f| read("portal.extra_ca_file", f)).transpose()?;
        Ok(Client::builder(&portal.url)
            .trust(Trust::CaPem(read("portal.ca_file", &portal.ca_file)?))
            .extra_ca(extra)
            .identity(
                read("portal.certificate_file", &portal.certificate_file)?,
                read("portal.key_file", &portal.key_file)?,
            )
            .proxy(portal.proxy.clone())
            .pace(portal.bandwidth_kbps.map(|kbps| u64::from(kbps) * 1_000))
            .timeout(portal.bandwidth_kbps.map_or(DEFAULT_TIMEOUT, |_| SLOW_REQUEST))
            .build()?)
    }

    fn failed(&mut self, error: &SendError) -> Wait {
        self.client = None;
        let remedy = error.remedy();
        let pause = match remedy {
            Remedy::Again => self.pause,
            Remedy::Smaller => FIRST_PAUSE,
            Remedy::Activate => LONGEST_PAUSE,
        };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let message = chain(error);
        let mut status = self.shared.lock();
        let known = status.upload.last_error.as_ref().is_some_and(|e| e.message == message);
        if !known {
            tracing::warn!("cannot report to the portal: {message}");
        }
        status.upload.state =
            if remedy == Remedy::Activate { UploadState::NotEnrolled } else { UploadState::Retrying };
        status.upload.last_error =
            Some(UploadError { at: Timestamp::now(), message, condition: error.condition() });
        // half to one and a half of it, so that the sensors of a site do not come back all at once
        Wait { pause: pause.mul_f64(0.5 + fastrand::f64()), wakes: false }
    }

    fn publish(&self) {
        let Ok(state) = self.spool.state() else { return };
        self.shared.lock().spool = SpoolStatus {
            waiting: state.waiting,
            in_flight: state.in_flight,
            dropped: state.dropped,
            oldest: state.oldest,
        };
    }
}

/// As many as go through a line of this bandwidth in a few seconds.
fn most_records(kbps: Option<u32>) -> usize {
    let Some(kbps) = kbps else { return MAX_BATCH_DEVICES };
    let bytes = u64::from(kbps) * 1_000 / 8 * BATCH_SECONDS;
    usize::try_from(bytes / RECORD_BYTES).unwrap_or(MAX_BATCH_DEVICES).clamp(1, MAX_BATCH_DEVICES)
}

/// A pause, which new records may cut short.
struct Wait {
    pause: Duration,
    wakes: bool,
}

impl SendError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Client(ClientError::Status { status: 413, .. }) => Remedy::Smaller,
            Self::Client(
                ClientError::Status { status: 401 | 403, .. } | ClientError::IdentityRefused { .. },
            ) => Remedy::Activate,
            Self::Client(ClientError::Refused(refusal)) => match refusal.code {
                RefusalCode::BadRequest => Remedy::Smaller,
                RefusalCode::NotEnrolled | RefusalCode::SensorDeleted => Remedy::Activate,
                _ => Remedy::Again,
            },
            _ => Remedy::Again,
        }
    }

    fn condition(&self) -> ConditionCode {
        match self {
            _ if self.remedy() == Remedy::Activate => ConditionCode::ActivationRefused,
            Self::Client(error) => error.condition(),
            Self::Material(_) | Self::Store(_) => ConditionCode::SanityFailed,
            Self::Acknowledgement { .. } => ConditionCode::Unsupported,
        }
    }
}
