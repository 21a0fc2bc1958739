//! IP datagrams put together from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5), in bounded memory.
//!
//! At most [`MAX_DATAGRAMS`] are being put together at once, of at most [`MAX_PIECES`] pieces each and [`MAX_HELD`] bytes
//! all together; the oldest gives way, and one that is not whole after [`PATIENCE`] is given up. Where pieces overlap the
//! first counts, as most receivers have it. Nothing is decided by a datagram that is never whole: its first fragment
//! was read by itself.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::IpAddr;

use eyot_contract::Timestamp;
use foldhash::quality::RandomState;

/// Datagrams being put together at once.
pub(crate) const MAX_DATAGRAMS: usize = 256;
/// Pieces of one datagram: 64 KiB in the smallest fragments that links have (RFC 791 asks for 68 bytes) would be more, and
/// are an attack.
const MAX_PIECES: usize = 64;
/// Bytes held of all datagrams together.
pub(crate) const MAX_HELD: usize = 2 << 20;
/// Longest payload of an IP datagram.
const MAX_LENGTH: usize = 65_535;
/// How long the pieces may be apart, in microseconds: what RFC 8200 asks hosts for, halved, as mirrors are fast.
const PATIENCE: i64 = 30 * 1_000_000;

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub identification: u32,
    pub protocol: u8,
    /// Where its bytes belong, in bytes.
    pub offset: usize,
    /// More follow.
    pub more: bool,
    pub bytes: &'a [u8],
}

#[derive(Debug)]
struct Datagram {
    key: u64,
    since: Timestamp,
    bytes: Vec<u8>,
    /// What is there: disjoint, ascending.
    pieces: Vec<(usize, usize)>,
    length: Option<usize>,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCounters {
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams put together.
    pub whole: u64,
    /// Datagrams given up: a piece missing, too many pieces, or others needed the room.
    pub given_up: u64,
}

/// Datagrams on the way to being whole, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: VecDeque<Datagram>,
    held: usize,
    hasher: RandomState,
    counters: FragmentCounters,
}

impl Fragments {
    /// Takes a fragment; the datagram's payload when it is the last that was missing.
    pub(crate) fn take(&mut self, at: Timestamp, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        self.counters.fragments += 1;
        while self.datagrams.front().is_some_and(|d| at.0.saturating_sub(d.since.0) > PATIENCE) {
            self.give_up(0);
        }
        let end = fragment.offset + fragment.bytes.len();
        if end > MAX_LENGTH || fragment.bytes.is_empty() {
            return None;
        }
        let Fragment { source, destination, identification, protocol, .. } = *fragment;
        let key = self.hasher.hash_one((source, destination, identification, protocol));
        let place = match self.datagrams.iter().position(|d| d.key == key) {
            Some(place) => place,
            None => {
                if self.datagrams.len() >= MAX_DATAGRAMS {
                    self.give_up(0);
                }
                self.datagrams.push_back(Datagram {
                    key,
                    since: at,
                    bytes: Vec::new(),
                    pieces: Vec::new(),
                    length: None,
                });
                self.datagrams.len() - 1
            }
        };
        let datagram = self.datagrams.get_mut(place)?;
        let before = datagram.bytes.len();
        let fits = datagram.add(fragment, end);
        self.held += datagram.bytes.len() - before;
        if !fits {
            self.give_up(place);
            return None;
        }
        if datagram.is_whole() {
            let datagram = self.datagrams.remove(place)?;
            self.held -= datagram.bytes.len();
            self.counters.whole += 1;
            return Some(datagram.bytes);
        }
        while self.held > MAX_HELD {
            self.give_up(0);
        }
        None
    }

    pub(crate) fn counters(&self) -> FragmentCounters {
        self.counters
    }

    fn give_up(&mut self, place: usize) {
        if let Some(datagram) = self.datagrams.remove(place) {
            self.held -= datagram.bytes.len();
            self.counters.given_up += 1;
        }
    }
}

impl Datagram {
    /// Whether there was room for it.
    fn add(&mut self, fragment: &Fragment<'_>, end: usize) -> bool {
        if !fragment.more {
            if self.length.is_some_and(|length| length != end) {
                return false;
            }
            self.length = Some(end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        // only into the holes
        let mut at = fragment.offset;
        let mut holes = Vec::new();
        for &(from, to) in self.pieces.iter().filter(|(from, to)| *to > fragment.offset && *from < end) {
            if at < from {
                holes.push((at, from));
            }
            at = at.max(to);
        }
        if at < end {
            holes.push((at, end));
        }
        for (from, to) in holes {
            let news = fragment.bytes.get(from - fragment.offset..to - fragment.offset);
            if let (Some(old), Some(news)) = (self.bytes.get_mut(from..to), news) {
                old.copy_from_slice(news);
            }
            self.pieces.push((from, to));
        }
        self.pieces.sort_unstable();
        self.pieces.dedup_by(|next, former| {
            let touches = next.0 == former.1;
            if touches {
                former.1 = next.1;
            }
            touches
        });
        self.pieces.len() <= MAX_PIECES
    }

    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| self.pieces == [(0, length)] && self.bytes.len() == length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn fragment(identification: u32, offset: usize, more: bool, bytes: &[u8]) -> Fragment<'_> {
        let [source, destination] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
        Fragment { source, destination, identification, protocol: 17, offset, more, bytes }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whole_in_any_order_and_with_repetitions(
            bytes in prop::collection::vec(any::<u8>(), 17..400),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let pieces: Vec<_> = bytes.chunks(16).enumerate().map(|(n, piece)| (n * 16, piece)).collect();
            let mut fragments = Fragments::default();
            let mut seen = std::collections::BTreeSet::new();
            let all = order.iter().map(|index| index.index(pieces.len())).chain((0..pieces.len()).rev());
            for n in all {
                let (offset, piece) = pieces[n];
                let more = offset + piece.len() < bytes.len();
                seen.insert(n);
                let whole = fragments.take(Timestamp(0), &fragment(1, offset, more, piece));
                prop_assert_eq!(whole.is_some(), seen.len() == pieces.len());
                if let Some(whole) = whole {
                    prop_assert_eq!(&whole, &bytes);
                    break;
                }
            }
            prop_assert_eq!(fragments.held, 0);
        }

        #[test]
        fn any_fragments_stay_within_bounds(
            parts in prop::collection::vec((0_u32..400, 0_usize..9_000, any::<bool>(), 0_usize..3_000), 0..600),
        ) {
            let bytes = vec![7; 3_000];
            let mut fragments = Fragments::default();
            for (n, (id, offset, more, length)) in parts.into_iter().enumerate() {
                let part = fragment(id, offset * 8, more, &bytes[..length]);
                fragments.take(Timestamp(n as i64 * 1_000), &part);
                prop_assert!(fragments.datagrams.len() <= MAX_DATAGRAMS);
                prop_assert!(fragments.held <= MAX_HELD);
                prop_assert_eq!(fragments.held, fragments.datagrams.iter().map(|d| d.bytes.len()).sum::<usize>());
            }
        }
    }

    #[test]
    fn the_first_of_two_that_overlap_counts() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.take(Timestamp(0), &fragment(1, 0, true, &[1; 16])), None);
        let whole = fragments.take(Timestamp(0), &fragment(1, 8, false, &[2; 16])).unwrap();
        assert_eq!(whole, [[1; 16].as_slice(), &[2; 8]].concat());
    }

    #[test]
    fn given_up_after_a_while_and_for_contradictions() {
        let mut fragments = Fragments::default();
        fragments.take(Timestamp(0), &fragment(1, 0, true, &[1; 16]));
        fragments.take(Timestamp(PATIENCE + 1), &fragment(2, 0, true, &[1; 16]));
        assert_eq!(fragments.counters().given_up, 1);
        fragments.take(Timestamp(PATIENCE + 2), &fragment(2, 64, false, &[1; 16]));
        fragments.take(Timestamp(PATIENCE + 3), &fragment(2, 128, false, &[1; 16]));
        assert_eq!(fragments.counters().given_up, 2);
        for id in 0..2 * MAX_DATAGRAMS as u32 {
            fragments.take(Timestamp(PATIENCE + 4), &fragment(id + 10, 0, true, &[1; 16]));
        }
        assert_eq!(fragments.datagrams.len(), MAX_DATAGRAMS);
        assert_eq!(fragments.counters().given_up, 2 + MAX_DATAGRAMS as u64);
    }
}
