//! How fast bytes may leave: one budget for all connections of a client.
//!
//! What was written is paid for with waiting before the next write, so that over any time longer than a tenth of a second
//! the rate holds, handshakes and TLS's own bytes included; TCP's and IP's headers are not counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep_until, Instant, Sleep};

/// Smallest piece written at once, in bytes: a packet's worth.
const LEAST: usize = 1_400;
/// A piece is what may be written in this part of a second.
const PIECES: u64 = 10;

/// The budget.
pub(crate) struct Pace {
    bytes_per_second: u64,
    free_at: Mutex<Instant>,
}

impl Pace {
    /// So many bits a second.
    pub(crate) fn new(bits_per_second: u64) -> Self {
        Self { bytes_per_second: (bits_per_second / 8).max(1), free_at: Mutex::new(Instant::now()) }
    }

    /// Most bytes to write at once.
    pub(crate) fn piece(&self) -> usize {
        usize::try_from(self.bytes_per_second / PIECES).unwrap_or(usize::MAX).max(LEAST)
    }

    /// Until when nothing may be written.
    fn free_at(&self) -> Instant {
        *self.free_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many bytes from the budget.
    pub(crate) fn spend(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = (*free_at).max(Instant::now()) + cost;
    }
}

/// A connection's turn.
#[derive(Default)]
pub(crate) struct Turn(Option<Pin<Box<Sleep>>>);

impl Turn {
    /// Ready when something may be written.
    pub(crate) fn poll(&mut self, pace: &Pace, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(sleep) = &mut self.0 {
                ready!(sleep.as_mut().poll(cx));
                self.0 = None;
            }
            let free_at = pace.free_at();
            if free_at <= Instant::now() {
                return Poll::Ready(());
            }
            self.0 = Some(Box::pin(sleep_until(free_at)));
        }
    }
}
