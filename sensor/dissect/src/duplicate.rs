//! Frames that a mirror port shows twice: where it enters the switch, and where it leaves.
//!
//! Two frames are one when addresses and payload agree and they passed within [`WINDOW`] of each other; a VLAN tag may
//! differ, since switches add and remove them. A frame that a router has passed on differs in addresses and hop limit
//! and is two. Remembered is a keyed hash of each of the latest frames, in a table of fixed size.

use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

use eyot_contract::Timestamp;

use crate::link::Link;

/// Frames remembered, a power of two: 64 KiB. At a million frames a second that is eight milliseconds' worth.
const REMEMBERED: usize = 1 << 13;
/// Two equal frames further apart than this are two, in ticks of [`TICK`] microseconds: ten milliseconds.
const WINDOW: u64 = 39;
/// Bits of a microsecond that are dropped.
const TICK: u32 = 8;
/// Bits of an entry that hold its time; they go round after four minutes.
const TIME_BITS: u32 = 20;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// Bytes of the payload that are compared: network and transport headers with their identification, sequence numbers and
/// checksums.
const COMPARED: usize = 64;
/// Frames shorter than this have too little in them to be told apart.
const MIN_PAYLOAD: usize = 20;

pub(crate) struct Duplicates {
    /// Of each frame the hash's upper bits and the time.
    latest: Box<[u64]>,
    hasher: RandomState,
}

impl Duplicates {
    pub(crate) fn new() -> Self {
        Self { latest: vec![u64::MAX; REMEMBERED].into(), hasher: RandomState::default() }
    }

    /// Whether the frame was seen a moment ago. It is remembered in any case.
    #[inline]
    pub(crate) fn seen(&mut self, at: Timestamp, link: &Link<'_>) -> bool {
        if link.payload.len() < MIN_PAYLOAD {
            return false;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(word(link.source.map(|mac| mac.0)));
        hasher.write_u64(word(link.destination.map(|mac| mac.0)) ^ (link.payload.len() as u64) << 48);
        hasher.write(link.payload.get(..COMPARED).unwrap_or(link.payload));
        let hash = hasher.finish();
        let time = (at.0.cast_unsigned() >> TICK) & TIME_MASK;
        let place = usize::try_from(hash & (REMEMBERED as u64 - 1)).unwrap_or_default();
        let Some(entry) = self.latest.get_mut(place) else { return false };
        let former = std::mem::replace(entry, hash & !TIME_MASK | time);
        former & !TIME_MASK == hash & !TIME_MASK && time.wrapping_sub(former) & TIME_MASK <= WINDOW
    }
}

/// An address as a number.
#[inline]
fn word(address: Option<[u8; 6]>) -> u64 {
    let [a, b, c, d, e, f] = address.unwrap_or_default();
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::link::ethernet;

    fn frame(sequence: u8) -> Vec<u8> {
        let mut bytes = vec![0x11; 80];
        bytes[12..14].copy_from_slice(&[0x08, 0]);
        bytes[40] = sequence;
        bytes
    }

    #[test]
    fn the_same_frame_is_one_within_the_window_and_with_another_tag() {
        let mut duplicates = Duplicates::new();
        let (first, second) = (frame(1), frame(2));
        let link = |bytes| ethernet(bytes, None).unwrap();
        assert!(!duplicates.seen(Timestamp(1_000_000), &link(&first)));
        assert!(!duplicates.seen(Timestamp(1_000_001), &link(&second)));
        assert!(duplicates.seen(Timestamp(1_000_400), &link(&first)));
        let tagged = [&first[..12], &[0x81, 0, 0, 7], &first[12..]].concat();
        assert!(duplicates.seen(Timestamp(1_000_500), &link(&tagged)));
        assert!(!duplicates.seen(Timestamp(1_020_000), &link(&first)), "sent again");
        let mut routed = first.clone();
        routed[11] = 0x99;
        assert!(!duplicates.seen(Timestamp(1_020_001), &link(&routed)));
    }
}
