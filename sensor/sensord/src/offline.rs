//! Capture files to an inventory, all files as one site.
//!
//! One thread, no queue: the reader lends each frame straight to the dissector, and the inventory takes what was drawn
//! together of some thousand of them.

use std::io::stdin;
use std::path::{Path, PathBuf};

use anyhow::Error;
use eyot_capture::file::{FileSource, OpenError};
use eyot_capture::{Pulled, Source};
use eyot_dissect::Limits;
use eyot_findings::{passage, Findings};
use eyot_inventory::{Gatherer, Inventory};

use crate::progress::Progress;

/// Frames between two looks at the progress bar.
const BATCH: usize = 8_192;

/// What was read.
pub struct Reading {
    /// The devices, identified.
    pub inventory: Inventory,
    /// What is wrong, if that was asked.
    pub findings: Option<Findings>,
    /// Files that gave nothing.
    pub unreadable: usize,
}

impl Reading {
    /// Reads the files in the order given. What is wrong with a file is said on standard error, and the next one read.
    pub fn of(files: &[PathBuf]) -> Self {
        Self::all(files, None)
    }

    /// The same, and looks for what is wrong.
    pub fn with_findings(files: &[PathBuf], findings: Findings) -> Self {
        Self::all(files, Some(findings))
    }

    fn all(files: &[PathBuf], findings: Option<Findings>) -> Self {
        let sizes = |path: &PathBuf| path.metadata().map_or(0, |m| m.len());
        let mut progress = Progress::new(files.iter().map(sizes).sum());
        let mut reading = Self { inventory: Inventory::new(), findings, unreadable: 0 };
        let mut gatherer = Gatherer::new(Limits::default());
        for path in files {
            if let Err(error) = reading.file(path, &mut gatherer, &progress) {
                reading.unreadable += 1;
                progress.warn(&format!("eyot-sensor: {error:#}"));
            }
            progress.file_done(sizes(path));
        }
        progress.finish();
        passage::conclude(&mut reading.inventory, reading.findings.as_mut());
        reading
    }

    fn file(&mut self, path: &Path, gatherer: &mut Gatherer, progress: &Progress) -> Result<(), Error> {
        let mut source = open(path)?;
        let position = source.position();
        let unknown_before = gatherer.counters().unknown_link;
        loop {
            let findings = self.findings.as_mut();
            let pulled = passage::pass(&mut source, BATCH, gatherer, &mut self.inventory, findings)?;
            if pulled == Pulled::Ended {
                break;
            }
            progress.at(position.bytes(), self.inventory.len());
        }
        let name = path.display();
        if let Some(damage) = source.damage() {
            progress.warn(&format!("eyot-sensor: warning: {name}: {damage}; the frames before it were read"));
        }
        let statistics = source.statistics();
        if statistics.skipped > 0 {
            let count = statistics.skipped;
            progress.warn(&format!("eyot-sensor: warning: {name}: {count} damaged records were passed over"));
        }
        let unknown = gatherer.counters().unknown_link - unknown_before;
        if unknown > 0 {
            progress.warn(&format!(
                "eyot-sensor: warning: {name}: {unknown} of {} frames are of a link type that is not read",
                statistics.frames
            ));
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<FileSource, OpenError> {
    if path == Path::new("-") {
        FileSource::from_reader("standard input", stdin())
    } else {
        FileSource::open(path)
    }
}
