//! The one queue of the pipeline: batches of what the ring threads gathered, to the thread that discovers.
//!
//! A fixed number of batches go round. When all are full the ring threads wait, so that the only place where frames can
//! be lost is the kernel's ring, which counts what it drops.

use std::time::Duration;

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use eyot_inventory::Gathered;

/// Batches that go round for each ring: one being filled, one on the way, one being taken.
const BATCHES_PER_RING: usize = 4;
/// A batch with so many sightings is handed on, some 100 KiB; one pull of frames may add to it.
pub const BATCH: usize = 512;

/// What is passed on.
pub type Batch = Gathered;

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

/// Makes the queue for so many rings.
pub fn queue(rings: usize) -> (Filler, Drainer) {
    let batches = rings.max(1) * BATCHES_PER_RING;
    let (full_in, full_out) = bounded(batches);
    let (empty_in, empty_out) = bounded(batches);
    for _ in 0..batches {
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
    use eyot_capture::{Frame, LinkType};
    use eyot_contract::Timestamp;
    use eyot_dissect::Limits;
    use eyot_inventory::Gatherer;

    use super::*;

    #[test]
    fn batches_come_out_as_they_went_in_and_go_round() {
        let (filler, drainer) = queue(1);
        let rounds = 3 * BATCHES_PER_RING;
        let thread = std::thread::spawn(move || {
            let mut gatherer = Gatherer::new(Limits::default());
            for n in 0..rounds {
                let mut bytes = vec![0x02; 60];
                bytes[11] = n as u8;
                let at = Timestamp(n as i64 * 1_000_000);
                for _ in 0..2 {
                    let link = LinkType::ETHERNET;
                    gatherer.frame(&Frame { at, link, bytes: &bytes, wire_len: 60, vlan: None });
                    bytes[30] ^= 1;
                }
                let batch = gatherer.exchange(filler.empty().unwrap());
                assert!(filler.hand_on(batch));
            }
        });
        let mut count = 0;
        loop {
            match drainer.next(Duration::from_secs(5)) {
                Drained::Batch(batch) => {
                    // the first of two alike, and before it what the round before had counted
                    assert_eq!(batch.len(), if count == 0 { 1 } else { 2 });
                    count += 1;
                    drainer.give_back(batch);
                }
                Drained::Ended => break,
                Drained::Nothing => panic!("the filler hangs"),
            }
        }
        assert_eq!(count, rounds);
        thread.join().unwrap();
    }
}
