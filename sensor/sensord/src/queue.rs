//! The one queue of the pipeline: batches of frames from the capture threads to the thread that discovers.
//!
//! A fixed number of batches go round. When all are full the capture threads wait, so that the only place where frames
//! can be lost is the kernel's ring, which counts what it drops.

use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;

/// Batches that go round. With [`BATCH_FRAMES`], some 8 MiB of ordinary frames; half a gigabyte if every frame were one
/// that offloads have merged to 64 KiB.
const BATCHES: usize = 16;
/// Most frames in a batch.
pub const BATCH_FRAMES: usize = 512;
/// Memory that an empty batch keeps, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Frames, copied one behind the other.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    link: LinkType,
    wire_len: u32,
    vlan: Option<u16>,
    end: usize,
}

impl Batch {
    /// Copies a frame in.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.bytes);
        self.frames.push(Entry {
            at: frame.at,
            link: frame.link,
            wire_len: frame.wire_len,
            vlan: frame.vlan,
            end: self.bytes.len(),
        });
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames, in the order in which they came.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut start = 0;
        self.frames.iter().map(move |e| {
            let bytes = &self.bytes[start..e.end];
            start = e.end;
            Frame { at: e.at, link: e.link, bytes, wire_len: e.wire_len, vlan: e.vlan }
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BATCH_BYTES);
        self.frames.clear();
    }
}

/// Fills batches.
#[derive(Clone)]
pub struct Filler {
    full: Sender<Batch>,
    empty: Receiver<Batch>,
}

/// Empties batches.
pub struct Drainer {
    full: Receiver<Batch>,
    empty: Sender<Batch>,
}

/// Makes the queue.
pub fn queue() -> (Filler, Drainer) {
    let (full_in, full_out) = bounded(BATCHES);
    let (empty_in, empty_out) = bounded(BATCHES);
    for _ in 0..BATCHES {
        // the channel has room for every batch there is
        let _ = empty_in.send(Batch::default());
    }
    (Filler { full: full_in, empty: empty_out }, Drainer { full: full_out, empty: empty_in })
}

impl Filler {
    /// An empty batch; waits until there is one. `None` when the drainer is gone.
    pub fn empty(&self) -> Option<Batch> {
        self.empty.recv().ok()
    }

    /// Hands a batch on. False when the drainer is gone.
    pub fn hand_on(&self, batch: Batch) -> bool {
        self.full.send(batch).is_ok()
    }
}

/// What came out of the queue.
#[derive(Debug)]
pub enum Drained {
    /// A batch; give it back with [`Drainer::give_back`].
    Batch(Batch),
    /// Nothing in time.
    Nothing,
    /// All fillers are gone and everything was drained.
    Ended,
}

impl Drainer {
    /// The next batch, waited for at most so long.
    pub fn next(&self, wait: Duration) -> Drained {
        match self.full.recv_timeout(wait) {
            Ok(batch) => Drained::Batch(batch),
            Err(RecvTimeoutError::Timeout) => Drained::Nothing,
            Err(RecvTimeoutError::Disconnected) => Drained::Ended,
        }
    }

    /// Lets a drained batch be filled again.
    pub fn give_back(&self, mut batch: Batch) {
        batch.clear();
        // nobody left to fill it is no loss
        let _ = self.empty.send(batch);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_and_batches_go_round() {
        let (filler, drainer) = queue();
        let thread = std::thread::spawn(move || {
            for n in 0..3 * BATCHES as u32 {
                let mut batch = filler.empty().unwrap();
                for length in [0, 3, 1] {
                    let bytes = vec![n as u8; length];
                    batch.push(&Frame {
                        at: Timestamp(i64::from(n)),
                        link: LinkType::ETHERNET,
                        bytes: &bytes,
                        wire_len: n,
                        vlan: Some(7),
                    });
                }
                assert!(filler.hand_on(batch));
            }
        });
        let mut count = 0;
        loop {
            match drainer.next(Duration::from_secs(5)) {
                Drained::Batch(batch) => {
                    let lengths: Vec<usize> = batch.frames().map(|f| f.bytes.len()).collect();
                    assert_eq!(lengths, [0, 3, 1]);
                    assert!(batch.frames().all(|f| f.wire_len == count && f.vlan == Some(7)));
                    assert!(batch.frames().all(|f| f.bytes.iter().all(|b| *b == count as u8)));
                    count += 1;
                    drainer.give_back(batch);
                }
                Drained::Ended => break,
                Drained::Nothing => panic!("the filler hangs"),
            }
        }
        assert_eq!(count, 3 * BATCHES as u32);
        thread.join().unwrap();
    }
}
