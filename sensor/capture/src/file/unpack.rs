//! Takes gzip (RFC 1952) or zstd (RFC 8878) off a stream, if it is on it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::format::{MAGIC_GZIP, MAGIC_ZSTD};

/// Bytes asked of the file at once when it is compressed.
const CHUNK: usize = 1 << 18;
/// Bytes asked of the zstd decoder at once: it gives nothing of a request that meets damage, so requests are small.
const ZSTD_STEP: usize = 1 << 16;

/// Whether these are the first bytes of a compressed stream.
pub fn is_packed(head: &[u8]) -> bool {
    head.starts_with(&MAGIC_GZIP) || head.starts_with(&MAGIC_ZSTD)
}

/// The stream without its compression, and whether there was one.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn unpacked(mut input: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut head = Vec::with_capacity(MAGIC_ZSTD.len());
    input.by_ref().take(MAGIC_ZSTD.len() as u64).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(&MAGIC_GZIP), head.starts_with(&MAGIC_ZSTD));
    let whole = Cursor::new(head).chain(input);
    Ok(if gzip {
        (Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole))), true)
    } else if zstd {
        (Box::new(ZstdFrames { frame: None, rest: Some(BufReader::with_capacity(CHUNK, whole)) }), true)
    } else {
        (Box::new(whole), false)
    })
}

/// Every frame of a zstd stream, one after the other; parallel compressors write many.
struct ZstdFrames<R: Read> {
    frame: Option<StreamingDecoder<BufReader<R>, FrameDecoder>>,
    rest: Option<BufReader<R>>,
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = buffer.len().min(ZSTD_STEP);
        loop {
            if let Some(mut rest) = self.rest.take() {
                if rest.fill_buf()?.is_empty() {
                    self.rest = Some(rest);
                    return Ok(0);
                }
                self.frame = Some(StreamingDecoder::new(rest).map_err(damaged)?);
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            let count = frame.read(&mut buffer[..step]).map_err(damaged)?;
            if count > 0 || step == 0 {
                return Ok(count);
            }
            self.rest = self.frame.take().map(StreamingDecoder::into_inner);
        }
    }
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
