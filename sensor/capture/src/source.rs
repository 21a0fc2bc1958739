//! What every source of frames can do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::Frame;

/// Lends frames, some at a time.
pub trait Source: Send {
    /// Gives at most `max` frames to `each`, waiting for the first no longer than about a tenth of a second.
    ///
    /// # Errors
    /// When the source cannot go on. A live source whose interface went away is not in error: it says
    /// [`Pulled::Waiting`] until the interface is back.
    fn pull(&mut self, max: usize, each: &mut dyn FnMut(&Frame<'_>)) -> Result<Pulled, SourceError>;

    /// Counts since the source was opened.
    fn statistics(&mut self) -> Statistics;

    /// A handle that ends the source from another thread.
    fn stop_handle(&self) -> Stop;
}

/// What a pull brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// So many frames; there may be more.
    Frames(usize),
    /// None now, perhaps later.
    Waiting,
    /// None any more.
    Ended,
}

/// Counts since the source was opened; they never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames lent.
    pub frames: u64,
    /// Bytes lent.
    pub bytes: u64,
    /// Frames the kernel's socket filter accepted, including those it had to drop.
    pub kernel_received: u64,
    /// Frames the kernel dropped because the ring was full.
    pub kernel_dropped: u64,
    /// Frames the interface or its driver dropped.
    pub interface_dropped: u64,
    /// Times the interface was lost and opened again.
    pub reopened: u64,
    /// Damaged records that were passed over (files).
    pub skipped: u64,
}

/// Ends a source from another thread; the next pull says [`Pulled::Ended`].
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the source to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file can no longer be read.
    #[error("{name}: cannot read on at byte {offset}; the frames before it were read")]
    Read {
        /// File name.
        name: String,
        /// Bytes read before.
        offset: u64,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The interface is there and up, but does not let itself be opened.
    #[error("interface {interface}: cannot be opened for capture; it takes CAP_NET_RAW, and a filter that fits its link type")]
    Open {
        /// Kernel name.
        interface: String,
        /// What libpcap says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Waiting for frames failed.
    #[error("interface {interface}: cannot wait for frames")]
    Wait {
        /// Kernel name.
        interface: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}
