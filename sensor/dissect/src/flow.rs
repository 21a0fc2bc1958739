//! TCP connections, as far as a device says who it is: the first bytes of each direction, kept in order, bounded.
//!
//! The table is a fixed number of small slots in sets of [`WAYS`]; a connection's set follows from a keyed hash, so
//! nobody outside can aim at one. A new connection takes the place of the longest silent one of its set. Nothing is
//! inserted before a payload passes, so empty SYNs cost no memory. Most segments belong to a direction of which nothing
//! more is to be learnt, and one cache line, the set's, tells so. Bytes are copied only when a message does not fit
//! into one segment, into buffers whose number and size are bounded; when all are taken the oldest is given up. A
//! reader is shown each byte at most once as new, may ask to be left alone until there are more, and is asked a bounded
//! number of times.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::packet::{Packet, Tcp};
use crate::readings::Readings;
use crate::registry::{Outcome, PROTOCOLS};
use crate::{Counters, Limits, Summary};

/// Slots of one set.
const WAYS: usize = 4;
/// A connection silent for this long is a new one when it speaks again: ports are reused. Seconds.
const IDLE_SECONDS: u32 = 300;
/// First segments of a direction that are offered to the protocols before it counts as none of them.
const MAX_SNIFFED: u8 = 4;
/// Segments between two messages, a long body for instance, after which no further message is looked for.
const MAX_BETWEEN: u8 = 64;
/// Messages read per direction of one connection: an HTTP client says the same about itself each time.
const MAX_MESSAGES: u8 = 8;
/// Times a reader is asked about one message.
const MAX_ATTEMPTS: u8 = 16;
/// Segments beyond a gap after which the missing one is taken to be lost to the mirror.
const MAX_BEYOND_GAP: u8 = 3;

/// Memory that a buffer keeps while nobody uses it, in bytes: a request's head or a server's first flight.
const MAX_KEPT: usize = 6 * 1024;

/// First byte of a TLS record that begins a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// First bytes of one direction's message, as shown to a reader.
pub(crate) struct Stream<'a> {
    /// From the message's first byte.
    pub bytes: &'a [u8],
    /// Where the bytes begin that were not shown before.
    pub fresh: usize,
    /// No more will be shown: the direction ended, was cut, or reached its bound.
    pub last: bool,
    /// No message of this direction was read before.
    pub first: bool,
    /// A number that the reader may keep between calls about one message; 0 at its start.
    pub mark: &'a mut u32,
    /// Who sent it to whom; the payload is that of the latest segment.
    pub packet: &'a Packet<'a>,
}

/// A reader's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something else.
    NotMine,
    /// Show again when there are at least so many bytes in all.
    More(usize),
    /// This message is read; another may begin with a later segment.
    Message,
    /// Nothing more in this direction.
    Done,
}

/// How a protocol reads connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamReader {
    /// Whether a direction that starts with these bytes, between these ports, is this protocol's. Cheap.
    pub starts: fn(&[u8], &Packet<'_>) -> bool,
    /// Reads as far as there are bytes.
    pub read: fn(&mut Stream<'_>, &mut Readings<'_>) -> Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing recognised so far.
    Fresh,
    /// In the middle of a message.
    Collecting,
    /// Between two messages of a known protocol.
    Between,
    /// Nothing more to learn.
    Done,
}

const NO_BUFFER: u16 = u16::MAX;

#[derive(Clone, Copy, Debug)]
struct Direction {
    /// The sequence number after the last byte seen.
    next: u32,
    /// The reader's own.
    mark: u32,
    /// Bytes the reader asked for.
    need: u32,
    buffer: u16,
    state: State,
    protocol: u8,
    /// Segments in a row that began no message.
    sniffed: u8,
    messages: u8,
    attempts: u8,
    beyond_gap: u8,
}

const NEW_DIRECTION: Direction = Direction {
    next: 0,
    mark: 0,
    need: 0,
    buffer: NO_BUFFER,
    state: State::Fresh,
    protocol: 0,
    sniffed: 0,
    messages: 0,
    attempts: 0,
    beyond_gap: 0,
};

/// What every segment asks of its connection, of a whole set in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set {
    /// Keyed hash of the endpoints; 0 is an empty place.
    keys: [u64; WAYS],
    /// When a payload last passed, seconds.
    seen: [u32; WAYS],
    /// A bit for each side of which nothing more is to be learnt.
    done: [u8; WAYS],
}

const EMPTY_SET: Set = Set { keys: [0; WAYS], seen: [0; WAYS], done: [0; WAYS] };

type Slot = [Direction; 2];

const EMPTY: Slot = [NEW_DIRECTION; 2];

/// One direction of a connection in the table, with something in it to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    slot: usize,
    side: usize,
}

#[derive(Clone, Debug, Default)]
struct Buffer {
    /// Slot and side it belongs to while in use.
    owner: Option<(usize, usize)>,
    bytes: Vec<u8>,
}

/// The table.
pub(crate) struct Flows {
    sets: Box<[Set]>,
    /// [`WAYS`] of each set.
    slots: Box<[Slot]>,
    buffers: Box<[Buffer]>,
    free: Vec<u16>,
    /// Next buffer to be given up when none is free.
    oldest: usize,
    max_bytes: usize,
    hasher: RandomState,
}

impl Flows {
    pub(crate) fn new(limits: &Limits) -> Self {
        let slots = limits.max_flows.max(WAYS).next_power_of_two();
        let buffers = limits.max_collecting.clamp(1, usize::from(NO_BUFFER));
        Self {
            sets: vec![EMPTY_SET; slots / WAYS].into(),
            slots: vec![EMPTY; slots].into(),
            buffers: vec![Buffer::default(); buffers].into(),
            free: (0..NO_BUFFER).take(buffers).collect(),
            oldest: 0,
            max_bytes: limits.max_flow_bytes,
            hasher: RandomState::default(),
        }
    }

    /// Where a segment belongs, if it is worth reading. It counts as seen in any case.
    #[inline]
    pub(crate) fn place(
        &mut self,
        tcp: &Tcp<'_>,
        summary: &Summary,
        seconds: i64,
        counters: &mut Counters,
    ) -> Option<Place> {
        if tcp.payload.is_empty() && !(tcp.fin || tcp.syn || tcp.rst) {
            return None;
        }
        let (key, side) = self.key(tcp, summary)?;
        // the number of sets is a power of two
        let number = usize::try_from(key >> 8).unwrap_or_default() & (self.sets.len() - 1);
        let set = self.sets.get_mut(number)?;
        let found = set.keys.iter().position(|k| *k == key);
        if tcp.syn || tcp.rst {
            // a new connection between the same ports, or the end of one
            if let Some(way) = found {
                self.reset(number * WAYS + way, 0);
            }
            return None;
        }
        let now = u32::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { u32::MAX });
        let way = match found {
            Some(way) => {
                let seen = set.seen.get_mut(way)?;
                let idle = now.saturating_sub(*seen) > IDLE_SECONDS;
                *seen = now.max(*seen);
                if idle {
                    self.reset(number * WAYS + way, key);
                } else if set.done.get(way)? >> side & 1 != 0 {
                    return None;
                }
                way
            }
            None if tcp.payload.is_empty() => return None,
            None => {
                let way = (0..WAYS).min_by_key(|way| set.seen.get(*way)).unwrap_or_default();
                *set.seen.get_mut(way)? = now;
                let slot = number * WAYS + way;
                let unfinished = |d: &Direction| d.state == State::Collecting;
                let evicted = self.slots.get(slot).is_some_and(|slot| slot.iter().any(unfinished));
                counters.flows_evicted += u64::from(evicted);
                self.reset(slot, key);
                way
            }
        };
        Some(Place { slot: number * WAYS + way, side })
    }

    /// One segment. Answers with the index of the protocol that read something in it.
    pub(crate) fn segment(
        &mut self,
        place: Place,
        tcp: &Tcp<'_>,
        packet: &Packet<'_>,
        readings: &mut Readings<'_>,
        counters: &mut Counters,
    ) -> Option<usize> {
        let Place { slot, side } = place;
        let direction = self.direction(slot, side)?;
        let read = match direction.state {
            State::Done => None,
            State::Collecting => self.collect(slot, side, tcp, packet, readings, counters),
            State::Fresh | State::Between => {
                if tcp.payload.is_empty() || direction.state == State::Between && behind(tcp, direction.next)
                {
                    return None;
                }
                self.start(slot, side, tcp, packet, readings, counters)
            }
        };
        if self.direction(slot, side).is_some_and(|direction| direction.state == State::Done) {
            if let Some(done) = self.sets.get_mut(slot / WAYS).and_then(|set| set.done.get_mut(slot % WAYS)) {
                *done |= 1 << side;
            }
        }
        read
    }

    /// A segment that may begin a message.
    fn start(
        &mut self,
        place: usize,
        side: usize,
        tcp: &Tcp<'_>,
        packet: &Packet<'_>,
        readings: &mut Readings<'_>,
        counters: &mut Counters,
    ) -> Option<usize> {
        let direction = self.slots.get_mut(place)?.get_mut(side)?;
        let known = (direction.state == State::Between).then_some(usize::from(direction.protocol));
        let own = known.and_then(|index| Some((index, stream_of(index)?)));
        let own = own.filter(|(_, reader)| (reader.starts)(tcp.payload, packet));
        // a connection may turn to TLS on the way: STARTTLS, or CONNECT through a proxy
        let may_be_another = known.is_none() || tcp.payload.first() == Some(&TLS_HANDSHAKE);
        let reader = own.or_else(|| if may_be_another { recognise(tcp.payload, packet) } else { None });
        let Some((index, reader)) = reader else {
            // the body of a message that was read, or nothing that is known here
            direction.sniffed += 1;
            if direction.sniffed >= if known.is_none() { MAX_SNIFFED } else { MAX_BETWEEN } {
                direction.state = State::Done;
            }
            return None;
        };
        direction.sniffed = 0;
        direction.protocol = u8::try_from(index).ok()?;
        direction.next = tcp.sequence.wrapping_add(length(tcp.payload));
        direction.mark = 0;
        direction.attempts = 1;
        direction.beyond_gap = 0;
        let first = direction.messages == 0;
        let last = tcp.fin || packet.truncated || tcp.payload.len() >= self.max_bytes;
        let bytes = tcp.payload.get(..self.max_bytes).unwrap_or(tcp.payload);
        let verdict = (reader.read)(
            &mut Stream { bytes, fresh: 0, last, first, mark: &mut direction.mark, packet },
            readings,
        );
        match verdict {
            Verdict::More(need) if !last => {
                direction.need = u32::try_from(need).unwrap_or(u32::MAX);
                direction.state = State::Collecting;
                self.keep(place, side, bytes, counters);
            }
            verdict => settle(direction, verdict),
        }
        count(counters, index, verdict, readings);
        (verdict != Verdict::NotMine).then_some(index)
    }

    /// A segment of a message that has begun.
    fn collect(
        &mut self,
        place: usize,
        side: usize,
        tcp: &Tcp<'_>,
        packet: &Packet<'_>,
        readings: &mut Readings<'_>,
        counters: &mut Counters,
    ) -> Option<usize> {
        let direction = self.slots.get_mut(place)?.get_mut(side)?;
        let buffer = self.buffers.get_mut(usize::from(direction.buffer))?;
        let fresh = buffer.bytes.len();
        let mut last = tcp.fin || packet.truncated;
        // how far the segment starts before (positive) or behind (negative) what is expected
        let overlap = direction.next.wrapping_sub(tcp.sequence).cast_signed();
        if overlap < 0 {
            direction.beyond_gap += 1;
            if direction.beyond_gap < MAX_BEYOND_GAP && !tcp.fin {
                return None;
            }
            counters.gaps += 1;
            last = true;
        } else {
            let news =
                usize::try_from(overlap).ok().and_then(|skip| tcp.payload.get(skip..)).unwrap_or_default();
            if news.is_empty() && !tcp.fin {
                return None;
            }
            let room = self.max_bytes.saturating_sub(fresh);
            if news.len() >= room {
                counters.oversized += 1;
                last = true;
            }
            buffer.bytes.extend_from_slice(news.get(..room).unwrap_or(news));
            direction.next = direction.next.wrapping_add(length(news));
        }
        if direction.attempts >= MAX_ATTEMPTS {
            last = true;
        }
        if buffer.bytes.len() < usize::try_from(direction.need).unwrap_or(usize::MAX) && !last {
            return None;
        }
        direction.attempts += 1;
        let index = usize::from(direction.protocol);
        let reader = stream_of(index)?;
        let first = direction.messages == 0;
        let mut stream =
            Stream { bytes: &buffer.bytes, fresh, last, first, mark: &mut direction.mark, packet };
        let verdict = (reader.read)(&mut stream, readings);
        match verdict {
            Verdict::More(need) if !last => direction.need = u32::try_from(need).unwrap_or(u32::MAX),
            verdict => {
                settle(direction, verdict);
                self.drop_buffer(place, side);
            }
        }
        count(counters, index, verdict, readings);
        (verdict != Verdict::NotMine).then_some(index)
    }

    /// Which connection, and which of its two sides is speaking.
    #[inline]
    fn key(&self, tcp: &Tcp<'_>, summary: &Summary) -> Option<(u64, usize)> {
        let mut hasher = self.hasher.build_hasher();
        let side = match (summary.source_ip?, summary.destination_ip?) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let [from, to] = [(from, tcp.source), (to, tcp.destination)]
                    .map(|(ip, port)| u64::from(ip.to_bits()) << 16 | u64::from(port));
                hasher.write_u64(from.min(to));
                hasher.write_u64(from.max(to));
                from > to
            }
            (from, to) => {
                let [from, to] = [(from, tcp.source), (to, tcp.destination)];
                let (low, high) = (from.min(to), from.max(to));
                for (ip, port) in [low, high] {
                    let bits = match ip {
                        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
                        IpAddr::V6(ip) => ip.to_bits(),
                    };
                    hasher.write_u128(bits);
                    hasher.write_u16(port);
                }
                from > to
            }
        };
        Some((hasher.finish().max(1), usize::from(side)))
    }

    fn reset(&mut self, place: usize, key: u64) {
        self.drop_buffer(place, 0);
        self.drop_buffer(place, 1);
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = EMPTY;
        }
        let Some(set) = self.sets.get_mut(place / WAYS) else { return };
        if key == 0 {
            // the first to be taken again
            if let Some(seen) = set.seen.get_mut(place % WAYS) {
                *seen = 0;
            }
        }
        if let (Some(old), Some(done)) = (set.keys.get_mut(place % WAYS), set.done.get_mut(place % WAYS)) {
            *old = key;
            *done = 0;
        }
    }

    /// Copies the first bytes of a message, taking the oldest buffer when none is free.
    fn keep(&mut self, place: usize, side: usize, bytes: &[u8], counters: &mut Counters) {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = self.oldest;
                self.oldest = (number + 1) % self.buffers.len();
                if let Some((place, side)) = self.buffers.get(number).and_then(|buffer| buffer.owner) {
                    counters.collecting_evicted += 1;
                    if let Some(loser) = self.direction(place, side) {
                        loser.state = State::Done;
                        loser.buffer = NO_BUFFER;
                    }
                }
                u16::try_from(number).unwrap_or(NO_BUFFER)
            }
        };
        if let Some(buffer) = self.buffers.get_mut(usize::from(number)) {
            buffer.owner = Some((place, side));
            buffer.bytes.clear();
            buffer.bytes.extend_from_slice(bytes);
        }
        if let Some(direction) = self.direction(place, side) {
            direction.buffer = number;
        }
    }

    fn drop_buffer(&mut self, place: usize, side: usize) {
        let Some(direction) = self.direction(place, side) else { return };
        let number = std::mem::replace(&mut direction.buffer, NO_BUFFER);
        if let Some(buffer) = self.buffers.get_mut(usize::from(number)) {
            buffer.owner = None;
            // much memory goes too: a burst must not hold it for ever
            if buffer.bytes.capacity() > MAX_KEPT {
                buffer.bytes = Vec::new();
            } else {
                buffer.bytes.clear();
            }
            self.free.push(number);
        }
    }

    fn direction(&mut self, place: usize, side: usize) -> Option<&mut Direction> {
        self.slots.get_mut(place)?.get_mut(side)
    }
}

/// What a verdict that ends a message makes of its direction.
fn settle(direction: &mut Direction, verdict: Verdict) {
    direction.messages = direction.messages.saturating_add(1);
    direction.state = match verdict {
        Verdict::Message | Verdict::More(_) if direction.messages < MAX_MESSAGES => State::Between,
        Verdict::NotMine if direction.messages < MAX_MESSAGES => State::Fresh,
        _ => State::Done,
    };
}

fn count(counters: &mut Counters, index: usize, verdict: Verdict, readings: &Readings<'_>) {
    let outcome = match verdict {
        Verdict::NotMine => Some(Outcome::NotMine),
        Verdict::Message | Verdict::Done => Some(Outcome::Whole),
        Verdict::More(_) => None,
    };
    counters.count(index, outcome, readings);
}

/// The protocol that a direction with these first bytes belongs to.
fn recognise(bytes: &[u8], packet: &Packet<'_>) -> Option<(usize, &'static StreamReader)> {
    PROTOCOLS.iter().enumerate().find_map(|(index, protocol)| {
        let reader = protocol.stream.as_ref()?;
        (reader.starts)(bytes, packet).then_some((index, reader))
    })
}

fn stream_of(index: usize) -> Option<&'static StreamReader> {
    PROTOCOLS.get(index).and_then(|protocol| protocol.stream.as_ref())
}

/// A segment that brings nothing beyond what was seen: a retransmission, or a mirror's second copy.
fn behind(tcp: &Tcp<'_>, next: u32) -> bool {
    let end = tcp.sequence.wrapping_add(length(tcp.payload));
    end.wrapping_sub(next).cast_signed() <= 0
}

fn length(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}
