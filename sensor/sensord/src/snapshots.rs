//! The whole inventory as files in the owner's storage, by way of the IoT Hub: so often, and when the twin asks for it.
//!
//! A file holds messages of the same form as those that are sent (`eyot.message/1`), a line each: every device, then every
//! finding. A large inventory takes several; the last one says so in its name, so that a reader knows that he has all.
//! What is due by the clock has the hour's name: a sensor that was killed in the midst writes the same files again. The
//! hour that is done and the wish that was fulfilled are noted beside the database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eyot_contract::{ConditionCode, Content, Message, Timestamp, UploadState, MESSAGE_SCHEMA};
use eyot_inventory::Store;
use eyot_uplink::azure::reporter::HubReporter;
use eyot_uplink::azure::upload::MAX_UPLOAD_BYTES;
use eyot_uplink::destination::Trouble;
use eyot_uplink::pause::Pause;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::beside;
use crate::https::Https;
use crate::status::Shared;

/// What the status calls it.
const NAME: &str = "azure_files";
/// Beside the database.
const NOTE: &str = "azure-snapshots.json";
const CONTENT_TYPE: &str = "application/x-ndjson";

/// When files are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// So often, in hours; 0: never.
    pub hours: u64,
    /// Whenever this text becomes another one.
    pub asked: Option<String>,
}

/// What has been done, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The beginning of the latest period, in seconds since 1970.
    period: Option<i64>,
    /// The latest wish.
    asked: Option<String>,
}

/// Makes files and hands them to the hub.
pub struct Snapshots {
    database: PathBuf,
    sensor: String,
    plan: watch::Receiver<Plan>,
    shared: Shared,
    pause: Pause,
    not_before: Instant,
}

impl Snapshots {
    /// Files about what is in `database`, said by `sensor`.
    pub fn new(database: &Path, sensor: &str, plan: watch::Receiver<Plan>, shared: &Shared) -> Self {
        let (database, sensor, shared) = (database.to_owned(), sensor.to_owned(), shared.clone());
        Self { database, sensor, plan, shared, pause: Pause::default(), not_before: Instant::now() }
    }

    /// Uploads what is due, if anything. A failure is said in the status and tried again after a pause.
    pub async fn tend(&mut self, hub: &mut HubReporter<Https>) {
        if Instant::now() < self.not_before {
            return;
        }
        let plan = self.plan.borrow().clone();
        // without it a file is written once more
        let note: Note = beside::read(&self.database, NOTE);
        let now = Timestamp::now();
        let Some((moment, done)) = due(&plan, &note, now) else { return };
        let outcome = self.upload(hub, moment).await;
        // also of one that was not reached: the firewall may have to let it through first
        self.shared.lock().storage_hosts.extend(hub.storage_host().map(str::to_owned));
        match outcome {
            Ok(records) => {
                self.pause.reset();
                self.shared.delivered(NAME, records);
                tracing::info!(records, "the inventory was stored as a file");
                if let Err(error) = beside::keep(&self.database, NOTE, &done) {
                    self.failed(&Trouble::Later { after: None, message: format!("{error:#}") });
                }
            }
            Err(trouble) => self.failed(&trouble),
        }
    }

    async fn upload(&self, hub: &mut HubReporter<Https>, moment: i64) -> Result<u64, Trouble> {
        let here = |error: anyhow::Error| Trouble::Later { after: None, message: format!("{error:#}") };
        let at = Timestamp::from_seconds(moment);
        let contents = contents(&self.database).map_err(here)?;
        let records = contents.len() as u64;
        let files = files(contents, &self.sensor, at, MAX_UPLOAD_BYTES);
        for (name, text) in files {
            hub.upload(&name, text.into_bytes(), CONTENT_TYPE, Timestamp::now()).await?;
        }
        Ok(records)
    }

    fn failed(&mut self, trouble: &Trouble) {
        self.not_before = Instant::now() + self.pause.after_trouble(trouble);
        self.shared.failing(
            NAME,
            "cannot store the inventory as a file",
            UploadState::Retrying,
            ConditionCode::Disconnected,
            trouble.to_string(),
        );
    }
}

/// The moment that the files due now are named by, in seconds since 1970, and what to note when they are there.
fn due(plan: &Plan, note: &Note, now: Timestamp) -> Option<(i64, Note)> {
    if plan.asked.is_some() && plan.asked != note.asked {
        return Some((now.seconds(), Note { asked: plan.asked.clone(), ..note.clone() }));
    }
    let length = i64::try_from(Duration::from_secs(plan.hours * 3_600).as_secs()).ok().filter(|l| *l > 0)?;
    let period = now.seconds() - now.seconds().rem_euclid(length);
    (note.period != Some(period)).then(|| (period, Note { period: Some(period), ..note.clone() }))
}

fn contents(database: &Path) -> anyhow::Result<Vec<Content>> {
    let store = Store::open_read_only(database)?;
    let mut inventory = store.load()?;
    inventory.identify(usize::MAX);
    let devices = inventory.records().into_iter().map(|d| Content::Device { device: Box::new(d) });
    let findings = store.findings()?.into_iter().map(|f| Content::Finding { finding: Box::new(f) });
    Ok(devices.chain(findings).collect())
}

/// Names and texts, each of at most `most` bytes unless one record is larger. An empty inventory is an empty file.
fn files(contents: Vec<Content>, sensor: &str, at: Timestamp, most: usize) -> Vec<(String, String)> {
    let stamp: String = at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let mut texts = vec![String::new()];
    for (n, content) in contents.into_iter().enumerate() {
        let message = Message {
            schema: MESSAGE_SCHEMA.to_owned(),
            id: format!("inventory-{stamp}-{n}"),
            sensor: sensor.to_owned(),
            time: at,
            content,
        };
        // what was read from the database can be written again
        let Ok(line) = serde_json::to_string(&message) else { continue };
        let last = texts.len() - 1;
        if !texts[last].is_empty() && texts[last].len() + line.len() + 1 > most {
            texts.push(String::new());
        }
        let last = texts.len() - 1;
        texts[last].push_str(&line);
        texts[last].push('\n');
    }
    let parts = texts.len();
    let name = |n: usize| {
        let last = if n == parts { "-last" } else { "" };
        format!("inventory/{stamp}-{n:03}{last}.ndjson")
    };
    texts.into_iter().enumerate().map(|(n, text)| (name(n + 1), text)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eyot_contract::SensorStatus;

    use super::*;

    #[test]
    fn files_are_due_once_a_period_and_once_a_wish() {
        let at = |seconds| Timestamp::from_seconds(seconds);
        let none = Note::default();
        assert_eq!(due(&Plan::default(), &none, at(1_000_000)), None);
        let plan = Plan { hours: 24, asked: None };
        let (moment, done) = due(&plan, &none, at(1_000_000)).unwrap();
        assert_eq!((moment, moment % 86_400), (950_400, 0));
        assert_eq!(due(&plan, &done, at(1_036_799)), None, "the same day");
        assert_eq!(due(&plan, &done, at(1_036_800)).unwrap().0, 1_036_800);
        let plan = Plan { asked: Some("now".into()), ..plan };
        let (moment, done) = due(&plan, &done, at(1_000_001)).unwrap();
        assert_eq!(moment, 1_000_001);
        assert_eq!(due(&plan, &done, at(1_000_002)), None, "the period is still noted");
        assert!(due(&Plan { asked: Some("again".into()), ..plan }, &done, at(1_000_003)).is_some());
    }

    #[test]
    fn a_large_inventory_takes_several_files_of_which_the_last_says_so() {
        let health = || Content::Health { health: Box::new(SensorStatus::default()) };
        let contents = || (0..10).map(|_| health()).collect::<Vec<_>>();
        let whole = files(contents(), "lab", Timestamp::from_seconds(0), usize::MAX);
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].0, "inventory/19700101T000000Z-001-last.ndjson");
        assert_eq!(whole[0].1.lines().count(), 10);
        let line = whole[0].1.lines().next().unwrap().len() + 1;
        let parts = files(contents(), "lab", Timestamp::from_seconds(0), 3 * line);
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[3], "inventory/19700101T000000Z-004-last.ndjson");
        assert!(parts.iter().all(|(_, text)| text.len() <= 3 * line));
        assert_eq!(parts.iter().map(|(_, text)| text.as_str()).collect::<String>(), whole[0].1);
        assert_eq!(files(Vec::new(), "lab", Timestamp::from_seconds(0), 1)[0].1, "");
    }
}
