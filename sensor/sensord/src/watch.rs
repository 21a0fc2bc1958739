//! The findings' station: threat lists kept fresh, every frame looked at, what was found stored.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Error;
use eyot_contract::Timestamp;
use eyot_dissect::Summary;
use eyot_findings::{Findings, FindingsCounters, ThreatError, Threats};
use eyot_inventory::{Inventory, Store, StoreError};

use crate::config::{Watched, DEFAULT_THREAT_LISTS};
use crate::portal_threats;

/// Pause between two looks at the threat lists' files.
const LOOK_AT_LISTS_EVERY: Duration = Duration::from_secs(60);
/// Pause between two looks over the whole inventory.
const LOOK_OVER_EVERY: Duration = Duration::from_secs(10);
/// Most lists in one folder.
const MAX_LISTS: usize = 256;

/// The station.
pub struct Watch {
    findings: Findings,
    lists: Lists,
    looked: Option<Instant>,
    looked_over: Option<Instant>,
}

impl Watch {
    /// With what was found and learnt before.
    ///
    /// # Errors
    /// When the store cannot be read. A list that cannot be read is said in the log.
    pub fn start(watched: &Watched, database: &Path, store: &Store) -> Result<Self, StoreError> {
        let mut lists = watched.threat_lists.clone();
        lists.push(portal_threats::file(database));
        let mut watch = Self {
            findings: Findings::load(watched.policy.clone(), store)?,
            lists: Lists::new(lists),
            looked: None,
            looked_over: None,
        };
        watch.renew_lists();
        Ok(watch)
    }

    /// Looks at a frame that the inventory has just taken.
    #[inline]
    pub fn frame(&mut self, at: Timestamp, summary: &Summary, inventory: &Inventory) {
        self.findings.frame(at, summary, inventory);
    }

    /// What is to be done every second or so.
    pub fn tend(&mut self, inventory: &Inventory, now: Timestamp) {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_AT_LISTS_EVERY) {
            self.renew_lists();
        }
        if self.looked_over.is_none_or(|at| at.elapsed() >= LOOK_OVER_EVERY) {
            self.looked_over = Some(Instant::now());
            self.findings.assess(inventory, now);
        }
    }

    /// Forgets what was not noticed for the retention time.
    pub fn forget_quiet(&mut self, now: Timestamp) {
        let gone = self.findings.forget_quiet(now);
        if gone > 0 {
            tracing::info!(findings = gone, "forgot findings not noticed for 90 days");
        }
    }

    /// Stores what is new; whether something waits for the portal.
    ///
    /// # Errors
    /// When the store cannot be written; the next save tries again.
    pub fn save(&mut self, store: &mut Store, report: bool, now: Timestamp) -> Result<bool, StoreError> {
        self.findings.save(store, report, now)
    }

    /// What was found and refused.
    pub fn counters(&self) -> FindingsCounters {
        self.findings.counters()
    }

    fn renew_lists(&mut self) {
        self.looked = Some(Instant::now());
        if !self.lists.have_changed() {
            return;
        }
        let (threats, problems) = self.lists.read(Timestamp::now());
        for problem in problems {
            tracing::warn!("{problem:#}");
        }
        tracing::info!(indicators = threats.len(), "threat lists loaded");
        self.findings.set_threats(threats);
    }
}

/// Files of threat lists, and how they were when they were read.
pub struct Lists {
    given: Vec<PathBuf>,
    read: Option<Vec<State>>,
}

/// A file, its time and its size.
type State = (PathBuf, Option<SystemTime>, u64);

impl Lists {
    /// Files, and folders of files.
    pub fn new(given: Vec<PathBuf>) -> Self {
        Self { given, read: None }
    }

    /// Whether a file came, went or changed since they were read.
    pub fn have_changed(&self) -> bool {
        self.read.as_ref() != Some(&self.states())
    }

    /// Reads them all; what could not be read or used comes beside.
    pub fn read(&mut self, now: Timestamp) -> (Threats, Vec<Error>) {
        let states = self.states();
        let (mut threats, mut problems) = (Threats::new(), Vec::new());
        for (path, ..) in &states {
            match threats.add_file(path, now) {
                Ok(skipped) if skipped.unusable + skipped.no_room > 0 => problems.push(Error::msg(format!(
                    "threat list {}: {} entries cannot be used, {} have no room",
                    path.display(),
                    skipped.unusable,
                    skipped.no_room
                ))),
                Ok(_) => {}
                Err(
                    error @ (ThreatError::Read { .. } | ThreatError::Large { .. } | ThreatError::Stix { .. }),
                ) => {
                    problems.push(error.into());
                }
            }
        }
        self.read = Some(states);
        (threats, problems)
    }

    /// Files in folders by name, so that the same lists are the same whatever the file system's order. Hidden files are
    /// left out: editors and downloads leave them.
    fn states(&self) -> Vec<State> {
        let mut files = Vec::new();
        for path in &self.given {
            if path.is_dir() {
                let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
                let mut found: Vec<PathBuf> = entries
                    .map(|e| e.path())
                    .filter(|p| p.is_file() && !is_hidden(p))
                    .take(MAX_LISTS)
                    .collect();
                found.sort();
                files.extend(found);
            } else if path.exists() || !may_be_missing(path) {
                files.push(path.clone());
            }
        }
        files
            .into_iter()
            .map(|path| match fs::metadata(&path) {
                Ok(metadata) => (path, metadata.modified().ok(), metadata.len()),
                Err(_) => (path, None, 0),
            })
            .collect()
    }
}

/// The folder that nobody named, and the list that the portal may not have.
fn may_be_missing(path: &Path) -> bool {
    path == Path::new(DEFAULT_THREAT_LISTS)
        || path.file_name().is_some_and(|name| name == portal_threats::NAME)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_again_when_a_file_comes_changes_or_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut lists = Lists::new(vec![dir.path().to_owned()]);
        assert!(lists.have_changed(), "they were never read");
        assert_eq!(lists.read(Timestamp(0)).0.len(), 0);
        assert!(!lists.have_changed());
        fs::write(dir.path().join("b.txt"), "198.51.100.1\nnonsense\n").unwrap();
        fs::write(dir.path().join(".b.txt.swp"), "198.51.100.2\n").unwrap();
        assert!(lists.have_changed());
        let (threats, problems) = lists.read(Timestamp(0));
        assert_eq!(threats.len(), 1);
        assert!(problems[0].to_string().contains("b.txt: 1 entries cannot be used"), "{problems:?}");
        fs::write(dir.path().join("b.txt"), "198.51.100.1\n198.51.100.2\n").unwrap();
        assert!(lists.have_changed());
        assert_eq!(lists.read(Timestamp(0)).0.len(), 2);
        fs::remove_file(dir.path().join("b.txt")).unwrap();
        assert!(lists.have_changed());

        let mut missing = Lists::new(vec![dir.path().join("none.txt")]);
        assert_eq!(missing.read(Timestamp(0)).1.len(), 1, "a file that was named must be there");
    }
}
