//! A sliding window over a byte stream: asks for so many bytes in a row, lends them, moves on.
//!
//! A plain file's bytes are lent where the kernel keeps them ([`mapping`](super::mapping)), as long as that is safe. All
//! others go through one buffer; they are moved only when a record straddles its end, which happens once a quarter of a mebibyte.

use std::io::{self, Read, Seek, SeekFrom};

use super::mapping::Mapping;
use super::Position;

/// Bytes asked of the file at once: few enough to stay in a processor's second-level cache until they are looked at.
const CHUNK: usize = 1 << 18;

/// The window.
pub struct Window {
    store: Store,
    start: usize,
    end: usize,
    consumed: u64,
    failure: Option<io::Error>,
}

enum Store {
    /// A buffer, and where more comes from.
    Read { buffer: Vec<u8>, input: Box<dyn Read + Send> },
    /// Of the file, and how far it has been looked at.
    Mapped(Mapping, Position),
}

impl Store {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping, _) => mapping.bytes(),
            Self::Read { buffer, .. } => buffer,
        }
    }
}

impl Window {
    /// A window at the start of `input`.
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        let store = Store::Read { buffer: vec![0; CHUNK], input };
        Self { store, start: 0, end: 0, consumed: 0, failure: None }
    }

    /// A window at the start of a mapped file, which keeps `position` up to date.
    pub fn over(mapping: Mapping, position: Position) -> Self {
        let end = mapping.bytes().len();
        Self { store: Store::Mapped(mapping, position), start: 0, end, consumed: 0, failure: None }
    }

    /// Whether the bytes are lent where the kernel keeps them.
    #[cfg(test)]
    pub fn is_mapped(&self) -> bool {
        matches!(self.store, Store::Mapped(..))
    }

    /// The next `wanted` bytes, or fewer where the stream ends or fails first.
    #[inline]
    pub fn peek(&mut self, wanted: usize) -> &[u8] {
        if self.end - self.start < wanted {
            self.fill(wanted);
        }
        &self.store.bytes()[self.start..self.end.min(self.start + wanted)]
    }

    /// What comes after the next `count` bytes will be looked at soon.
    #[inline]
    pub fn prefetch(&self, count: usize) {
        if let Store::Mapped(mapping, _) = &self.store {
            mapping.prefetch(self.start + count);
        }
    }

    /// The same for what comes one record later: behind the next `count` bytes lies a record, and by its header of so many
    /// bytes `length` tells how long that one is.
    #[inline]
    pub fn prefetch_second(&self, count: usize, header: usize, length: impl FnOnce(&[u8]) -> usize) {
        if let Store::Mapped(mapping, _) = &self.store {
            let at = self.start + count;
            if let Some(header) = mapping.bytes().get(at..at + header) {
                mapping.prefetch(at.saturating_add(length(header)));
            }
        }
    }

    /// Moves on by `count` bytes, which must have been peeked at.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        self.consumed += count as u64;
    }

    /// Moves on by `count` bytes, however many; false where the stream ends first.
    pub fn skip(&mut self, mut count: u64) -> bool {
        while count > 0 {
            let step = usize::try_from(count).unwrap_or(CHUNK).min(CHUNK);
            let got = self.peek(step).len();
            self.consume(got);
            count -= got as u64;
            if got < step {
                return false;
            }
        }
        true
    }

    /// Offset of the next byte from the start of the (uncompressed) stream.
    pub fn offset(&self) -> u64 {
        self.consumed
    }

    /// Why the stream ended early, if it did not simply end.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    #[cold]
    fn fill(&mut self, wanted: usize) {
        if self.failure.is_some() {
            return;
        }
        if let Store::Mapped(mapping, position) = &mut self.store {
            let offset = mapping.first() + self.start as u64;
            if mapping.is_last() {
                return;
            }
            if mapping.advance(offset, wanted) {
                self.start = usize::try_from(offset - mapping.first()).unwrap_or_default();
                self.end = mapping.bytes().len();
                position.set(mapping.end());
                return;
            }
            self.read_on(offset);
        }
        let Store::Read { buffer, input } = &mut self.store else { return };
        buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        while self.end < wanted {
            match input.read(&mut buffer[self.end..]) {
                Ok(0) => return,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
    }

    /// Gives up the mapping: the file is read from `offset` on.
    fn read_on(&mut self, offset: u64) {
        let nothing: Box<dyn Read + Send> = Box::new(io::empty());
        let reading = Store::Read { buffer: vec![0; CHUNK], input: nothing };
        let Store::Mapped(mapping, position) = std::mem::replace(&mut self.store, reading) else { return };
        (self.start, self.end) = (0, 0);
        let mut file = mapping.into_file();
        match file.seek(SeekFrom::Start(offset)) {
            Ok(_) => {
                position.set(offset);
                if let Store::Read { input, .. } = &mut self.store {
                    *input = Box::new(super::Counted { input: file, position });
                }
            }
            Err(error) => self.failure = Some(error),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_straddle_the_buffer_come_whole() {
        let bytes: Vec<u8> = (0..(3 * CHUNK + 17)).map(|n| (n % 251) as u8).collect();
        let mut window = Window::new(Box::new(io::Cursor::new(bytes.clone())));
        let mut copied = Vec::new();
        loop {
            let part = window.peek(70_001);
            let count = part.len();
            copied.extend_from_slice(part);
            window.consume(count);
            if count < 70_001 {
                break;
            }
        }
        assert!(copied == bytes);
        assert_eq!(window.offset(), bytes.len() as u64);
        assert!(window.peek(1).is_empty());
    }

    #[test]
    fn skipping_past_the_end_says_so() {
        let mut window = Window::new(Box::new(io::Cursor::new(vec![0_u8; 100])));
        assert!(window.skip(60));
        assert!(!window.skip(60));
        assert_eq!(window.offset(), 100);
    }
}
