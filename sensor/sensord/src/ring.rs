//! A ring's station: frames from the kernel through a dissector, drawn together, onto the queue.
//!
//! The frame is read where the kernel put it; what goes on is what it said. One thread a ring, with a dissector of its
//! own: the kernel sends both directions of a connection to the same one.

use std::time::{Duration, Instant};

use eyot_capture::live::{self, LiveSource};
use eyot_capture::{Pulled, Source, Statistics};
use eyot_dissect::Limits;
use eyot_inventory::Gatherer;

use crate::queue::{Filler, BATCH};
use crate::status::Shared;

/// Most frames taken from the kernel at once.
const PULL: usize = 512;
/// Pause between two looks at the kernel's counters.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// One ring.
pub struct Ring {
    /// Which interface, by its place in the status.
    pub interface: usize,
    /// Which ring of it.
    pub number: usize,
    /// The processor its thread is tied to.
    pub processor: Option<usize>,
    pub source: LiveSource,
    pub filler: Filler,
    pub shared: Shared,
}

impl Ring {
    /// Reads until told to stop, or until nobody takes what is read.
    pub fn run(mut self) -> anyhow::Result<()> {
        if let Some(processor) = self.processor {
            if let Err(error) = live::pin(processor) {
                tracing::warn!(
                    processor,
                    "cannot tie a ring to its processor: {error}; it runs where the kernel puts it"
                );
            }
        }
        let mut gatherer = Gatherer::new(Limits::default());
        let mut counted = Instant::now();
        let mut published = Statistics::default();
        let mut known_problem = None;
        self.publish(&mut published, &mut known_problem);
        loop {
            let pulled = self.source.pull(PULL, &mut |frame| gatherer.frame(frame))?;
            let ended = pulled == Pulled::Ended;
            let due = counted.elapsed() >= COUNT_EVERY;
            if ended || due {
                gatherer.settle();
            }
            // when nothing comes, what little there is must not wait
            let waiting = gatherer.gathered().len();
            if waiting >= BATCH || waiting > 0 && (due || pulled != Pulled::Frames(PULL)) {
                let Some(empty) = self.filler.empty() else { return Ok(()) };
                if !self.filler.hand_on(gatherer.exchange(empty)) {
                    return Ok(());
                }
            }
            if ended || due {
                counted = Instant::now();
                self.publish(&mut published, &mut known_problem);
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Adds what came since the last time to the interface's counts, which all its rings share.
    fn publish(&mut self, published: &mut Statistics, known_problem: &mut Option<String>) {
        let now = self.source.statistics();
        let problem = self.source.problem().map(str::to_owned);
        if problem != *known_problem {
            // one voice is enough
            if self.number == 0 {
                match &problem {
                    Some(problem) => tracing::warn!("{problem}; waiting for it"),
                    None => {
                        tracing::info!(
                            interface = self.source.interface(),
                            "interface is being watched again"
                        )
                    }
                }
            }
            known_problem.clone_from(&problem);
        }
        if let Some(interface) = self.shared.lock().interfaces.get_mut(self.interface) {
            interface.frames += now.frames - published.frames;
            interface.bytes += now.bytes - published.bytes;
            interface.kernel_received += now.kernel_received - published.kernel_received;
            interface.kernel_dropped += now.kernel_dropped - published.kernel_dropped;
            if self.number == 0 {
                // these the kernel counts for the interface, not for each ring
                interface.interface_dropped = now.interface_dropped;
                interface.reopened = now.reopened;
                interface.problem = problem;
            }
        }
        *published = now;
    }
}
