//! Outlets: destinations that are told what changed, at least once and in order.
//!
//! Each destination has a task of its own that claims it, reads the events after its cursor, tells them and moves the
//! cursor when the other side has acknowledged. What fails is tried again with growing pauses; nothing is skipped, and
//! one destination holds up no other. Destinations come from the configuration file only, which its owner alone can
//! write, so that nobody who merely signs in can make the portal speak to an address of their choice.

mod email;
mod kafka;
mod nats;
mod syslog;
mod tls;
mod webhook;
mod written;

use std::path::Path;
use std::time::Duration;

use eyot_contract::Timestamp;

use crate::store::{Store, StoreError, ToldEvent as Event};

pub use written::{Destination, What, Written};

/// Events told in one go.
const BATCH: i64 = 500;
/// Pause when there is nothing to tell.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause when another portal has the destination.
const OTHERS: Duration = Duration::from_secs(10);
/// Longest time one go may take.
const DELIVERY: Duration = Duration::from_secs(30);
/// How long a claim holds, in µs: longer than one go.
const CLAIM: i64 = 60 * 1_000_000;
/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How often told events are removed.
const SWEEP: Duration = Duration::from_secs(60);
/// Longest reason kept, in characters.
const MAX_REASON: usize = 500;

/// What became of an attempt.
pub(crate) struct Told {
    /// How many of the events were acknowledged, from the first on.
    pub acknowledged: usize,
    /// Why not all.
    pub failure: Option<String>,
}

impl Told {
    fn all(events: &[Event]) -> Self {
        Self { acknowledged: events.len(), failure: None }
    }

    fn short(acknowledged: usize, why: impl ToString) -> Self {
        Self { acknowledged, failure: Some(why.to_string()) }
    }
}

/// A connection that is kept, or made when it is needed.
enum Speaker {
    Webhook(webhook::Speaker),
    Syslog(syslog::Speaker),
    Email(Box<email::Speaker>),
    Nats(Box<nats::Speaker>),
    Kafka(Box<kafka::Speaker>),
}

impl Speaker {
    async fn tell(&mut self, events: &[Event]) -> Told {
        match self {
            Self::Webhook(speaker) => speaker.tell(events).await,
            Self::Syslog(speaker) => speaker.tell(events).await,
            Self::Email(speaker) => speaker.tell(events).await,
            Self::Nats(speaker) => speaker.tell(events).await,
            Self::Kafka(speaker) => speaker.tell(events).await,
        }
    }
}

/// The running outlets. Dropping it ends them; what was not acknowledged is told again by whoever comes next.
pub struct Outlets {
    _tasks: tokio::task::JoinSet<()>,
}

impl Outlets {
    /// Makes these the portal's destinations and begins to tell them. Where the database is not there at this moment, that is
    /// tried again beside everything else.
    pub async fn start(store: &Store, folder: &Path, destinations: Vec<Destination>) -> Self {
        let names: Vec<_> = destinations.iter().map(|d| d.name.clone()).collect();
        // before the portal answers: what is reported from the first moment on has to be told
        let first = store.set_outlets(&names).await;
        let (store, holder) = (store.clone(), holder(folder));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut set = first;
            while let Err(error) = set {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "nobody is told what changes; this is tried again"
                );
                tokio::time::sleep(OTHERS).await;
                set = store.set_outlets(&names).await;
            }
            let mut all = tokio::task::JoinSet::new();
            for destination in destinations {
                all.spawn(tell_on(store.clone(), destination, holder.clone()));
            }
            all.spawn(sweep(store));
            all.join_all().await;
        });
        Self { _tasks: tasks }
    }
}

async fn sweep(store: Store) {
    loop {
        if let Err(error) = store.forget_events(Timestamp::now()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "told events could not be removed");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// The same before and after a restart, so that a portal need not wait for its own claims to end.
fn holder(folder: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    format!("{}:{}", host.trim(), folder.display())
}

async fn tell_on(store: Store, destination: Destination, holder: String) {
    let Destination { name, what, way } = destination;
    let mut speaker = way.speaker();
    let mut pause = FIRST_PAUSE;
    loop {
        let wait = match tell_some(&store, &name, what, &mut speaker, &holder).await {
            Ok(Progress::More) => {
                pause = FIRST_PAUSE;
                continue;
            }
            Ok(Progress::Nothing) => {
                pause = FIRST_PAUSE;
                PAUSE
            }
            Ok(Progress::Others) => OTHERS,
            Ok(Progress::Failed(reason)) => {
                tracing::warn!(outlet = name, reason, again_in = ?pause, "a destination could not be told");
                grown(&mut pause)
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(outlet = name, error, "a destination waits for the database");
                grown(&mut pause)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn grown(pause: &mut Duration) -> Duration {
    std::mem::replace(pause, (*pause * 2).min(LONGEST_PAUSE))
}

enum Progress {
    More,
    Nothing,
    Others,
    Failed(String),
}

async fn tell_some(
    store: &Store,
    name: &str,
    what: What,
    speaker: &mut Speaker,
    holder: &str,
) -> Result<Progress, StoreError> {
    let now = Timestamp::now();
    let Some(seq) = store.claim_outlet(name, holder, now, Timestamp(now.0 + CLAIM)).await? else {
        return Ok(Progress::Others);
    };
    let events = store.events_after(seq, BATCH).await?;
    let Some(last) = events.last().map(|e| e.seq) else { return Ok(Progress::Nothing) };
    let wanted: Vec<_> = events.into_iter().filter(|event| what.wants(event)).collect();
    let told = match wanted.is_empty() {
        true => Told::all(&wanted),
        false => match tokio::time::timeout(DELIVERY, speaker.tell(&wanted)).await {
            Ok(told) => told,
            Err(_) => Told::short(0, format!("no acknowledgement within {} s", DELIVERY.as_secs())),
        },
    };
    // up to the one before the first that was not acknowledged
    let upto = wanted.get(told.acknowledged).map_or(last, |event| event.seq - 1);
    let reason = told
        .failure
        .map(|text| text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect::<String>());
    store.note_delivery(name, holder, upto, reason.as_deref(), Timestamp::now()).await?;
    Ok(match reason {
        None => Progress::More,
        Some(reason) => Progress::Failed(reason),
    })
}
