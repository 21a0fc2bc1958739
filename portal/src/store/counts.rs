//! Counts that pages show beside their rows: how many devices match, how many each filter and group has.
//!
//! Rows come from an index, however many there are; counting looks at all of them. So in a large inventory a count is
//! remembered for some time, in proportion to what it took, and counted again beside whoever looks meanwhile: counting costs at
//! most a few percent of one processor, and nobody waits for it but the first. In a small one, everything is counted each
//! time. Whatever people change themselves they see counted at once, on the portal where they did it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::StoreError;

/// Devices from which an inventory is large.
const LARGE: i64 = 50_000;
/// A count is good for so many times what it took.
const WORTH: u32 = 30;
/// Longest that it is good for.
const LONGEST: Duration = Duration::from_secs(60);
/// A count older than this is not shown even until the next one is there.
const TOO_OLD: Duration = Duration::from_secs(600);
/// Most counts remembered.
const MOST: usize = 500;

/// How many devices have each value.
pub(super) type Shares = Vec<(Option<String>, i64)>;

/// What is remembered. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Counts {
    kept: Arc<Mutex<HashMap<String, Kept>>>,
    large: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Kept {
    shares: Shares,
    at: Instant,
    took: Duration,
    /// Somebody is counting again.
    again: bool,
}

impl Counts {
    /// The answer to a question, remembered or counted now. A plain number is the share of `None`.
    pub(super) async fn of<F>(
        &self,
        question: String,
        count: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Shares, StoreError>
    where
        F: Future<Output = Result<Shares, StoreError>> + Send + 'static,
    {
        match self.remembered(&question) {
            Some((shares, false)) => Ok(shares),
            Some((shares, true)) => {
                let all = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = all.count(question.clone(), count()).await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "devices could not be counted again");
                        all.forget_one(&question);
                    }
                });
                Ok(shares)
            }
            None => self.count(question, count()).await,
        }
    }

    /// Forgets everything: somebody changed what is counted.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    /// What is remembered, and whether the caller is to count again.
    fn remembered(&self, question: &str) -> Option<(Shares, bool)> {
        let mut kept = self.kept();
        let one = kept.get_mut(question)?;
        let age = one.at.elapsed();
        if age > TOO_OLD {
            return None;
        }
        let old = age > (one.took * WORTH).min(LONGEST) && !one.again;
        one.again |= old;
        Some((one.shares.clone(), old))
    }

    async fn count(
        &self,
        question: String,
        counting: impl Future<Output = Result<Shares, StoreError>>,
    ) -> Result<Shares, StoreError> {
        let at = Instant::now();
        let shares = counting.await?;
        let total: i64 = shares.iter().map(|(_, devices)| devices).sum();
        if total >= LARGE {
            self.large.store(true, Ordering::Relaxed);
        }
        if self.large.load(Ordering::Relaxed) {
            let mut kept = self.kept();
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(question, Kept { shares: shares.clone(), at, took: at.elapsed(), again: false });
        }
        Ok(shares)
    }

    fn forget_one(&self, question: &str) {
        self.kept().remove(question);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        // a map of counts is whole after any panic
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn ask(counts: &Counts, devices: i64) -> i64 {
        counts.of("all".to_owned(), move || async move { Ok(vec![(None, devices)]) }).await.unwrap()[0].1
    }

    #[tokio::test]
    async fn a_small_inventory_is_counted_each_time_and_a_large_one_is_not() {
        let counts = Counts::default();
        assert_eq!(ask(&counts, 1).await, 1);
        assert_eq!(ask(&counts, 2).await, 2);
        assert_eq!(ask(&counts, LARGE).await, LARGE);
        // counted in no time, so it is old at once: shown once more while it is counted again
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ask(&counts, LARGE + 1).await, LARGE);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ask(&counts, LARGE + 2).await, LARGE + 1);
        counts.forget();
        assert_eq!(ask(&counts, LARGE + 3).await, LARGE + 3);
    }
}
