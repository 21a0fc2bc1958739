//! A volume → its label and files, by Rock Ridge names where there are any, else Joliet, else plain ISO 9660.
//!
//! Made for a CD drive that may hold anything: every count, depth and length is bounded, nothing is read beyond the
//! directories until a file is asked for, and no input makes it panic. Symbolic links and relocated directories of
//! Rock Ridge are not followed.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use crate::error::ReadError;
use crate::format::{self, descriptor, record, SECTOR};

/// Largest file [`IsoVolume::get`] takes into memory, in bytes. A seed's files are a few KiB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Largest single directory, in bytes.
const MAX_DIRECTORY_BYTES: u64 = 4 << 20;
/// Most files and directories listed.
const MAX_ENTRIES: u64 = 65_536;
/// Deepest nesting; ECMA-119 6.8.2.1 stops at 8, Rock Ridge volumes go further.
const MAX_DEPTH: u64 = 32;
/// Most continuation areas followed for one record.
const MAX_CONTINUATIONS: usize = 8;

/// Which of a volume's name spaces the listing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// POSIX names of the Rock Ridge extension
    RockRidge,
    /// UCS-2 names of the Joliet extension
    Joliet,
    /// ECMA-119 names, in lower case and without version number, as Linux shows them
    Plain,
}

/// One regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsoFile {
    name: String,
    size: u64,
    extents: Vec<(u32, u32)>,
}

impl IsoFile {
    /// The name, with the directories leading to it separated by `/` and no leading one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// An opened volume.
#[derive(Debug)]
pub struct IsoVolume<R> {
    source: R,
    label: String,
    names: NameSource,
    files: Vec<IsoFile>,
}

impl<R: Read + Seek> IsoVolume<R> {
    /// The volume identifier, without the padding.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where the names come from.
    pub fn names(&self) -> NameSource {
        self.names
    }

    /// All files, in the order of the directories.
    pub fn files(&self) -> &[IsoFile] {
        &self.files
    }

    /// Reads the file of exactly this name; [`ReadError::NoSuchFile`] when there is none, [`ReadError::Limit`] when it
    /// is longer than [`MAX_FILE_BYTES`].
    pub fn get(&mut self, name: &str) -> Result<Vec<u8>, ReadError> {
        let Some(file) = self.files.iter().find(|f| f.name == name) else {
            return Err(ReadError::NoSuchFile { name: name.to_owned(), label: self.label.clone() });
        };
        limit("file size in bytes", file.size, MAX_FILE_BYTES)?;
        let mut content = Vec::new();
        for &(sector, bytes) in &file.extents {
            content.extend(read_at(&mut self.source, "file content", offset(sector), u64::from(bytes))?);
        }
        Ok(content)
    }
}

/// Reads the descriptors and all directories of the volume that starts at the beginning of `source`.
pub fn read<R: Read + Seek>(mut source: R) -> Result<IsoVolume<R>, ReadError> {
    let descriptors = Descriptors::read(&mut source)?;
    let rock_ridge = rock_ridge_skip(&mut source, descriptors.primary)?;
    let (names, root, skip) = match (rock_ridge, descriptors.joliet) {
        (Some(skip), _) => (NameSource::RockRidge, descriptors.primary, skip),
        (None, Some(joliet)) => (NameSource::Joliet, joliet, 0),
        (None, None) => (NameSource::Plain, descriptors.primary, 0),
    };
    let mut walk =
        Walk { source: &mut source, names, skip, files: Vec::new(), entries: 0, seen: HashSet::new() };
    walk.directory("", root, 0)?;
    let files = walk.files;
    Ok(IsoVolume { source, label: descriptors.label, names, files })
}

#[derive(Debug, Clone, Copy)]
struct Root {
    sector: u32,
    bytes: u32,
}

struct Descriptors {
    label: String,
    primary: Root,
    joliet: Option<Root>,
}

impl Descriptors {
    fn read<R: Read + Seek>(source: &mut R) -> Result<Self, ReadError> {
        let mut primary: Option<(String, Root)> = None;
        let mut joliet = None;
        for number in 0..format::MAX_DESCRIPTORS {
            let at = offset(format::DESCRIPTOR_SECTOR + number);
            let d = read_at(source, "volume descriptor", at, SECTOR as u64)?;
            if d.get(descriptor::SIGNATURE..descriptor::SIGNATURE + 5) != Some(&format::SIGNATURE[..]) {
                return match primary {
                    Some((label, primary)) => Ok(Descriptors { label, primary, joliet }),
                    None => Err(ReadError::NotIso { offset: at }),
                };
            }
            match d[descriptor::TYPE] {
                format::TYPE_PRIMARY if primary.is_none() => {
                    let size = format::le_u16(&d, descriptor::BLOCK_SIZE).unwrap_or(0);
                    if usize::from(size) != SECTOR {
                        return Err(ReadError::BlockSize { actual: size });
                    }
                    let label =
                        String::from_utf8_lossy(&d[descriptor::VOLUME_ID..descriptor::VOLUME_ID + 32]);
                    let label = label.trim_end_matches([' ', '\0']).to_owned();
                    primary = Some((label, root_of(&d, at)?));
                }
                format::TYPE_SUPPLEMENTARY if joliet.is_none() => {
                    let escape = &d[descriptor::ESCAPES..descriptor::ESCAPES + 3];
                    if format::JOLIET_ESCAPES.iter().any(|e| &e[..] == escape) {
                        joliet = Some(root_of(&d, at)?);
                    }
                }
                format::TYPE_TERMINATOR => break,
                _ => {}
            }
        }
        match primary {
            Some((label, primary)) => Ok(Descriptors { label, primary, joliet }),
            None => Err(ReadError::NotIso { offset: offset(format::DESCRIPTOR_SECTOR) }),
        }
    }
}

fn root_of(d: &[u8], at: u64) -> Result<Root, ReadError> {
    let record = &d[descriptor::ROOT_RECORD..descriptor::ROOT_RECORD + 34];
    let field = |f| format::le_u32(record, f);
    match (field(record::EXTENT), field(record::SIZE)) {
        (Some(sector), Some(bytes)) if record[record::FLAGS] & record::FLAG_DIRECTORY != 0 => {
            Ok(Root { sector, bytes })
        }
        _ => Err(ReadError::Damaged {
            what: "volume descriptor",
            offset: at,
            detail: "its root record is not a directory",
        }),
    }
}

/// Looks for the SP field in the root's own record; gives the number of bytes to skip in every system use area.
fn rock_ridge_skip<R: Read + Seek>(source: &mut R, root: Root) -> Result<Option<usize>, ReadError> {
    let sector = read_at(source, "root directory", offset(root.sector), SECTOR as u64)?;
    let length = usize::from(sector[record::LENGTH]);
    let Some(own) = sector.get(..length) else { return Ok(None) };
    // SP is at the start of the area in the root's "." record, whose name is one byte long (SUSP 5.3).
    let Some(area) = own.get(record::NAME + 1..) else { return Ok(None) };
    if area.len() < 7 || &area[..2] != b"SP" || area[4..6] != format::SP_CHECK {
        return Ok(None);
    }
    let skip = usize::from(area[6]);
    // SUSP alone does not promise Rock Ridge names: the "." record must carry PX, as RRIP demands of every record.
    let fields = system_use_fields(source, area, 0)?;
    Ok(fields.iter().any(|f| f.starts_with(b"PX")).then_some(skip))
}

struct Walk<'a, R> {
    source: &'a mut R,
    names: NameSource,
    skip: usize,
    files: Vec<IsoFile>,
    entries: u64,
    seen: HashSet<u32>,
}

impl<R: Read + Seek> Walk<'_, R> {
    fn directory(&mut self, prefix: &str, at: Root, depth: u64) -> Result<(), ReadError> {
        limit("directory depth", depth, MAX_DEPTH)?;
        limit("directory size in bytes", u64::from(at.bytes), MAX_DIRECTORY_BYTES)?;
        if !self.seen.insert(at.sector) {
            return Err(ReadError::Damaged {
                what: "directory",
                offset: offset(at.sector),
                detail: "two directories share it",
            });
        }
        let data = read_at(self.source, "directory", offset(at.sector), u64::from(at.bytes))?;
        let mut position = 0;
        let mut continues = false;
        while position < data.len() {
            let length = usize::from(data[position]);
            if length == 0 {
                position = (position / SECTOR + 1) * SECTOR;
                continue;
            }
            let here = offset(at.sector) + position as u64;
            let damaged = |detail| ReadError::Damaged { what: "directory record", offset: here, detail };
            let bytes =
                data.get(position..position + length).ok_or_else(|| damaged("longer than its directory"))?;
            position += length;
            let entry = Entry::parse(bytes).ok_or_else(|| damaged("shorter than its fields"))?;
            if entry.name == format::NAME_SELF || entry.name == format::NAME_PARENT {
                continue;
            }
            self.entries += 1;
            limit("number of entries", self.entries, MAX_ENTRIES)?;
            let own = self.name_of(&entry)?;
            // A name with a separator in it would pass for a path; such a volume is not one to trust.
            if own.is_empty() || own == "." || own == ".." || own.contains(['/', '\0']) {
                return Err(damaged("its name is not one"));
            }
            let name = if prefix.is_empty() { own } else { format!("{prefix}/{own}") };
            if entry.flags & record::FLAG_DIRECTORY != 0 {
                self.directory(&name, Root { sector: entry.sector, bytes: entry.bytes }, depth + 1)?;
                continues = false;
                continue;
            }
            let extent = (entry.sector, entry.bytes);
            match self.files.last_mut() {
                Some(last) if continues && last.name == name => {
                    last.size += u64::from(entry.bytes);
                    last.extents.push(extent);
                }
                _ => self.files.push(IsoFile { name, size: u64::from(entry.bytes), extents: vec![extent] }),
            }
            continues = entry.flags & record::FLAG_MULTI_EXTENT != 0;
        }
        Ok(())
    }

    fn name_of(&mut self, entry: &Entry<'_>) -> Result<String, ReadError> {
        let plain = |raw: &[u8]| {
            let text = String::from_utf8_lossy(raw).to_ascii_lowercase();
            let stem = text.rsplit_once(';').map_or(text.as_str(), |(stem, _)| stem);
            stem.strip_suffix('.').unwrap_or(stem).to_owned()
        };
        match self.names {
            NameSource::Plain => Ok(plain(entry.name)),
            NameSource::Joliet => {
                let units: Vec<u16> =
                    entry.name.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
                let text = String::from_utf16_lossy(&units);
                Ok(text.strip_suffix(";1").unwrap_or(&text).to_owned())
            }
            NameSource::RockRidge => {
                let mut name = Vec::new();
                for field in system_use_fields(self.source, entry.system_use, self.skip)? {
                    if let [b'N', b'M', _, _, flags, part @ ..] = field.as_slice() {
                        name.extend_from_slice(part);
                        if flags & format::NM_CONTINUE == 0 {
                            break;
                        }
                    }
                }
                // RRIP 4.1.4: a record without NM keeps its ECMA-119 name.
                Ok(if name.is_empty() {
                    plain(entry.name)
                } else {
                    String::from_utf8_lossy(&name).into_owned()
                })
            }
        }
    }
}

struct Entry<'a> {
    sector: u32,
    bytes: u32,
    flags: u8,
    name: &'a [u8],
    system_use: &'a [u8],
}

impl<'a> Entry<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let name_length = usize::from(*bytes.get(record::NAME_LENGTH)?);
        let name_end = record::NAME + name_length;
        let name = bytes.get(record::NAME..name_end).filter(|n| !n.is_empty())?;
        let system_use = bytes.get(name_end + (name_length + 1) % 2..).unwrap_or(&[]);
        Some(Entry {
            sector: format::le_u32(bytes, record::EXTENT)?,
            bytes: format::le_u32(bytes, record::SIZE)?,
            flags: bytes[record::FLAGS],
            name,
            system_use,
        })
    }
}

/// Splits a system use area into its fields, following CE. A field that does not fit ends the list: what is readable
/// before it still counts, as in other readers.
fn system_use_fields<R: Read + Seek>(
    source: &mut R,
    area: &[u8],
    skip: usize,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut fields = Vec::new();
    let mut area = area.get(skip..).unwrap_or(&[]).to_vec();
    for _ in 0..=MAX_CONTINUATIONS {
        let mut next = None;
        let mut rest = area.as_slice();
        while rest.len() >= format::SUSP_HEADER {
            let length = usize::from(rest[2]);
            if length < format::SUSP_HEADER || length > rest.len() || rest.starts_with(b"ST") {
                break;
            }
            let (field, after) = rest.split_at(length);
            rest = after;
            if field.starts_with(b"CE") {
                let part = |at| format::le_u32(field, at);
                if let (Some(sector), Some(start), Some(length)) = (part(4), part(12), part(20)) {
                    next = Some((sector, start, length));
                }
            } else {
                fields.push(field.to_vec());
            }
        }
        let Some((sector, start, length)) = next else { return Ok(fields) };
        limit("continuation area size in bytes", u64::from(length), SECTOR as u64)?;
        let at = offset(sector) + u64::from(start);
        area = read_at(source, "continuation area", at, u64::from(length))?;
    }
    Ok(fields)
}

fn offset(sector: u32) -> u64 {
    u64::from(sector) * SECTOR as u64
}

fn limit(what: &'static str, actual: u64, limit: u64) -> Result<(), ReadError> {
    if actual > limit {
        return Err(ReadError::Limit { what, actual, limit });
    }
    Ok(())
}

/// Reads exactly `needed` bytes, allocating as they arrive so that a short source with a large claim costs nothing.
fn read_at<R: Read + Seek>(
    source: &mut R,
    what: &'static str,
    offset: u64,
    needed: u64,
) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io { what, offset, needed, source };
    source.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    source.by_ref().take(needed).read_to_end(&mut bytes).map_err(failed)?;
    if (bytes.len() as u64) < needed {
        return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}
