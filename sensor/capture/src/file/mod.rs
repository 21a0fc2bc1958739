//! Frames out of pcap and pcapng files, plain or compressed with gzip or zstd.
//!
//! Damaged and truncated files are read as far as they go: [`FileSource::damage`] then says where and why reading
//! stopped. A file that gives no frame at all because it is something else is an [`OpenError`]. Nothing is allocated per
//! frame. libpcap could read these files too, but stops at the first pcapng with two link types and cannot tell the
//! offset of a damage.

mod damage;
mod format;
mod mapping;
mod pcap;
mod pcapng;
mod unpack;
mod window;

#[cfg(test)]
mod mapping_tests;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use eyot_contract::Timestamp;

pub use damage::{Damage, OpenError};

use crate::{Frame, LinkType, Pulled, Source, SourceError, Statistics, Stop};
use mapping::Mapping;
use window::Window;

/// A capture file being read.
pub struct FileSource {
    path: PathBuf,
    size: Option<u64>,
    position: Position,
    window: Window,
    reader: Reader,
    statistics: Statistics,
    damage: Option<Damage>,
    ended: bool,
    stop: Stop,
}

/// How far into the file on disk reading has come, for progress displays in other threads.
#[derive(Clone, Debug, Default)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    /// Bytes read of the file as it lies on disk (compressed, if it is).
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

enum Reader {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

/// What a reader found.
enum Next {
    Record(Record),
    Ended,
}

/// Where a frame lies in the window, and what its record says of it.
struct Record {
    at: Timestamp,
    link: LinkType,
    wire_len: u32,
    /// Offset of the first byte of the frame from the start of the record.
    start: usize,
    /// Bytes of the frame.
    captured: usize,
    /// Bytes of the whole record.
    length: usize,
}

impl FileSource {
    /// Opens a capture file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Self::read_from(path, None, file);
        }
        let size = Some(metadata.len());
        match Mapping::of(file, metadata.len()) {
            Ok(mapping) if !unpack::is_packed(mapping.bytes()) => {
                let position = Position::default();
                position.set(mapping.end());
                Self::begin(path, size, Window::over(mapping, position.clone()), position, false)
            }
            Ok(mapping) => Self::read_from(path, size, mapping.into_file()),
            Err(file) => Self::read_from(path, size, file),
        }
    }

    /// Reads a capture from any stream, a pipe for instance; `path` is the name that messages use.
    ///
    /// # Errors
    /// When it cannot be read, or is not a capture.
    pub fn from_reader(path: impl AsRef<Path>, input: impl Read + Send + 'static) -> Result<Self, OpenError> {
        Self::read_from(path.as_ref(), None, input)
    }

    fn read_from(
        path: &Path,
        size: Option<u64>,
        input: impl Read + Send + 'static,
    ) -> Result<Self, OpenError> {
        let position = Position::default();
        let counted = Counted { input, position: position.clone() };
        let (unpacked, compressed) =
            unpack::unpacked(counted).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Self::begin(path, size, Window::new(unpacked), position, compressed)
    }

    fn begin(
        path: &Path,
        size: Option<u64>,
        mut window: Window,
        position: Position,
        compressed: bool,
    ) -> Result<Self, OpenError> {
        let reader = recognise(path, &mut window, compressed)?;
        Ok(Self {
            path: path.to_owned(),
            size,
            position,
            window,
            reader,
            statistics: Statistics::default(),
            damage: None,
            ended: false,
            stop: Stop::default(),
        })
    }

    /// The name it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file on disk, where it has one.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How far reading has come.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// Where and why reading stopped before the end, once it has.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    fn end(&mut self, damage: Option<Damage>) -> Result<(), SourceError> {
        self.ended = true;
        self.damage = damage;
        let Some(failure) = self.window.take_failure() else { return Ok(()) };
        let offset = self.window.offset();
        match failure.kind() {
            // what the unpackers say of damaged data; anything else is the disk's fault
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                self.damage = Some(Damage::Compression { offset, reason: failure.to_string() });
                Ok(())
            }
            _ => Err(SourceError::Read { name: self.path.display().to_string(), offset, source: failure }),
        }
    }
}

impl Source for FileSource {
    fn pull(&mut self, max: usize, each: &mut dyn FnMut(&Frame<'_>)) -> Result<Pulled, SourceError> {
        let mut count = 0;
        while count < max && !self.ended {
            if count == 0 && self.stop.is_stopped() {
                self.ended = true;
                break;
            }
            let next = match &mut self.reader {
                Reader::Pcap(reader) => reader.next(&mut self.window),
                Reader::Pcapng(reader) => reader.next(&mut self.window, &mut self.statistics.skipped),
            };
            match next {
                Ok(Next::Record(record)) => {
                    match &self.reader {
                        // of the next one the beginning has been asked for already
                        Reader::Pcap(reader) => {
                            let length = |header: &[u8]| reader.length(header);
                            self.window.prefetch_second(record.length, format::PCAP_RECORD, length);
                        }
                        Reader::Pcapng(_) => self.window.prefetch(record.length),
                    }
                    let whole = self.window.peek(record.length);
                    let bytes = &whole[record.start..record.start + record.captured];
                    each(&Frame {
                        at: record.at,
                        link: record.link,
                        bytes,
                        wire_len: record.wire_len,
                        vlan: None,
                    });
                    self.window.consume(record.length);
                    self.statistics.frames += 1;
                    self.statistics.bytes += record.captured as u64;
                    count += 1;
                }
                Ok(Next::Ended) => self.end(None)?,
                Err(damage) => self.end(Some(damage))?,
            }
        }
        Ok(if count > 0 { Pulled::Frames(count) } else { Pulled::Ended })
    }

    fn statistics(&mut self) -> Statistics {
        self.statistics
    }

    fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }
}

fn recognise(path: &Path, window: &mut Window, compressed: bool) -> Result<Reader, OpenError> {
    let found = pcap::Reader::recognise(window)
        .map(|r| (r.map(Reader::Pcap), format::PCAP_HEADER))
        .or_else(|| pcapng::Reader::recognise(window).map(|r| (r.map(Reader::Pcapng), format::BLOCK_MIN)));
    let path = path.to_owned();
    match found {
        Some((Ok(reader), _)) => Ok(reader),
        Some((Err(length), needed)) => Err(OpenError::HeaderCutShort { path, length, needed }),
        None => {
            let head = window.peek(4).to_vec();
            match window.take_failure() {
                Some(source) if compressed => Err(OpenError::Compression { path, source }),
                Some(source) => Err(OpenError::Io { path, source }),
                None if head.is_empty() => Err(OpenError::Empty { path }),
                None => {
                    let found = head.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
                    Err(OpenError::NotACapture { path, found })
                }
            }
        }
    }
}

/// Counts what passes.
struct Counted<R> {
    input: R,
    position: Position,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.position.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
