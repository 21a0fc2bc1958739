//! Frames out of memory, for tests.

use eyot_contract::Timestamp;

use crate::{Frame, LinkType, Pulled, Source, SourceError, Statistics, Stop};

/// A source that lends frames that were put into it.
#[derive(Debug, Default)]
pub struct MemorySource {
    frames: Vec<(Timestamp, LinkType, Vec<u8>)>,
    next: usize,
    statistics: Statistics,
    stop: Stop,
}

impl MemorySource {
    /// An empty source.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame.
    pub fn push(&mut self, at: Timestamp, link: LinkType, bytes: impl Into<Vec<u8>>) {
        self.frames.push((at, link, bytes.into()));
    }
}

impl Source for MemorySource {
    fn pull(&mut self, max: usize, each: &mut dyn FnMut(&Frame<'_>)) -> Result<Pulled, SourceError> {
        let rest = &self.frames[self.next..];
        if rest.is_empty() || self.stop.is_stopped() {
            return Ok(Pulled::Ended);
        }
        let count = rest.len().min(max);
        for (at, link, bytes) in &rest[..count] {
            self.statistics.frames += 1;
            self.statistics.bytes += bytes.len() as u64;
            each(&Frame { at: *at, link: *link, bytes, wire_len: bytes.len() as u32, vlan: None });
        }
        self.next += count;
        Ok(Pulled::Frames(count))
    }

    fn statistics(&mut self) -> Statistics {
        self.statistics
    }

    fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lends_in_order_in_batches_and_ends() {
        let mut source = MemorySource::new();
        for n in 0..5_u8 {
            source.push(Timestamp(i64::from(n)), LinkType::ETHERNET, vec![n; 3]);
        }
        let mut seen = Vec::new();
        let mut pulls = Vec::new();
        loop {
            let pulled = source.pull(2, &mut |frame| seen.push(frame.bytes[0])).unwrap();
            pulls.push(pulled);
            if pulled == Pulled::Ended {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert_eq!(pulls, [Pulled::Frames(2), Pulled::Frames(2), Pulled::Frames(1), Pulled::Ended]);
        assert_eq!(source.statistics(), Statistics { frames: 5, bytes: 15, ..Statistics::default() });
    }

    #[test]
    fn a_stopped_source_ends_with_frames_left() {
        let mut source = MemorySource::new();
        source.push(Timestamp(0), LinkType::ETHERNET, vec![0]);
        source.stop_handle().stop();
        assert_eq!(source.pull(9, &mut |_| panic!("a frame after the stop")).unwrap(), Pulled::Ended);
    }
}
