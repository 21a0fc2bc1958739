//! Survey and profile → an OVA, with the VMDK written straight into its place in the archive.
//!
//! The manifest stands before the disk and holds the disk's digest, but both it and the descriptor have a length that
//! is known beforehand (the descriptor is padded with blanks behind its root element to the length it has with the
//! largest possible numbers). So the disk goes first, at its final offset, the icon after it, and the front is filled in
//! afterwards.

use std::io::{self, Seek, SeekFrom, Write};

use super::error::OvaError;
use super::format::{encode, BLOCK, MAX_NAME, MAX_OCTAL_SIZE};
use super::manifest;
use super::signature::Signer;
use crate::digest::{sha256_hex, Hashing};
use crate::disk::{Survey, GRAIN_BYTES};
use crate::ovf::{DiskFacts, Profile, ICON};
use crate::pass::PassError;
use crate::vmdk::StreamWriter;

const WHAT: &str = "OVA";
/// Most bytes a stored grain takes: zlib's worst case for 64 KiB, marker and padding, generously.
const MAX_GRAIN_STORED: u64 = GRAIN_BYTES + 2048;

/// An OVA about to be written.
#[derive(Debug)]
pub struct Plan<'a> {
    profile: &'a Profile,
    signer: Option<&'a Signer>,
    mtime: u64,
    facts: DiskFacts,
    descriptor_length: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// length of the archive in bytes
    pub bytes: u64,
    /// length of the VMDK inside in bytes
    pub vmdk_bytes: u64,
    /// SHA-256 of the VMDK inside, lower-case hexadecimal
    pub vmdk_sha256: String,
}

impl<'a> Plan<'a> {
    /// Lays out the archive. `mtime` (seconds since 1970) is stamped on all members.
    pub fn new(
        profile: &'a Profile,
        survey: &Survey,
        signer: Option<&'a Signer>,
        mtime: u64,
    ) -> Result<Self, OvaError> {
        profile.check()?;
        member_header("", 0, mtime)?;
        let grains = survey.size().div_ceil(GRAIN_BYTES);
        let stored: u64 = survey.blocks().iter().map(|b| u64::from(b.grains.count_ones())).sum();
        let facts = DiskFacts {
            file_name: format!("{}-disk1.vmdk", profile.name),
            file_bytes: (1 << 20) + stored * MAX_GRAIN_STORED + grains * 16,
            capacity: survey.size(),
            populated: survey.populated_bytes(),
            content: hex::encode(survey.content().0),
        };
        let descriptor_length = profile.envelope(&facts).to_xml().len() as u64;
        Ok(Plan { profile, signer, mtime, facts, descriptor_length })
    }

    /// Begins the disk inside `out`; blocks go to the writer given back.
    pub fn start<W: Write + Seek + Send>(
        &self,
        mut out: W,
        survey: &Survey,
    ) -> Result<StreamWriter<Hashing<W>>, PassError> {
        out.seek(SeekFrom::Start(self.disk_offset())).map_err(failed)?;
        StreamWriter::new(Hashing::new(out), survey)
    }

    /// Ends disk and archive and fills in what stands before the disk.
    pub fn finish<W: Write + Seek + Send>(
        &self,
        writer: StreamWriter<Hashing<W>>,
    ) -> Result<(W, Facts), FinishError> {
        let (hashing, vmdk_bytes) = writer.finish()?;
        let (mut out, vmdk_sha256, _) = hashing.finish();
        // the disk ends with a whole block
        let mut rest = Vec::new();
        append_member(&mut rest, &self.profile.icon_name(), ICON, self.mtime)?;
        out.write_all(&rest).and_then(|()| end_archive(&mut out)).map_err(failed)?;

        let facts = DiskFacts { file_bytes: vmdk_bytes, ..self.facts.clone() };
        let mut descriptor = self.profile.envelope(&facts).to_xml().trim_end().to_owned();
        let padding = (self.descriptor_length as usize).saturating_sub(descriptor.len() + 1);
        descriptor.push_str(&" ".repeat(padding));
        descriptor.push('\n');
        let (mf, disk) = (self.member("mf"), &self.facts.file_name);
        let manifest = self.manifest(&sha256_hex(descriptor.as_bytes()), &vmdk_sha256);

        let mut front = Vec::new();
        append_member(&mut front, &self.member("ovf"), descriptor.as_bytes(), self.mtime)?;
        append_member(&mut front, &mf, manifest.as_bytes(), self.mtime)?;
        if let Some(signer) = self.signer {
            let certificate = signer.certificate_file(&mf, manifest.as_bytes()).map_err(OvaError::from)?;
            append_member(&mut front, &self.member("cert"), &certificate, self.mtime)?;
        }
        front.extend(member_header(disk, vmdk_bytes, self.mtime)?);
        // The lengths were promised in `disk_offset`; were they wrong, the archive would be garbage.
        assert_eq!(
            front.len() as u64,
            self.disk_offset(),
            "the front of the OVA has the length it was given"
        );
        out.seek(SeekFrom::Start(0)).map_err(failed)?;
        out.write_all(&front).map_err(failed)?;
        let bytes = out.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((out, Facts { bytes, vmdk_bytes, vmdk_sha256 }))
    }

    fn member(&self, extension: &str) -> String {
        format!("{}.{extension}", self.profile.name)
    }

    fn manifest(&self, descriptor_sha256: &str, vmdk_sha256: &str) -> String {
        manifest::text([
            (&*self.member("ovf"), descriptor_sha256),
            (&*self.facts.file_name, vmdk_sha256),
            (&*self.profile.icon_name(), &*sha256_hex(ICON)),
        ])
    }

    fn disk_offset(&self) -> u64 {
        let digest = "0".repeat(64);
        let manifest = self.manifest(&digest, &digest);
        let certificate = self.signer.map(|s| s.certificate_file_length(&self.member("mf")));
        let lengths = [Some(self.descriptor_length), Some(manifest.len() as u64), certificate];
        let before: u64 =
            lengths.into_iter().flatten().map(|l| BLOCK as u64 + l.next_multiple_of(BLOCK as u64)).sum();
        before + BLOCK as u64
    }
}

/// Why an OVA could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Writing.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Signing.
    #[error(transparent)]
    Ova(#[from] OvaError),
}

/// The header of a member, for one whose content follows piece by piece; fails on a name or a date (seconds since 1970)
/// longer than ustar takes.
pub fn member_header(name: &str, size: u64, mtime: u64) -> Result<[u8; BLOCK], OvaError> {
    if name.len() > MAX_NAME {
        let (actual, limit) = (name.len() as u64, MAX_NAME as u64);
        return Err(OvaError::Limit { what: "length of a member's name", actual, limit });
    }
    if mtime > MAX_OCTAL_SIZE {
        return Err(OvaError::Limit { what: "date of a member", actual: mtime, limit: MAX_OCTAL_SIZE });
    }
    Ok(encode(name, size, mtime))
}

/// Appends a whole member: header, content, padding.
pub fn append_member(out: &mut Vec<u8>, name: &str, content: &[u8], mtime: u64) -> Result<(), OvaError> {
    out.extend(member_header(name, content.len() as u64, mtime)?);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

/// Two zero blocks end an archive.
pub fn end_archive(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

fn failed(source: io::Error) -> PassError {
    PassError::Write { what: WHAT, source }
}
