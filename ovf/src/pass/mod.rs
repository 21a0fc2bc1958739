//! One pass over a disk: blocks are read and worked on by several threads and come out in order.
//!
//! [`in_order`] is the only place where threads, queues and bounds are made; [`Survey`](crate::disk::Survey) and
//! [`pack`] run on it. A fixed number of blocks is on its way at any time, so memory does not grow with the disk.

mod buffers;
mod order;
mod pack;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use thiserror::Error;

use crate::disk::DiskError;
use crate::progress::Progress;

pub use buffers::{Buffer, Buffers};
pub use order::in_order;
pub use pack::{compressor, pack, Packet, Sink, COMPRESSION_LEVEL};

/// Most threads a pass uses.
pub const MAX_THREADS: usize = 64;
/// Most blocks on their way between the disk and the queues of the writers. Each holds up to 1 MiB read, as much compressed
/// for a VMDK and as much for a ZIP, so the bound on memory is about 120 MiB.
pub const MAX_BLOCKS_IN_FLIGHT: usize = 32;

/// How a pass is run.
#[derive(Debug, Clone)]
pub struct Control {
    /// Worker threads, 1 to [`MAX_THREADS`].
    pub threads: usize,
    /// Where progress is shown.
    pub progress: Progress,
    /// Set from outside to make the pass end early with [`PassError::Interrupted`].
    pub interrupted: Arc<AtomicBool>,
}

impl Control {
    /// As many threads as processors, nothing shown, never interrupted.
    pub fn quiet() -> Self {
        Control {
            threads: default_threads(),
            progress: Progress::quiet(),
            interrupted: Arc::new(AtomicBool::new(false)),
        }
    }

    /// [`PassError::Interrupted`] once the flag is up.
    pub fn check(&self) -> Result<(), PassError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(PassError::Interrupted);
        }
        Ok(())
    }
}

/// One per processor this process may use.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS)
}

/// Why a pass ended early.
#[derive(Debug, Error)]
pub enum PassError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A writer.
    #[error("cannot write the {what}")]
    Write {
        /// which image
        what: &'static str,
        /// the cause
        #[source]
        source: io::Error,
    },
    /// An image would outgrow its format.
    #[error("the {what} would be larger than its format allows: {detail}")]
    TooLarge {
        /// which image
        what: &'static str,
        /// the bound
        detail: &'static str,
    },
    /// Somebody pressed Ctrl-C or sent SIGTERM.
    #[error("interrupted; nothing was left under a final name")]
    Interrupted,
    /// Another thread failed first; its error is the one to show.
    #[error("stopped because another step failed")]
    Stopped,
}
