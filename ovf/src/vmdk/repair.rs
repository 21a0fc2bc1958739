//! Gives a foreign streamOptimized VMDK the exact end it should have: one zero sector after the last element, nothing
//! behind it. Other writers leave it out or let zeros trail, which importers answer with "SHA digest does not match
//! manifest" or a broken-off upload. Grains are copied as they are.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::error::VmdkError;
use super::format::{marker, Header, Marker, DIRECTORY_AT_END, GRAIN_MARKER, SECTOR};
use crate::pass::{Control, PassError};
use crate::source::{length_of, read_at};

/// What a repair would do or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repair {
    /// bytes of the original that are kept
    pub kept: u64,
    /// bytes of the original that are left out
    pub removed: u64,
    /// whether the end-of-stream sector had to be added
    pub added_end: bool,
}

impl Repair {
    /// Whether the original already ends as it should.
    pub fn is_needless(&self) -> bool {
        self.removed == 0 && !self.added_end
    }

    /// Walks the markers of `source` to the last element.
    pub fn plan(source: &mut (impl Read + Seek)) -> Result<Self, VmdkError> {
        let length = length_of(source)?;
        let sectors = length / SECTOR as u64;
        let front = read_at(source, "header", 0, SECTOR as u64)?;
        let header = Header::decode(&front).ok_or(VmdkError::NotVmdk { offset: 0 })?;
        let mut at = header.overhead;
        let damaged = |at: u64, detail: &str| VmdkError::Damaged {
            what: "stream",
            offset: at.saturating_mul(SECTOR as u64),
            detail: detail.to_owned(),
        };
        let mut footer = false;
        while at < sectors {
            match Marker::decode(&read_at(source, "marker", at * SECTOR as u64, SECTOR as u64)?) {
                Marker::Grain { size, .. } => {
                    at += (GRAIN_MARKER as u64 + u64::from(size)).div_ceil(SECTOR as u64)
                }
                Marker::Metadata { kind: marker::END, sectors: 0 } => {
                    let kept = (at + 1) * SECTOR as u64;
                    if header.directory == DIRECTORY_AT_END && !footer {
                        return Err(damaged(at, "it ends before its footer; nothing can repair that"));
                    }
                    return Ok(Repair { kept, removed: length - kept, added_end: false });
                }
                Marker::Metadata { kind, sectors } => {
                    footer |= kind == marker::FOOTER;
                    at = at.saturating_add(1).saturating_add(sectors);
                }
            }
        }
        if at > sectors || (header.directory == DIRECTORY_AT_END && !footer) {
            return Err(damaged(at, "its last element is cut off; nothing can repair that"));
        }
        Ok(Repair { kept: at * SECTOR as u64, removed: length - at * SECTOR as u64, added_end: true })
    }
}

/// Writes the repaired file to `out`; `source` stays as it is.
pub fn repair(
    source: &mut (impl Read + Seek),
    plan: &Repair,
    out: &mut impl Write,
    control: &Control,
) -> Result<(), PassError> {
    let failed = |source| PassError::Write { what: "repaired VMDK", source };
    source.seek(SeekFrom::Start(0)).map_err(failed)?;
    let phase = control.progress.phase("copying", plan.kept);
    let mut done = 0;
    while done < plan.kept {
        control.check()?;
        let step = (plan.kept - done).min(1 << 20);
        let copied = io::copy(&mut source.by_ref().take(step), out).map_err(failed)?;
        if copied < step {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        done += copied;
        phase.at(done);
    }
    if plan.added_end {
        out.write_all(&[0; SECTOR]).map_err(failed)?;
    }
    phase.done();
    Ok(())
}
