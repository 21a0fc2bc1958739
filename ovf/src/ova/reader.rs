//! Anyone's OVA → its members, their places, and the descriptor.

use std::io::{Read, Seek};

use serde::Serialize;

use super::error::OvaError;
use super::format::{decode, BLOCK};
use crate::ovf::{Descriptor, MAX_DESCRIPTOR_BYTES};
use crate::source::{length_of, read_at, Section};

/// Most members listed.
const MAX_MEMBERS: u64 = 1000;

/// What kind of archive the member's header belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// a plain ustar file
    Ustar,
    /// ustar with a base-256 size
    Large,
    /// an old header without the ustar magic, or GNU's
    OldOrGnu,
    /// PAX records
    Pax,
    /// a directory, link, GNU long name…
    Other,
}

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// its name
    pub name: String,
    /// where its content begins
    pub offset: u64,
    /// its length in bytes
    pub size: u64,
    /// its header's kind
    pub flavour: Flavour,
}

/// An opened OVA.
#[derive(Debug)]
pub struct Ova<R> {
    source: R,
    members: Vec<Member>,
    ended: bool,
}

impl<R: Read + Seek> Ova<R> {
    /// Reads all headers.
    pub fn open(mut source: R) -> Result<Self, OvaError> {
        let length = length_of(&mut source)?;
        let mut members = Vec::new();
        let mut at = 0u64;
        let mut ended = false;
        while at < length {
            let block = read_at(&mut source, "tar header", at, BLOCK as u64)?;
            if block.iter().all(|&b| b == 0) {
                // The end is two zero blocks; what follows is padding.
                let rest = read_at(&mut source, "end of archive", at, (length - at).min(2 * BLOCK as u64))?;
                ended = rest.len() == 2 * BLOCK && rest.iter().all(|&b| b == 0);
                break;
            }
            let header =
                decode(&block).ok_or(OvaError::Archive { offset: at, detail: "its checksum is wrong" })?;
            let flavour = match header.kind {
                b'x' | b'g' => Flavour::Pax,
                b'0' | 0 if !header.ustar => Flavour::OldOrGnu,
                b'0' | 0 if header.large => Flavour::Large,
                b'0' | 0 => Flavour::Ustar,
                _ => Flavour::Other,
            };
            let offset = at + BLOCK as u64;
            let end = offset.checked_add(header.size).filter(|&end| end <= length);
            let end =
                end.ok_or(OvaError::Archive { offset: at, detail: "its member reaches beyond the archive" })?;
            members.push(Member { name: header.name, offset, size: header.size, flavour });
            if members.len() as u64 > MAX_MEMBERS {
                return Err(OvaError::Limit {
                    what: "number of members",
                    actual: members.len() as u64,
                    limit: MAX_MEMBERS,
                });
            }
            at = end.next_multiple_of(BLOCK as u64);
        }
        if members.is_empty() {
            return Err(OvaError::Archive { offset: 0, detail: "the file is empty" });
        }
        Ok(Ova { source, members, ended })
    }

    /// In archive order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether two zero blocks end the archive.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The first member whose name ends in `.extension`.
    pub fn by_extension(&self, extension: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| m.name.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case(extension)))
    }

    /// The content of a small member.
    pub fn content(&mut self, member: &Member) -> Result<Vec<u8>, OvaError> {
        if member.size > MAX_DESCRIPTOR_BYTES {
            let (actual, limit) = (member.size, MAX_DESCRIPTOR_BYTES);
            return Err(OvaError::Limit { what: "member size in bytes", actual, limit });
        }
        Ok(read_at(&mut self.source, "member", member.offset, member.size)?)
    }

    /// A member as a file of its own.
    pub fn section(&mut self, member: &Member) -> Section<&mut R> {
        Section::new(&mut self.source, member.offset, member.size)
    }

    /// The descriptor.
    pub fn descriptor(&mut self) -> Result<Descriptor, OvaError> {
        let member = self.by_extension("ovf").cloned().ok_or(OvaError::Missing(".ovf"))?;
        Ok(Descriptor::parse(&self.content(&member)?)?)
    }
}
