//! Buffers of a block's size that are used again: a fresh one costs as many page faults as it has pages, which for a VHDX
//! is a good part of the work.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::BLOCK_BYTES;

/// Room in a new buffer: a block whose grains did not become smaller, each with its marker, and one grain's slack.
const ROOM: usize = BLOCK_BYTES as usize + (128 << 10);

/// Where buffers wait to be used again. Holds as many as were ever in use at the same time.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer with nothing in it.
    pub fn empty(&self) -> Buffer {
        let mut buffer = self.any();
        buffer.clear();
        buffer
    }

    /// A buffer of `length` bytes of whatever was in it before.
    pub fn of_length(&self, length: usize) -> Buffer {
        let mut buffer = self.any();
        buffer.resize(length, 0);
        buffer
    }

    fn any(&self) -> Buffer {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { bytes: waiting.unwrap_or_else(|| Vec::with_capacity(ROOM)), home: self.clone() }
    }
}

/// A buffer that goes back to its [`Buffers`] when it is dropped.
pub struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() > 0 {
            self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let buffers = Buffers::default();
        let mut first = buffers.of_length(1000);
        first.fill(7);
        let place = first.as_ptr();
        let second = buffers.empty();
        assert_eq!(second.len(), 0);
        drop(first);
        let again = buffers.of_length(10);
        assert_eq!((again.as_ptr(), again.len()), (place, 10));
        assert_eq!(format!("{again:?}"), "10 bytes");
    }
}
