//! The machine's disk seen from outside: an overlay over the shipped image, and after the machine is off everything that
//! is on it, byte for byte and file for file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{ensure, Context, Result};
use nix::unistd::{lseek64, Whence};
use regex::bytes::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::tool::output;
use crate::wiring::Wiring;

/// Bytes searched at a time.
const WINDOW: usize = 8 << 20;
/// Longest text searched for; windows overlap by as much.
const LONGEST: usize = 2048;

/// Said of a path that is not there.
pub const NOT_THERE: &str = "not there";

/// Files and folders by path: mode, owner, and the content's digest.
pub type Settled = BTreeMap<String, String>;

/// Makes the overlay that the machine writes to; the image stays as it was shipped.
pub fn overlay(wiring: &Wiring, image: &Path, format: &str) -> Result<PathBuf> {
    let overlay = wiring.folder().join("disk.qcow2");
    output(
        Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", format, "-b"])
            .arg(image)
            .arg(&overlay),
    )?;
    Ok(overlay)
}

/// Makes a disk with nothing on it.
pub fn blank(wiring: &Wiring, bytes: u64) -> Result<PathBuf> {
    let disk = wiring.folder().join("data.qcow2");
    output(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg(bytes.to_string()))?;
    Ok(disk)
}

/// The disk as the machine sees it, flat; removed when this goes.
pub struct RawDisk {
    path: PathBuf,
    folder: PathBuf,
}

impl RawDisk {
    /// Overlay and image together.
    pub fn of(wiring: &Wiring, overlay: &Path, name: &str) -> Result<Self> {
        let path = wiring.folder().join(format!("{name}.raw"));
        output(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(overlay).arg(&path))?;
        Ok(Self { path, folder: wiring.folder().to_owned() })
    }

    /// Where on the disk any of these texts is: bytes from its start and the name of the text.
    pub fn find(&self, needles: &Needles) -> Result<Vec<(u64, String)>> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        let mut found = Vec::new();
        let mut buffer = vec![0; WINDOW + LONGEST];
        let mut at = 0;
        // only what is allocated: the rest reads as zeros
        while let Some(start) = seek(&file, at, Whence::SeekData)? {
            let end = seek(&file, start, Whence::SeekHole)?.unwrap_or(size);
            let mut window = start;
            while window < end {
                let length = ((end - window) as usize).min(buffer.len());
                file.read_exact_at(&mut buffer[..length], window)?;
                needles.find(&buffer[..length], |offset, name| found.push((window + offset as u64, name)));
                window += WINDOW as u64;
            }
            at = end;
        }
        found.dedup();
        Ok(found)
    }

    /// Mounts the root file system, read only, without touching its journal.
    pub fn mount(&self) -> Result<Mounted> {
        let table = output(Command::new("sfdisk").arg("--json").arg(&self.path))?;
        let table: Value = serde_json::from_str(&table)?;
        let partitions =
            table["partitiontable"]["partitions"].as_array().context("the disk has no partitions")?;
        let largest =
            partitions.iter().max_by_key(|p| p["size"].as_u64()).context("the disk has no partitions")?;
        let sector = table["partitiontable"]["sectorsize"].as_u64().unwrap_or(512);
        self.mount_at(largest["start"].as_u64().context("a partition without a start")? * sector)
    }

    /// Mounts the file system over the whole disk, in the same way.
    pub fn mount_whole(&self) -> Result<Mounted> {
        self.mount_at(0)
    }

    /// Size in bytes of the ext4 file system over the whole disk, which must have this label.
    pub fn ext4_bytes(&self, label: &str) -> Result<u64> {
        let told = output(Command::new("dumpe2fs").arg("-h").arg(&self.path))?;
        let value = |name: &str| told.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        ensure!(value("Filesystem volume name:") == Some(label), "no volume labelled {label}:\n{told}");
        let number = |name| value(name).and_then(|v| v.parse::<u64>().ok());
        number("Block count:")
            .zip(number("Block size:"))
            .map(|(n, size)| n * size)
            .context("dumpe2fs tells no size")
    }

    fn mount_at(&self, offset: u64) -> Result<Mounted> {
        let place = self.folder.join(format!("mount-{offset}"));
        std::fs::create_dir_all(&place)?;
        output(
            Command::new("mount")
                .args(["-o", &format!("ro,noload,loop,offset={offset}")])
                .arg(&self.path)
                .arg(&place),
        )?;
        Ok(Mounted { place })
    }
}

impl Drop for RawDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Texts to look for, each with a name.
pub struct Needles {
    pattern: Regex,
    names: Vec<(Vec<u8>, String)>,
}

impl Needles {
    /// From names and bytes.
    pub fn new(texts: Vec<(String, Vec<u8>)>) -> Result<Self> {
        let escaped = |bytes: &[u8]| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
        for (name, bytes) in &texts {
            ensure!(bytes.len() <= LONGEST, "{name} is longer than the overlap of the search");
        }
        let pattern = texts.iter().map(|(_, bytes)| escaped(bytes)).collect::<Vec<_>>().join("|");
        let pattern = regex::bytes::RegexBuilder::new(&pattern).unicode(false).build()?;
        Ok(Self { pattern, names: texts.into_iter().map(|(name, bytes)| (bytes, name)).collect() })
    }

    /// Calls back for every place in the bytes.
    pub fn find(&self, bytes: &[u8], mut each: impl FnMut(usize, String)) {
        for place in self.pattern.find_iter(bytes) {
            let name =
                self.names.iter().find(|(text, _)| text == place.as_bytes()).map(|(_, name)| name.clone());
            each(place.start(), name.unwrap_or_default());
        }
    }
}

/// A mounted root file system; unmounted when this goes.
pub struct Mounted {
    place: PathBuf,
}

impl Mounted {
    /// A file's text.
    pub fn text(&self, path: &str) -> Result<String> {
        let inside = self.place.join(path.trim_start_matches('/'));
        std::fs::read_to_string(inside).with_context(|| format!("{path} cannot be read"))
    }

    /// The journal that the machine kept, one JSON object a line, oldest first.
    pub fn journal(&self) -> Result<String> {
        let folder = self.place.join("var/log/journal");
        output(Command::new("journalctl").arg("--directory").arg(folder).args(["--output=json", "--quiet"]))
    }

    /// Names in a folder; none if it is not there.
    pub fn names(&self, path: &str) -> Result<Vec<String>> {
        let folder = self.place.join(path.trim_start_matches('/'));
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Everything below these paths; [`NOT_THERE`] for one that is not.
    pub fn inventory(&self, paths: &[&str]) -> Result<Settled> {
        let mut all = Settled::new();
        for path in paths {
            self.add(&self.place.join(path.trim_start_matches('/')), &mut all)?;
        }
        Ok(all)
    }

    fn add(&self, path: &Path, all: &mut Settled) -> Result<()> {
        let name = format!("/{}", path.strip_prefix(&self.place)?.display());
        let Ok(metadata) = path.symlink_metadata() else {
            all.insert(name, NOT_THERE.to_owned());
            return Ok(());
        };
        let owner = format!("{:o} {}:{}", metadata.permissions().mode(), metadata.uid(), metadata.gid());
        let content = if metadata.is_symlink() {
            std::fs::read_link(path)?.display().to_string()
        } else if metadata.is_file() {
            let mut bytes = Vec::new();
            File::open(path)?.read_to_end(&mut bytes)?;
            hex::encode(Sha256::digest(&bytes))
        } else {
            String::new()
        };
        all.insert(name, format!("{owner} {content}"));
        if metadata.is_dir() {
            for entry in std::fs::read_dir(path)? {
                self.add(&entry?.path(), all)?;
            }
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = output(Command::new("umount").arg(&self.place));
    }
}

/// The next data or hole from here on; `None` at the end.
fn seek(file: &File, from: u64, whence: Whence) -> Result<Option<u64>> {
    match lseek64(file.as_fd(), from.try_into()?, whence) {
        Ok(at) => Ok(Some(at.try_into()?)),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        Err(error) => Err(error).context("the disk's holes cannot be told"),
    }
}
