//! How the sensor is, for the agent that looks after the appliance: one JSON file, replaced whole every few seconds.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_contract::{
    ConditionCode, DestinationStatus, InterfaceStatus, SensorStatus, Timestamp, UploadError, UploadState,
};

/// How often the file is written, in seconds.
pub const WRITE_EVERY_SECONDS: u64 = 5;

/// The status that all threads write to.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<SensorStatus>>);

impl Shared {
    /// A status with these interfaces and nothing seen.
    pub fn new(interfaces: &[String]) -> Self {
        let now = Timestamp::now();
        let interfaces = interfaces
            .iter()
            .map(|name| InterfaceStatus { name: name.clone(), ..InterfaceStatus::default() })
            .collect();
        Self(Arc::new(Mutex::new(SensorStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: now,
            started: now,
            interfaces,
            ..SensorStatus::default()
        })))
    }

    /// The status, to be changed in place.
    pub fn lock(&self) -> MutexGuard<'_, SensorStatus> {
        // numbers that a panicking thread left half updated are still the best there are
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is said of a destination; of one that was not there, everything.
    pub fn destination(&self, name: &str, change: impl FnOnce(&mut DestinationStatus)) {
        let mut status = self.lock();
        let at = status.destinations.iter().position(|d| d.name == name).unwrap_or_else(|| {
            status.destinations.push(DestinationStatus { name: name.to_owned(), ..Default::default() });
            status.destinations.len() - 1
        });
        change(&mut status.destinations[at]);
    }

    /// Says that a destination has taken something, so many records of it.
    pub fn delivered(&self, name: &str, records: u64) {
        self.destination(name, |status| {
            status.upload.state = UploadState::Connected;
            status.upload.last_success = Some(Timestamp::now());
            status.upload.last_error = None;
            status.upload.batches += 1;
            status.upload.records += records;
        });
    }

    /// Says what is the matter with a destination; `complaint` begins the log's line, which comes once for each new matter.
    pub fn failing(
        &self,
        name: &str,
        complaint: &str,
        state: UploadState,
        condition: ConditionCode,
        message: String,
    ) {
        self.destination(name, |status| {
            if status.upload.last_error.as_ref().is_none_or(|e| e.message != message) {
                tracing::warn!("{complaint}: {message}");
            }
            status.upload.state = state;
            status.upload.last_error = Some(UploadError { at: Timestamp::now(), message, condition });
        });
    }

    /// Replaces the file by the present status.
    ///
    /// # Errors
    /// When it cannot be written; the former file stays.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = {
            let mut status = self.lock();
            status.at = Timestamp::now();
            status.frames = status.interfaces.iter().map(|i| i.frames).sum();
            status.dropped = status.interfaces.iter().map(|i| i.kernel_dropped + i.interface_dropped).sum();
            serde_json::to_vec_pretty(&*status)?
        };
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
        file.write_all(&text)?;
        file.write_all(b"\n")?;
        // no sync: the file lives in memory and is worth nothing after a power cut
        fs::rename(&new, path)
    }
}
