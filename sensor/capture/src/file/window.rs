//! A sliding window over a byte stream: asks for so many bytes in a row, lends them, moves on.
//!
//! One buffer for the whole file; bytes are moved only when a record straddles its end, which happens once a quarter of a mebibyte.
//! A memory map would save that move but dies of a signal when somebody truncates the file under it, and cannot read a
//! compressed file or a pipe.

use std::io::{self, Read};

/// Bytes asked of the file at once: few enough to stay in a processor's second-level cache until they are looked at.
const CHUNK: usize = 1 << 18;

/// The window.
pub struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
    failure: Option<io::Error>,
}

impl Window {
    /// A window at the start of `input`.
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: vec![0; CHUNK], start: 0, end: 0, consumed: 0, failure: None }
    }

    /// The next `wanted` bytes, or fewer where the stream ends or fails first.
    #[inline]
    pub fn peek(&mut self, wanted: usize) -> &[u8] {
        if self.end - self.start < wanted {
            self.fill(wanted);
        }
        &self.buffer[self.start..self.end.min(self.start + wanted)]
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
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted {
            match self.input.read(&mut self.buffer[self.end..]) {
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
