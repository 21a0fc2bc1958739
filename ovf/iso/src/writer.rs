//! A flat list of files → the bytes of a volume.
//!
//! Sectors, in order: system area · primary, Joliet and terminating descriptors · four path tables · Rock Ridge
//! continuation area · primary root directory · Joliet root directory · file contents, each starting a sector.
//! Files are owned by root with mode 0400 in the Rock Ridge names, because a seed carries an activation token and a
//! mounted CD is otherwise readable by everyone on the machine.

use crate::error::WriteError;
use crate::format::{self, descriptor, record, Date, SECTOR};

/// Most files one volume takes; a seed has fewer than ten.
pub const MAX_FILES: usize = 100;
/// Longest file name in characters: Joliet's limit.
pub const MAX_NAME_CHARS: usize = 64;
/// Longest label in characters: the Joliet volume identifier holds 16 UCS-2 characters.
const MAX_LABEL_CHARS: usize = 16;

const PATH_TABLE_PRIMARY_LE: u32 = 19;
const PATH_TABLE_PRIMARY_BE: u32 = 20;
const PATH_TABLE_JOLIET_LE: u32 = 21;
const PATH_TABLE_JOLIET_BE: u32 = 22;
const CONTINUATION: u32 = 23;
const FIRST_DIRECTORY: u32 = 24;
/// One path table entry, for the root alone.
const PATH_TABLE_BYTES: u32 = 10;

const MODE_DIRECTORY: u32 = 0o040500;
const MODE_FILE: u32 = 0o100400;

/// A volume being put together.
#[derive(Debug, Clone)]
pub struct Volume {
    label: String,
    date: Date,
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct File {
    name: String,
    short: String,
    content: Vec<u8>,
}

impl Volume {
    /// An empty volume with this label (1–16 printable ASCII characters, kept as written although ECMA-119 knows upper
    /// case only: cloud-init before 19.1 looks for lower-case `cidata`) and this date (seconds since 1970) on everything.
    pub fn new(label: &str, unix_seconds: u64) -> Result<Self, WriteError> {
        let fits = (1..=MAX_LABEL_CHARS).contains(&label.len());
        if !fits || !label.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) || label.trim() != label {
            return Err(WriteError::Label { label: label.to_owned() });
        }
        let date = Date::from_unix(unix_seconds).ok_or(WriteError::Date { unix_seconds })?;
        Ok(Volume { label: label.to_owned(), date, files: Vec::new() })
    }

    /// Adds a file. The order of calls does not matter to the result.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Result<Self, WriteError> {
        let content = content.into();
        let allowed = |b: u8| (b == b' ' || b.is_ascii_graphic()) && !b"*/:;?\\".contains(&b);
        let fits = (1..=MAX_NAME_CHARS).contains(&name.len());
        if !fits || name == "." || name == ".." || !name.bytes().all(allowed) {
            return Err(WriteError::Name { name: name.to_owned() });
        }
        if self.files.iter().any(|f| f.name == name) {
            return Err(WriteError::Duplicate { name: name.to_owned() });
        }
        if self.files.len() == MAX_FILES {
            return Err(WriteError::TooManyFiles { limit: MAX_FILES });
        }
        // The volume's sector numbers are u32 as well, so one file's bound of 4 GiB keeps 100 files within 8 TiB.
        if content.len() as u64 > u64::from(u32::MAX) {
            return Err(WriteError::TooLarge {
                name: name.to_owned(),
                actual: content.len() as u64,
                limit: u64::from(u32::MAX),
            });
        }
        self.files.push(File { name: name.to_owned(), short: String::new(), content });
        Ok(self)
    }

    /// The volume's bytes, a whole number of sectors.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Sorted by name first, so that short names and extents do not depend on the order of adding.
        let mut files: Vec<File> = self.files.clone();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for at in 0..files.len() {
            let short = short_name(&files[at].name, &files[..at]);
            files[at].short = short;
        }

        let sizes = Directories::of(&files);
        let primary = FIRST_DIRECTORY;
        let joliet = primary + sizes.primary_sectors;
        let mut next = joliet + sizes.joliet_sectors;
        let extents: Vec<u32> = files
            .iter()
            .map(|f| {
                let at = next;
                next += sectors(f.content.len());
                at
            })
            .collect();

        let mut image = vec![0u8; next as usize * SECTOR];
        let mut put = |sector: u32, bytes: &[u8]| {
            let at = sector as usize * SECTOR;
            image[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let primary_root = Extent { sector: primary, bytes: sizes.primary_sectors * SECTOR as u32 };
        let joliet_root = Extent { sector: joliet, bytes: sizes.joliet_sectors * SECTOR as u32 };
        put(format::DESCRIPTOR_SECTOR, &self.descriptor(Tree::Primary, primary_root, next));
        put(format::DESCRIPTOR_SECTOR + 1, &self.descriptor(Tree::Joliet, joliet_root, next));
        put(format::DESCRIPTOR_SECTOR + 2, &terminator());
        put(PATH_TABLE_PRIMARY_LE, &path_table(primary.to_le_bytes(), 1u16.to_le_bytes()));
        put(PATH_TABLE_PRIMARY_BE, &path_table(primary.to_be_bytes(), 1u16.to_be_bytes()));
        put(PATH_TABLE_JOLIET_LE, &path_table(joliet.to_le_bytes(), 1u16.to_le_bytes()));
        put(PATH_TABLE_JOLIET_BE, &path_table(joliet.to_be_bytes(), 1u16.to_be_bytes()));
        put(CONTINUATION, &extension_reference());
        put(primary, &self.directory(Tree::Primary, primary_root, &files, &extents));
        put(joliet, &self.directory(Tree::Joliet, joliet_root, &files, &extents));
        for (file, &extent) in files.iter().zip(&extents) {
            put(extent, &file.content);
        }
        image
    }

    fn descriptor(&self, tree: Tree, root: Extent, volume_sectors: u32) -> Vec<u8> {
        let mut d = vec![0u8; SECTOR];
        d[descriptor::SIGNATURE..descriptor::SIGNATURE + 5].copy_from_slice(format::SIGNATURE);
        d[descriptor::VERSION] = 1;
        // Unset text fields hold spaces, which in the Joliet descriptor are two bytes each.
        let texts =
            [(descriptor::SYSTEM_ID, 64), (descriptor::TEXTS, descriptor::TEXTS_END - descriptor::TEXTS)];
        for (at, length) in texts {
            for (i, byte) in d[at..at + length].iter_mut().enumerate() {
                *byte = match tree {
                    Tree::Primary => b' ',
                    Tree::Joliet if i % 2 == 1 => b' ',
                    Tree::Joliet => 0,
                };
            }
        }
        match tree {
            Tree::Primary => {
                d[descriptor::TYPE] = format::TYPE_PRIMARY;
                put_text(&mut d[descriptor::VOLUME_ID..], self.label.as_bytes());
                put_text(&mut d[descriptor::APPLICATION_ID..], b"EYOT");
                put_path_tables(&mut d, PATH_TABLE_PRIMARY_LE, PATH_TABLE_PRIMARY_BE);
            }
            Tree::Joliet => {
                d[descriptor::TYPE] = format::TYPE_SUPPLEMENTARY;
                put_text(&mut d[descriptor::VOLUME_ID..], &ucs2(&self.label));
                put_text(&mut d[descriptor::APPLICATION_ID..], &ucs2("EYOT"));
                put_text(&mut d[descriptor::ESCAPES..], format::JOLIET_LEVEL_3);
                put_path_tables(&mut d, PATH_TABLE_JOLIET_LE, PATH_TABLE_JOLIET_BE);
            }
        }
        format::put_both_u32(&mut d[descriptor::VOLUME_SECTORS..], volume_sectors);
        format::put_both_u16(&mut d[descriptor::SET_SIZE..], 1);
        format::put_both_u16(&mut d[descriptor::SEQUENCE..], 1);
        format::put_both_u16(&mut d[descriptor::BLOCK_SIZE..], SECTOR as u16);
        format::put_both_u32(&mut d[descriptor::PATH_TABLE_BYTES..], PATH_TABLE_BYTES);
        let record = record(root, self.date, record::FLAG_DIRECTORY, format::NAME_SELF, &[]);
        put_text(&mut d[descriptor::ROOT_RECORD..], &record);
        for at in [descriptor::CREATED, descriptor::MODIFIED, descriptor::EFFECTIVE] {
            put_text(&mut d[at..], &self.date.long());
        }
        put_text(&mut d[descriptor::EXPIRES..], b"0000000000000000\0");
        d[descriptor::STRUCTURE_VERSION] = 1;
        d
    }

    fn directory(&self, tree: Tree, root: Extent, files: &[File], extents: &[u32]) -> Vec<u8> {
        let mut records = Vec::new();
        let (own, parent) = match tree {
            Tree::Primary => (rock_ridge_root(self.date), rock_ridge(MODE_DIRECTORY, 2, self.date, None)),
            Tree::Joliet => (Vec::new(), Vec::new()),
        };
        records.push(record(root, self.date, record::FLAG_DIRECTORY, format::NAME_SELF, &own));
        records.push(record(root, self.date, record::FLAG_DIRECTORY, format::NAME_PARENT, &parent));
        // ECMA-119 9.3 wants records in the order of their identifiers, which differ between the two trees.
        let mut named: Vec<(Vec<u8>, Vec<u8>)> = files
            .iter()
            .zip(extents)
            .map(|(file, &sector)| {
                let extent = Extent { sector, bytes: file.content.len() as u32 };
                let (name, system_use) = match tree {
                    Tree::Primary => (
                        format!("{};1", file.short).into_bytes(),
                        rock_ridge(MODE_FILE, 1, self.date, Some(&file.name)),
                    ),
                    Tree::Joliet => (ucs2(&file.name), Vec::new()),
                };
                let bytes = record(extent, self.date, 0, &name, &system_use);
                (name, bytes)
            })
            .collect();
        named.sort();
        records.extend(named.into_iter().map(|(_, bytes)| bytes));
        pack(&records)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Primary,
    Joliet,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    sector: u32,
    bytes: u32,
}

/// How many sectors each root directory takes, worked out from record lengths before extents are known.
struct Directories {
    primary_sectors: u32,
    joliet_sectors: u32,
}

impl Directories {
    fn of(files: &[File]) -> Self {
        let probe = Volume { label: String::new(), date: Date::EPOCH, files: Vec::new() };
        let nowhere = Extent { sector: 0, bytes: 0 };
        let none = vec![0; files.len()];
        let length = |tree| sectors(probe.directory(tree, nowhere, files, &none).len());
        Directories { primary_sectors: length(Tree::Primary), joliet_sectors: length(Tree::Joliet) }
    }
}

fn sectors(bytes: usize) -> u32 {
    bytes.div_ceil(SECTOR) as u32
}

/// Lays records one after the other, starting a new sector rather than crossing one.
fn pack(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        let left = SECTOR - out.len() % SECTOR;
        if record.len() > left {
            out.resize(out.len() + left, 0);
        }
        out.extend_from_slice(record);
    }
    out.resize(out.len().next_multiple_of(SECTOR), 0);
    out
}

fn record(extent: Extent, date: Date, flags: u8, name: &[u8], system_use: &[u8]) -> Vec<u8> {
    let padded_name = name.len() + (name.len() + 1) % 2;
    let length = (record::NAME + padded_name + system_use.len()).next_multiple_of(2);
    debug_assert!(length <= 254, "a directory record's length is one byte");
    let mut r = vec![0u8; length];
    r[record::LENGTH] = length as u8;
    format::put_both_u32(&mut r[record::EXTENT..], extent.sector);
    format::put_both_u32(&mut r[record::SIZE..], extent.bytes);
    put_text(&mut r[record::DATE..], &date.short());
    r[record::FLAGS] = flags;
    format::put_both_u16(&mut r[record::SEQUENCE..], 1);
    r[record::NAME_LENGTH] = name.len() as u8;
    put_text(&mut r[record::NAME..], name);
    put_text(&mut r[record::NAME + padded_name..], system_use);
    r
}

fn put_text(out: &mut [u8], text: &[u8]) {
    out[..text.len()].copy_from_slice(text);
}

fn put_path_tables(d: &mut [u8], little: u32, big: u32) {
    put_text(&mut d[descriptor::PATH_TABLE_LE..], &little.to_le_bytes());
    put_text(&mut d[descriptor::PATH_TABLE_BE..], &big.to_be_bytes());
}

fn path_table(root: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    let mut t = vec![1, 0]; // length of the root's name, extended attribute length
    t.extend_from_slice(&root);
    t.extend_from_slice(&parent);
    t.extend_from_slice(&[0, 0]); // the root's name, pad
    t
}

fn terminator() -> Vec<u8> {
    let mut d = vec![0u8; SECTOR];
    d[descriptor::TYPE] = format::TYPE_TERMINATOR;
    d[descriptor::SIGNATURE..descriptor::SIGNATURE + 5].copy_from_slice(format::SIGNATURE);
    d[descriptor::VERSION] = 1;
    d
}

/// PX (owner root, given mode and link count), TF and, for files, NM.
fn rock_ridge(mode: u32, links: u32, date: Date, name: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut px = [0u8; 32];
    format::put_both_u32(&mut px[0..], mode);
    format::put_both_u32(&mut px[8..], links);
    system_use(&mut out, b"PX", &px); // the rest: user 0, group 0
    let mut tf = vec![format::TF_MODIFY_ACCESS_CHANGE];
    for _ in 0..3 {
        tf.extend_from_slice(&date.short());
    }
    system_use(&mut out, b"TF", &tf);
    if let Some(name) = name {
        let mut nm = vec![0]; // flags
        nm.extend_from_slice(name.as_bytes());
        system_use(&mut out, b"NM", &nm);
    }
    out
}

/// The root's own record carries SP first, and CE pointing at the ER field, which is too long for a record.
fn rock_ridge_root(date: Date) -> Vec<u8> {
    let mut out = Vec::new();
    system_use(&mut out, b"SP", &[format::SP_CHECK[0], format::SP_CHECK[1], 0]);
    out.extend(rock_ridge(MODE_DIRECTORY, 2, date, None));
    let mut ce = [0u8; 24];
    format::put_both_u32(&mut ce[0..], CONTINUATION);
    format::put_both_u32(&mut ce[8..], 0);
    format::put_both_u32(&mut ce[16..], extension_reference().len() as u32);
    system_use(&mut out, b"CE", &ce);
    out
}

fn extension_reference() -> Vec<u8> {
    let (id, text, source) = (format::ER_ID, format::ER_DESCRIPTOR, format::ER_SOURCE);
    let mut er = vec![id.len() as u8, text.len() as u8, source.len() as u8, 1];
    er.extend([id, text, source].concat());
    let mut out = Vec::new();
    system_use(&mut out, b"ER", &er);
    out
}

fn system_use(out: &mut Vec<u8>, signature: &[u8; 2], payload: &[u8]) {
    out.extend_from_slice(signature);
    out.push((format::SUSP_HEADER + payload.len()) as u8);
    out.push(1); // version
    out.extend_from_slice(payload);
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// An 8.3 name for systems that read neither Joliet nor Rock Ridge; told apart from `taken` by a number at its end.
fn short_name(name: &str, taken: &[File]) -> String {
    let clean = |s: &str, max: usize| -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        s.chars().take(max).map(kept).collect()
    };
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (clean(stem, 8), clean(extension, 3)),
        _ => (clean(name, 8), String::new()),
    };
    let mut candidate = format!("{stem}.{extension}");
    let mut number = 0;
    while taken.iter().any(|f| f.short == candidate) {
        let digits = number.to_string();
        let kept: String = stem.chars().take(8 - digits.len()).collect();
        candidate = format!("{kept}{digits}.{extension}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn same_input_same_bytes_whatever_the_order_of_adding() {
        let a = Volume::new("cidata", 1).unwrap().file("a", "1").unwrap().file("b", "2").unwrap();
        let b = Volume::new("cidata", 1).unwrap().file("b", "2").unwrap().file("a", "1").unwrap();
        assert_eq!(a.to_bytes(), b.to_bytes());
    }

    #[test]
    fn refuses_what_cannot_be_carried() {
        let v = Volume::new("cidata", 0).unwrap().file("a", "1").unwrap();
        assert_eq!(v.clone().file("a", "2").unwrap_err(), WriteError::Duplicate { name: "a".into() });
        for bad in ["", "..", "a/b", "a;1", "ä", "a\nb", &"x".repeat(65)] {
            assert_eq!(v.clone().file(bad, "").unwrap_err(), WriteError::Name { name: bad.into() });
        }
        for bad in ["", " cidata", "seventeen letters", "ä"] {
            assert_eq!(Volume::new(bad, 0).unwrap_err(), WriteError::Label { label: bad.into() });
        }
        assert!(matches!(Volume::new("x", u64::MAX), Err(WriteError::Date { .. })));
        let mut full = Volume::new("x", 0).unwrap();
        for i in 0..MAX_FILES {
            full = full.file(&i.to_string(), "").unwrap();
        }
        assert_eq!(full.file("more", "").unwrap_err(), WriteError::TooManyFiles { limit: MAX_FILES });
    }

    #[test]
    fn short_names_stay_unique() {
        let mut taken: Vec<File> = Vec::new();
        for name in
            ["user-data", "user-data.1", "user-date", "USER-DATA", ".hidden", "network-config", "networkx"]
        {
            let short = short_name(name, &taken);
            assert!(taken.iter().all(|f| f.short != short), "{short} twice");
            taken.push(File { name: name.into(), short, content: Vec::new() });
        }
        assert_eq!(taken[0].short, "USER_DAT.");
        assert_eq!(taken[2].short, "USER_DA0.");
    }
}
