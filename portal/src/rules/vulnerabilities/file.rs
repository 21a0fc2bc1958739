//! Files of vulnerabilities, told apart by what is in them: NVD's JSON 2.0, CISA's catalogue as JSON or CSV, each also
//! compressed with gzip.
//!
//! NVD's lists are large (a year is some 100 MB), so entries are handed on while the file is read, and never held
//! together. What has been handed on when an error comes stays valid: each entry stands for itself. The catalogue is
//! small and counts as a whole, so it is handed on at the end or not at all.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserialize;

use super::kev::{self, Exploited};
use super::nvd::{self, Cve};

/// Largest file, unpacked, in bytes: all of NVD is a third of it.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Largest catalogue as CSV, in bytes: it has 1.5 MB.
const MAX_CSV_BYTES: u64 = 64 * 1024 * 1024;
/// Largest catalogue, in entries.
const MAX_EXPLOITED: usize = 100_000;

/// Why a file is not taken, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or unpacked.
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    /// It is none of these files.
    #[error("this is neither NVD's list of CVEs (JSON 2.0) nor CISA's list of exploited ones (JSON or CSV)")]
    Unknown,
    /// It is JSON, and then not.
    #[error("the JSON does not go on as such a file does")]
    Json(#[source] serde_json::Error),
    /// It is larger than any such file.
    #[error("unpacked it has more than {} GiB", MAX_BYTES >> 30)]
    TooLarge,
    /// An entry of the catalogue, as CSV.
    #[error(transparent)]
    Exploited(#[from] kev::EntryError),
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NVD's.
    Nvd,
    /// CISA's.
    Kev,
}

/// Where entries go. `false` ends the reading: nobody wants more.
pub trait Sink {
    /// A CVE.
    fn cve(&mut self, cve: Cve) -> bool;
    /// The whole catalogue.
    fn exploited(&mut self, all: Vec<Exploited>) -> bool;
}

/// Reads a file to its end.
///
/// # Errors
/// [`FileError`].
pub fn read(file: impl Read, sink: &mut impl Sink) -> Result<Kind, FileError> {
    let mut packed = BufReader::new(file);
    let head = packed.fill_buf().map_err(FileError::Read)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        return unpacked(
            BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(packed)),
            sink,
        );
    }
    unpacked(packed, sink)
}

fn unpacked(mut file: impl BufRead, sink: &mut impl Sink) -> Result<Kind, FileError> {
    // blanks and a byte order mark may precede what tells the forms apart
    let first = loop {
        let head = file.fill_buf().map_err(FileError::Read)?;
        let Some(first) = head.first().copied() else { return Err(FileError::Unknown) };
        if !(first.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(&first)) {
            break first;
        }
        file.consume(1);
    };
    match first {
        b'{' => json(file, sink),
        _ => csv(file, sink),
    }
}

fn csv(file: impl BufRead, sink: &mut impl Sink) -> Result<Kind, FileError> {
    let mut text = Vec::new();
    file.take(MAX_CSV_BYTES).read_to_end(&mut text).map_err(FileError::Read)?;
    let text = String::from_utf8_lossy(&text);
    match kev::read_csv(&text) {
        Ok(all) => {
            sink.exploited(all);
            Ok(Kind::Kev)
        }
        Err(kev::EntryError::Column(_)) => Err(FileError::Unknown),
        Err(error) => Err(error.into()),
    }
}

fn json(file: impl BufRead, sink: &mut impl Sink) -> Result<Kind, FileError> {
    let mut bounded = file.take(MAX_BYTES);
    let mut reading = Reading { sink, exploited: Vec::new(), kind: None, stopped: false };
    let read = {
        let mut json = serde_json::Deserializer::from_reader(&mut bounded);
        Root(&mut reading).deserialize(&mut json)
    };
    let (kind, stopped) = (reading.kind, reading.stopped);
    match read {
        _ if stopped => {}
        Err(_) if bounded.limit() == 0 => return Err(FileError::TooLarge),
        Err(error) if error.is_io() => return Err(FileError::Read(error.into())),
        Err(error) => return Err(FileError::Json(error)),
        Ok(()) => {}
    }
    match kind {
        None => Err(FileError::Unknown),
        Some(Kind::Nvd) => Ok(Kind::Nvd),
        Some(Kind::Kev) => {
            let all = std::mem::take(&mut reading.exploited);
            reading.sink.exploited(all);
            Ok(Kind::Kev)
        }
    }
}

struct Reading<'a, S> {
    sink: &'a mut S,
    exploited: Vec<Exploited>,
    kind: Option<Kind>,
    stopped: bool,
}

impl<S: Sink> Reading<'_, S> {
    /// `false`: no more is wanted. `Err` says what is wrong with the entry.
    fn take(&mut self, entry: Entry) -> Result<bool, String> {
        let (kind, go_on) = match (entry.cve, entry.exploited) {
            (Some(written), _) => {
                let cve = written.read().map_err(|e| e.to_string())?;
                (Kind::Nvd, self.sink.cve(cve))
            }
            (None, written) => {
                self.exploited.push(written.read().map_err(|e| e.to_string())?);
                (Kind::Kev, true)
            }
        };
        if self.exploited.len() > MAX_EXPLOITED {
            return Err(format!("the catalogue has more than {MAX_EXPLOITED} entries"));
        }
        match self.kind.replace(kind) {
            Some(before) if before != kind => Err("entries of two kinds in one file".to_owned()),
            _ => Ok(go_on),
        }
    }
}

/// An entry of either kind: NVD's lie one level deeper.
#[derive(Deserialize)]
struct Entry {
    cve: Option<nvd::Written>,
    #[serde(flatten)]
    exploited: kev::Written,
}

/// The file's one object.
struct Root<'a, 'b, S>(&'a mut Reading<'b, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Root<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Root<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the list \"vulnerabilities\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "vulnerabilities" => map.next_value_seed(Entries(&mut *self.0))?,
                // an empty list says by these what it is a list of
                "format" => {
                    self.0.kind = (map.next_value::<String>()? == "NVD_CVE").then_some(Kind::Nvd);
                }
                "catalogVersion" => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.kind = Some(Kind::Kev);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Entries<'a, 'b, S>(&'a mut Reading<'b, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Entries<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Entries<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of vulnerabilities")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<Entry>()? {
            match self.0.take(entry) {
                Ok(true) => {}
                Ok(false) => {
                    self.0.stopped = true;
                    return Err(serde::de::Error::custom("nobody takes more"));
                }
                Err(reason) => return Err(serde::de::Error::custom(reason)),
            }
        }
        Ok(())
    }
}
