//! How long to wait after a failure: twice as long each time up to a bound, never all at once.

use std::time::Duration;

use crate::destination::Trouble;

/// Pause after the first failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest pause of our own; a service's `Retry-After` may be longer.
pub const LONGEST: Duration = Duration::from_secs(300);

/// Growing pauses. One for each destination.
#[derive(Clone, Debug)]
pub struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Pause {
    /// The pause after one more failure: half to one and a half of the step, so that the sensors of a site do not come
    /// back in the same moment; not less than the service asked for.
    pub fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        let step = self.next;
        self.next = (self.next * 2).min(LONGEST);
        let jittered = step.mul_f64(0.5 + fastrand::f64());
        match asked {
            // jitter is added, never taken away: earlier than asked is refused again
            Some(asked) if asked > jittered => asked + FIRST.mul_f64(fastrand::f64()),
            _ => jittered,
        }
    }

    /// The pause after this trouble. What somebody has to mend nobody mends within minutes.
    pub fn after_trouble(&mut self, trouble: &Trouble) -> Duration {
        self.after_failure(match trouble {
            Trouble::Later { after, .. } => *after,
            Trouble::Operator { .. } | Trouble::Record { .. } => Some(LONGEST),
        })
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_again() {
        let mut pause = Pause::default();
        let mut step = FIRST;
        for _ in 0..20 {
            let got = pause.after_failure(None);
            assert!(got >= step.mul_f64(0.5) && got <= step.mul_f64(1.5), "{got:?} for {step:?}");
            step = (step * 2).min(LONGEST);
        }
        pause.reset();
        assert!(pause.after_failure(None) <= FIRST.mul_f64(1.5));
    }

    #[test]
    fn what_the_service_asks_for_is_the_least() {
        let mut pause = Pause::default();
        let asked = Duration::from_secs(60);
        for _ in 0..50 {
            assert!(pause.after_failure(Some(asked)) >= asked.mul_f64(0.5));
            pause.reset();
            let got = pause.after_failure(Some(asked));
            assert!(got >= asked && got <= asked + FIRST, "{got:?}");
        }
    }
}
