//! Which of the segments that open TCP connections are read: a device opens them in the same way each time, so one in a while
//! tells as much as all of them. Remembered is a keyed hash of who opened one and when, in a table of fixed size; of two
//! that fall into one place the later is read again.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use eyot_contract::Timestamp;
use foldhash::quality::RandomState;

use crate::Summary;

/// Openers remembered, a power of two: 64 KiB.
const REMEMBERED: usize = 1 << 12;
/// One is read again after so long, in microseconds.
const INTERVAL: i64 = 10_000_000;

pub(crate) struct Openings {
    latest: Box<[(u64, Timestamp)]>,
    hasher: RandomState,
}

impl Openings {
    pub(crate) fn new() -> Self {
        Self { latest: vec![(0, Timestamp(0)); REMEMBERED].into(), hasher: RandomState::default() }
    }

    /// Whether this one is to be read; if it is, the next ones of the same sender are not, for a while. Whoever asks
    /// and agrees is two.
    #[inline]
    pub(crate) fn is_due(&mut self, at: Timestamp, summary: &Summary, agreed: bool) -> bool {
        let mut hasher = self.hasher.build_hasher();
        let [a, b, c, d, e, f] = summary.source.map_or([0; 6], |mac| mac.0);
        hasher.write_u64(u64::from_le_bytes([a, b, c, d, e, f, u8::from(agreed), 0]));
        match summary.source_ip {
            Some(IpAddr::V4(ip)) => hasher.write_u32(ip.to_bits()),
            Some(IpAddr::V6(ip)) => hasher.write_u128(ip.to_bits()),
            None => {}
        }
        // 0 is an empty place
        let hash = hasher.finish() | 1;
        let place = usize::try_from(hash >> 1 & (REMEMBERED as u64 - 1)).unwrap_or_default();
        let Some((known, latest)) = self.latest.get_mut(place) else { return true };
        if *known == hash && (0..INTERVAL).contains(&at.0.saturating_sub(latest.0)) {
            return false;
        }
        (*known, *latest) = (hash, at);
        true
    }
}

#[cfg(test)]
mod tests {
    use eyot_contract::MacAddr;

    use super::*;

    #[test]
    fn one_in_a_while_of_each_who_asks_and_of_each_who_agrees() {
        let mut openings = Openings::new();
        let summary = |last| Summary {
            source: Some(MacAddr([0, 1, 2, 3, 4, last])),
            source_ip: Some([192, 0, 2, last].into()),
            ..Summary::default()
        };
        let at = Timestamp;
        assert!(openings.is_due(at(5), &summary(1), false));
        assert!(!openings.is_due(at(6), &summary(1), false));
        assert!(openings.is_due(at(6), &summary(1), true));
        assert!(openings.is_due(at(7), &summary(2), false));
        assert!(!openings.is_due(at(INTERVAL), &summary(1), false));
        assert!(openings.is_due(at(INTERVAL + 5), &summary(1), false));
        assert!(openings.is_due(at(0), &summary(1), false), "a clock that was put back");
        let elsewhere = Summary { source_ip: None, ..summary(1) };
        assert!(openings.is_due(at(1), &elsewhere, false));
    }
}
