//! SHA-256 of what flows past, and of whole files.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use crate::pass::{Control, PassError};

/// A writer that counts and hashes what it passes on.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    /// Begins with nothing seen.
    pub fn new(inner: W) -> Self {
        Hashing { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// The writer, the digest in lower-case hexadecimal, and the number of bytes.
    pub fn finish(self) -> (W, String, u64) {
        (self.inner, hex::encode(self.hash.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Lower-case hexadecimal SHA-256 of bytes at hand.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Lower-case hexadecimal SHA-256 of all that `source` still gives, with its length; `total` is for the progress bar.
pub fn sha256_of(source: &mut impl Read, total: u64, control: &Control) -> Result<(String, u64), PassError> {
    let phase = control.progress.phase("hashing", total);
    let mut hash = Hashing::new(io::sink());
    let mut buffer = vec![0u8; 1 << 20];
    let mut done = 0;
    loop {
        control.check()?;
        let got = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(PassError::Write { what: "checksum, reading back failed", source }),
        };
        hash.hash.update(&buffer[..got]);
        done += got as u64;
        phase.at(done);
    }
    phase.done();
    let (_, digest, _) = hash.finish();
    Ok((digest, done))
}
