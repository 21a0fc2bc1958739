//! Plans: what a subscription has committed to.
//!
//! A plan is a trial, monthly or annual. It takes effect an hour after it is confirmed and, once cancelled, ends an hour
//! after that; its count is changed by cancelling it and adding another. A trial is for 1,000 devices and ends by itself
//! after 30 days; a subscription has one in its life. More devices than committed to is a warning and blocks nothing.

use std::fmt;
use std::str::FromStr;

use eyot_contract::Timestamp;

use super::committed::round_up;

/// Devices of a trial.
pub const TRIAL_DEVICES: i64 = 1000;
/// Days of a trial.
pub const TRIAL_DAYS: i64 = 30;
/// From confirmation to effect, in µs (one hour).
pub const NOTICE: i64 = 3600 * 1_000_000;
/// Most devices a plan may be for: far above what any portal counts, and far below what would overflow.
pub const MAX_DEVICES: i64 = 100_000_000;

/// Which plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// 30 days, 1,000 devices.
    Trial,
    /// Until cancelled, by the month.
    Monthly,
    /// Until cancelled, by the year.
    Annual,
}

impl PlanKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Trial, Self::Monthly, Self::Annual];

    /// Name in the store and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Monthly => "monthly",
            Self::Annual => "annual",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Trial => "Trial",
            Self::Monthly => "Monthly",
            Self::Annual => "Annual",
        }
    }
}

impl fmt::Display for PlanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PlanKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|k| k.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is not a plan; the plans are trial, monthly and annual"))
    }
}

/// A plan of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which.
    pub kind: PlanKind,
    /// For how many devices.
    pub committed: i64,
    /// When somebody confirmed it.
    pub confirmed: Timestamp,
    /// When it takes effect.
    pub starts: Timestamp,
    /// When it ends, if that is known.
    pub ends: Option<Timestamp>,
    /// When somebody cancelled it.
    pub cancelled: Option<Timestamp>,
}

/// How a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Takes effect within the hour.
    Pending,
    /// In effect.
    Active,
    /// Cancelled, in effect for less than an hour more.
    Ending,
    /// Over.
    Ended,
}

impl Standing {
    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Ending => "Cancelled",
            Self::Ended => "Ended",
        }
    }
}

impl Plan {
    /// A new plan, confirmed now. The count of a trial is fixed; others are rounded up to the next hundred.
    ///
    /// # Errors
    /// The count makes no sense.
    pub fn new(kind: PlanKind, devices: Option<i64>, now: Timestamp) -> Result<Self, String> {
        let starts = Timestamp(now.0 + NOTICE);
        let (committed, ends) = match (kind, devices) {
            (PlanKind::Trial, None | Some(TRIAL_DEVICES)) => {
                (TRIAL_DEVICES, Some(Timestamp(starts.0 + TRIAL_DAYS * Timestamp::DAY)))
            }
            (PlanKind::Trial, Some(_)) => return Err(format!("a trial is for {TRIAL_DEVICES} devices")),
            (_, None) => return Err("the number of devices is missing".to_owned()),
            (_, Some(devices)) if !(1..=MAX_DEVICES).contains(&devices) => {
                return Err(format!("{devices} devices cannot be committed to; 1 to {MAX_DEVICES} can"))
            }
            (_, Some(devices)) => (round_up(devices), None),
        };
        Ok(Self { kind, committed, confirmed: now, starts, ends, cancelled: None })
    }

    /// How it stands now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.ends.is_some_and(|at| at <= now) {
            Standing::Ended
        } else if self.cancelled.is_some() {
            Standing::Ending
        } else if self.starts > now {
            Standing::Pending
        } else {
            Standing::Active
        }
    }
}

/// Whether a plan of this kind may be added to those a subscription has had.
///
/// # Errors
/// Why it may not.
pub fn may_add(had: &[Plan], kind: PlanKind, now: Timestamp) -> Result<(), &'static str> {
    if had.iter().any(|p| matches!(p.standing(now), Standing::Pending | Standing::Active)) {
        return Err("this subscription has a plan; cancel it, then add the new one");
    }
    if kind == PlanKind::Trial && had.iter().any(|p| p.kind == PlanKind::Trial) {
        return Err("this subscription has had its trial; choose a monthly or an annual plan");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn after(hours: i64) -> Timestamp {
        Timestamp(NOW.0 + hours * NOTICE)
    }

    #[test]
    fn a_trial_runs_its_thirty_days() {
        let trial = Plan::new(PlanKind::Trial, None, NOW).unwrap();
        assert_eq!(trial.committed, 1000);
        assert_eq!(trial.standing(NOW), Standing::Pending);
        assert_eq!(trial.standing(after(1)), Standing::Active);
        assert_eq!(trial.standing(after(30 * 24)), Standing::Active);
        assert_eq!(trial.standing(after(30 * 24 + 1)), Standing::Ended);
        assert!(Plan::new(PlanKind::Trial, Some(2000), NOW).is_err());
        assert!(may_add(std::slice::from_ref(&trial), PlanKind::Monthly, NOW).is_err());
        assert!(may_add(std::slice::from_ref(&trial), PlanKind::Trial, after(2000)).is_err());
        assert!(may_add(&[trial], PlanKind::Annual, after(2000)).is_ok());
    }

    #[test]
    fn a_count_is_changed_by_cancelling_and_adding() {
        let mut plan = Plan::new(PlanKind::Monthly, Some(1179), NOW).unwrap();
        assert_eq!((plan.committed, plan.ends), (1200, None));
        assert!(may_add(std::slice::from_ref(&plan), PlanKind::Monthly, after(5)).is_err());
        plan.cancelled = Some(after(5));
        plan.ends = Some(after(6));
        assert_eq!(plan.standing(after(5)), Standing::Ending);
        assert_eq!(plan.standing(after(6)), Standing::Ended);
        assert!(may_add(&[plan], PlanKind::Monthly, after(5)).is_ok());
        for wrong in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert!(Plan::new(PlanKind::Annual, wrong, NOW).is_err());
        }
    }
}
