//! Which pair of addresses is talking for the first time in a while: the one question asked of every frame.
//!
//! A table of fixed size holds a keyed hash of each pair and the present five minutes; what is not found there is taken
//! for new, so a collision costs a second look and never a missed one.

use std::hash::BuildHasher;
use std::net::IpAddr;

use eyot_contract::Timestamp;

/// Slots; 128 KiB.
const SLOTS: usize = 1 << 14;
/// A pair is new again after so long: five minutes, in microseconds.
const SPAN: i64 = 5 * 60 * 1_000_000;

/// The table.
pub struct Conversations {
    slots: Box<[u64; SLOTS]>,
    hasher: foldhash::fast::RandomState,
}

impl Default for Conversations {
    fn default() -> Self {
        Self { slots: Box::new([0; SLOTS]), hasher: foldhash::fast::RandomState::default() }
    }
}

impl Conversations {
    /// Whether this direction was not seen within the present span.
    #[inline]
    pub fn begins(&mut self, from: IpAddr, to: IpAddr, at: Timestamp) -> bool {
        let key = self.hasher.hash_one((number(from), number(to), at.0.div_euclid(SPAN))) | 1;
        // the low bit is taken
        let slot = &mut self.slots[(key >> 1) as usize % SLOTS];
        std::mem::replace(slot, key) != key
    }
}

#[inline]
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The same for rarer events: whether something like it was noticed within the last minute.
pub struct Recent {
    slots: Box<[(u64, i64); RECENT]>,
    hasher: foldhash::fast::RandomState,
}

/// Slots of [`Recent`].
const RECENT: usize = 1 << 12;
/// A minute, in microseconds.
const MINUTE: i64 = 60 * 1_000_000;

impl Default for Recent {
    fn default() -> Self {
        Self { slots: Box::new([(0, i64::MIN); RECENT]), hasher: foldhash::fast::RandomState::default() }
    }
}

impl Recent {
    /// Whether it is the first such within a minute.
    pub fn is_first(&mut self, what: impl std::hash::Hash, at: Timestamp) -> bool {
        let key = self.hasher.hash_one(what);
        let slot = &mut self.slots[key as usize % RECENT];
        let known = slot.0 == key && (at.0.saturating_sub(slot.1)).abs() < MINUTE;
        if !known {
            *slot = (key, at.0);
        }
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_begins_once_in_five_minutes() {
        let mut table = Conversations::default();
        let [a, b] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        assert!(table.begins(a, b, Timestamp(0)));
        assert!(!table.begins(a, b, Timestamp(SPAN - 1)));
        assert!(table.begins(b, a, Timestamp(0)));
        assert!(table.begins(a, b, Timestamp(SPAN)));
    }

    #[test]
    fn an_event_is_first_once_a_minute() {
        let mut recent = Recent::default();
        assert!(recent.is_first("x", Timestamp(0)));
        assert!(!recent.is_first("x", Timestamp(MINUTE - 1)));
        assert!(recent.is_first("y", Timestamp(0)));
        assert!(recent.is_first("x", Timestamp(MINUTE)));
    }
}
