//! Frames drawn together, before they come to the inventory.
//!
//! Most frames say what the one before said: the same sender speaks to the same addressee. A [`Gatherer`] takes the frames of
//! one ring or one file through a dissector of its own and hands on the first of each such conversation, whatever
//! opens a connection and whatever was read, at once and in order; of all others only how many there were, once a
//! second of the frames' own time or when another conversation needs the place. So several rings can be read by several
//! threads and one inventory keeps up with them, and what the inventory knows afterwards is what it would know had it
//! seen each frame.
//!
//! What is remembered is a table of fixed size, found by a keyed hash.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use eyot_capture::Frame;
use eyot_contract::Timestamp;
use eyot_dissect::{Counters, Dissector, Limits, Summary};
use foldhash::quality::RandomState;

use crate::inventory::{forwarded, Inventory};
use crate::readings::Readings;

/// Conversations drawn together at once, a power of two: 640 KiB.
const CONVERSATIONS: usize = 1 << 12;
/// What was counted is handed on so often, in microseconds of the frames' time.
const SETTLE_EVERY: i64 = 1_000_000;

/// One frame, or several that were alike.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The latest.
    pub at: Timestamp,
    /// How many.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// What each of them was; ports and hop limit are the first one's.
    pub summary: Summary,
}

impl Sighting {
    /// Of the end of a tunnel, in which a frame of `inside` came. Where both have one link address (a tunnel of bare packets)
    /// the frame was counted for it already.
    pub(crate) fn outside(frame: &Frame<'_>, outside: Summary, inside: &Summary) -> Self {
        let again = outside.source == inside.source;
        let bytes = if again { 0 } else { frame.wire_len.into() };
        Self { at: frame.at, frames: u64::from(!again), bytes, summary: outside }
    }
}

/// Sightings and what was read of them, in order.
#[derive(Debug, Default)]
pub struct Gathered {
    sightings: Vec<(Sighting, usize)>,
    readings: Readings,
}

impl Gathered {
    /// How many sightings.
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.sightings.clear();
        self.readings.clear();
    }

    #[inline]
    fn push(&mut self, sighting: Sighting) {
        self.sightings.push((sighting, self.readings.len()));
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// 0: nothing.
    key: u64,
    at: Timestamp,
    bytes: u64,
    /// One or none of each sighting: of a frame that was counted for the same sender already, only the time is news.
    frames: u32,
    /// Something is in it that was not handed on.
    waits: bool,
}

const EMPTY: Cell = Cell { key: 0, at: Timestamp(0), bytes: 0, frames: 0, waits: false };

/// Takes frames, gives sightings.
pub struct Gatherer {
    dissector: Dissector,
    cells: Box<[Cell]>,
    /// What the frames of each cell were; apart, because it is looked at only at the beginning and the end.
    summaries: Box<[Summary]>,
    /// Cells with something in them.
    counted: Vec<usize>,
    settled: Timestamp,
    hasher: RandomState,
    gathered: Gathered,
}

impl Gatherer {
    /// One that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self {
            dissector: Dissector::new(limits),
            cells: vec![EMPTY; CONVERSATIONS].into(),
            summaries: vec![Summary::default(); CONVERSATIONS].into(),
            counted: Vec::with_capacity(CONVERSATIONS),
            settled: Timestamp(i64::MIN),
            hasher: RandomState::default(),
            gathered: Gathered::default(),
        }
    }

    /// Takes one frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        if frame.at.0.saturating_sub(self.settled.0) >= SETTLE_EVERY {
            self.settle();
            self.settled = frame.at;
        }
        let readings = &mut self.gathered.readings;
        let before = readings.len();
        let summary = self.dissector.frame(frame, &mut |observation| readings.push(observation));
        if summary.duplicate {
            return;
        }
        let news = readings.len() > before || summary.opening.is_some() || summary.protocol.is_some();
        let bytes = frame.wire_len.into();
        if news {
            self.gathered.push(Sighting { at: frame.at, frames: 1, bytes, summary });
        } else {
            self.draw_together(frame.at, 1, bytes, &summary);
        }
        if summary.tunnel.is_some() {
            self.outsides(frame, &summary);
        }
    }

    /// Those who carried the frame; after it, because what was read belongs to the first sighting behind it.
    #[cold]
    fn outsides(&mut self, frame: &Frame<'_>, inside: &Summary) {
        for at in 0..self.dissector.outsides().len() {
            let outside = self.dissector.outsides()[at];
            let Sighting { at, frames, bytes, summary } = Sighting::outside(frame, outside, inside);
            self.draw_together(at, frames, bytes, &summary);
        }
    }

    /// What makes a sighting; it is put together only where it is handed on.
    #[inline]
    fn draw_together(&mut self, at: Timestamp, frames: u64, bytes: u64, summary: &Summary) {
        let key = self.key(summary);
        let place = key as usize % CONVERSATIONS;
        let cell = &mut self.cells[place];
        if cell.key == key {
            if !cell.waits {
                cell.waits = true;
                self.counted.push(place);
            }
            cell.frames += u32::from(frames > 0);
            cell.bytes += bytes;
            cell.at = cell.at.max(at);
            return;
        }
        self.hand_on(place);
        self.cells[place] = Cell { key, at, ..EMPTY };
        self.summaries[place] = *summary;
        self.gathered.push(Sighting { at, frames, bytes, summary: *summary });
    }

    /// Hands on what was counted so far.
    pub fn settle(&mut self) {
        let mut counted = std::mem::take(&mut self.counted);
        for place in counted.drain(..) {
            self.hand_on(place);
        }
        self.counted = counted;
    }

    /// What is waiting to be taken.
    pub fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    /// The same, for an [`Inventory`] to take.
    pub fn gathered_mut(&mut self) -> &mut Gathered {
        &mut self.gathered
    }

    /// Takes what is waiting and leaves `empty` in its place.
    pub fn exchange(&mut self, empty: Gathered) -> Gathered {
        std::mem::replace(&mut self.gathered, empty)
    }

    /// Forgets what is waiting, once an inventory has taken it.
    pub fn clear(&mut self) {
        self.gathered.clear();
    }

    /// What the dissector counted.
    pub fn counters(&self) -> Counters {
        self.dissector.counters()
    }

    #[inline]
    fn hand_on(&mut self, place: usize) {
        let cell = &mut self.cells[place];
        if cell.waits {
            let (frames, bytes) = (u64::from(cell.frames), cell.bytes);
            (cell.frames, cell.bytes, cell.waits) = (0, 0, false);
            self.gathered.push(Sighting { at: cell.at, frames, bytes, summary: self.summaries[place] });
        }
    }

    /// All in which frames must agree to be alike.
    #[inline]
    fn key(&self, summary: &Summary) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let mac = |mac: Option<eyot_contract::MacAddr>| {
            let [a, b, c, d, e, f] = mac.map_or([0; 6], |mac| mac.0);
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        };
        let flags = u64::from(summary.outside) << 1 | u64::from(forwarded(summary));
        let tag = u64::from(summary.vlan.unwrap_or(0)) << 2 | flags;
        hasher.write_u64(mac(summary.source) | tag << 48);
        match (summary.source_ip, summary.destination_ip) {
            (Some(IpAddr::V4(from)), Some(IpAddr::V4(to))) => {
                hasher.write_u64(u64::from(from.to_bits()) << 32 | u64::from(to.to_bits()));
            }
            (from, to) => {
                for ip in [from, to] {
                    hasher.write_u128(match ip {
                        Some(IpAddr::V6(ip)) => ip.to_bits(),
                        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped().to_bits(),
                        None => 0,
                    });
                }
            }
        }
        hasher.finish().max(1)
    }
}

impl Inventory {
    /// Takes what was gathered. `each` is shown every sighting right after it was taken, while
    /// [`readings`](Self::readings) are that one's.
    pub fn take(&mut self, gathered: &mut Gathered, mut each: impl FnMut(&Sighting, &Self)) {
        // they are lent to the inventory, so that nothing is copied
        self.exchange_readings(&mut gathered.readings);
        let mut start = 0;
        for (sighting, end) in &gathered.sightings {
            self.take_one(sighting, start..*end);
            start = *end;
            each(sighting, self);
        }
        self.exchange_readings(&mut gathered.readings);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use eyot_capture::LinkType;

    use super::*;

    /// A datagram of one of four hosts to another, every 10 ms; every tenth asks DNS for something, every 25th comes twice.
    fn traffic() -> Vec<(i64, Vec<u8>)> {
        let mut frames = Vec::new();
        for n in 0..5_000_u32 {
            let (from, to) = ((n % 4) as u8, ((n / 3) % 4) as u8);
            let dns = n % 10 == 0;
            let mut payload = n.to_be_bytes().to_vec();
            if dns {
                payload = vec![0, (n % 251) as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                payload.extend([1, b'a' + (n / 10 % 20) as u8, 4]);
                payload.extend(b"test\0\0\x01\0\x01");
            }
            let mut bytes = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x08, 0, 0x45, 0];
            bytes.extend((payload.len() as u16 + 28).to_be_bytes());
            bytes.extend([(n >> 8) as u8, n as u8, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
            bytes.extend([0x9c, 0x40, 0, if dns { 53 } else { 99 }]);
            bytes.extend((payload.len() as u16 + 8).to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(payload);
            let at = 1_700_000_000_000_000 + i64::from(n) * 10_000;
            frames.push((at, bytes.clone()));
            if n % 25 == 0 {
                frames.push((at + 5, bytes));
            }
        }
        frames
    }

    fn frame(at: i64, bytes: &[u8]) -> Frame<'_> {
        let wire_len = bytes.len() as u32;
        Frame { at: Timestamp(at), link: LinkType::ETHERNET, bytes, wire_len, vlan: None }
    }

    #[test]
    fn an_inventory_of_what_was_gathered_is_that_of_the_frames() {
        let frames = traffic();
        let mut one_by_one = Inventory::new();
        let mut dissector = Dissector::new(Limits::default());
        for (at, bytes) in &frames {
            one_by_one.frame(&mut dissector, &frame(*at, bytes));
        }
        let mut together = Inventory::new();
        let mut gatherer = Gatherer::new(Limits::default());
        let mut sightings = 0;
        for (n, (at, bytes)) in frames.iter().enumerate() {
            gatherer.frame(&frame(*at, bytes));
            if n % 100 == 99 {
                sightings += gatherer.gathered().len();
                together.take(gatherer.gathered_mut(), |_, _| ());
                gatherer.clear();
            }
        }
        gatherer.settle();
        together.take(gatherer.gathered_mut(), |_, _| ());
        for inventory in [&mut one_by_one, &mut together] {
            inventory.identify(usize::MAX);
        }
        assert_eq!(together.records(), one_by_one.records());
        assert_eq!(together.counters(), one_by_one.counters());
        assert_eq!(together.counters().frames, 5_000, "second copies are not counted");
        assert!(sightings < 2_500, "{sightings} of {} frames", frames.len());
    }

    #[test]
    fn who_watches_sees_each_reading_beside_its_sighting() {
        let mut gatherer = Gatherer::new(Limits::default());
        for (at, bytes) in traffic() {
            gatherer.frame(&frame(at, &bytes));
        }
        let mut seen = 0;
        let mut inventory = Inventory::new();
        inventory.take(gatherer.gathered_mut(), |sighting, inventory| {
            assert_eq!(inventory.has_readings(), sighting.summary.protocol.is_some());
            seen += inventory.readings().count();
        });
        assert_eq!(seen, 500);
    }
}
