//! How the sensor is, for the agent that looks after the appliance: one JSON file, replaced whole every few seconds.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_contract::{ConditionCode, Timestamp};
use serde::Serialize;

/// How often the file is written, in seconds.
pub const WRITE_EVERY_SECONDS: u64 = 5;

/// The file's content. Counts are since the process started.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Version of this program.
    pub version: &'static str,
    /// When this was written.
    pub at: Timestamp,
    /// When the process started.
    pub started: Timestamp,
    /// Frames read, all interfaces.
    pub frames: u64,
    /// Frames that the kernel or an interface dropped before they could be read, all interfaces.
    pub dropped: u64,
    /// Each interface, in the order of the configuration.
    pub interfaces: Vec<InterfaceStatus>,
    /// Devices known.
    pub devices: u64,
    /// Devices seen within the last quarter of an hour.
    pub devices_present: u64,
    /// What was refused for want of room: kind to count.
    pub refused: Refused,
    /// Records waiting for the portal.
    pub spool: SpoolStatus,
    /// The connection to the portal.
    pub upload: UploadStatus,
    /// The latest failure on this machine's side (database, status file), while it lasts.
    pub last_error: Option<String>,
}

/// One monitored interface.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InterfaceStatus {
    /// Kernel name.
    pub name: String,
    /// Frames read.
    pub frames: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Frames that reached the socket, dropped ones included.
    pub kernel_received: u64,
    /// Frames dropped because the ring was full.
    pub kernel_dropped: u64,
    /// Frames dropped by the interface or its driver.
    pub interface_dropped: u64,
    /// Times it was lost and opened again.
    pub reopened: u64,
    /// Why no frames can come, if they cannot.
    pub problem: Option<String>,
}

/// What the inventory had no room for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Refused {
    /// Devices.
    pub devices: u64,
    /// Facts, for any reason.
    pub facts: u64,
    /// Addresses.
    pub addresses: u64,
}

/// Records waiting for the portal.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SpoolStatus {
    /// In the spool.
    pub waiting: u64,
    /// In the batch being sent.
    pub in_flight: u64,
    /// Dropped since the spool was made.
    pub dropped: u64,
    /// When the oldest waiting one was queued.
    pub oldest: Option<Timestamp>,
}

/// How reporting goes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UploadStatus {
    /// Where it stands.
    pub state: UploadState,
    /// The latest acknowledgement.
    pub last_success: Option<Timestamp>,
    /// Batches acknowledged.
    pub batches: u64,
    /// Records acknowledged.
    pub records: u64,
    /// The latest failure, while it lasts.
    pub last_error: Option<UploadError>,
}

/// Where reporting stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// No portal is configured.
    #[default]
    Off,
    /// Everything is reported, or on its way.
    Connected,
    /// The latest attempt failed; it is repeated.
    Retrying,
    /// The portal does not know this sensor any more; it must be activated again.
    NotEnrolled,
}

/// A failed attempt.
#[derive(Clone, Debug, Serialize)]
pub struct UploadError {
    /// When.
    pub at: Timestamp,
    /// One line, with the remedy.
    pub message: String,
    /// What health calls it.
    pub condition: ConditionCode,
}

/// The status that all threads write to.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Status>>);

impl Shared {
    /// A status with these interfaces and nothing seen.
    pub fn new(interfaces: &[String]) -> Self {
        let now = Timestamp::now();
        let interfaces = interfaces
            .iter()
            .map(|name| InterfaceStatus { name: name.clone(), ..InterfaceStatus::default() })
            .collect();
        Self(Arc::new(Mutex::new(Status {
            version: env!("CARGO_PKG_VERSION"),
            at: now,
            started: now,
            frames: 0,
            dropped: 0,
            interfaces,
            devices: 0,
            devices_present: 0,
            refused: Refused::default(),
            spool: SpoolStatus::default(),
            upload: UploadStatus::default(),
            last_error: None,
        })))
    }

    /// The status, to be changed in place.
    pub fn lock(&self) -> MutexGuard<'_, Status> {
        // numbers that a panicking thread left half updated are still the best there are
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
