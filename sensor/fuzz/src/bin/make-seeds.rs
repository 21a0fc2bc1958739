//! Seeds for the targets: `make-seeds CORPUS` writes those that the tree keeps, `make-seeds CAPTURES CORPUS` makes more out of
//! captures.
//!
//! Of captures `CORPUS/capture` gets the captures that are small enough, as they are; `CORPUS/dissector` the messages in all of them that
//! some dissector read, up to [`PER_PROTOCOL`] of each protocol. Names are digests, so that a second run adds nothing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use eyot_capture::file::FileSource;
use eyot_capture::{LinkType, Pulled, Source};
use eyot_dissect::{Dissector, Limits};
use eyot_sensor_fuzz::samples;

/// Longest capture taken as a seed, in bytes.
const MAX_CAPTURE: u64 = 64 << 10;
/// Messages of one protocol.
const PER_PROTOCOL: usize = 100;
/// Frames of one capture that are looked at.
const PER_CAPTURE: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (captures, corpus) = match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(corpus), None, None) => (None, PathBuf::from(corpus)),
        (captures, Some(corpus), None) => (captures.map(PathBuf::from), PathBuf::from(corpus)),
        _ => return Err("usage: make-seeds [CAPTURES] CORPUS".into()),
    };
    for target in ["capture", "dissector"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    match captures {
        Some(captures) => of_captures(&captures, &corpus),
        None => own(&corpus),
    }
}

fn own(corpus: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(corpus.join("capture/all"), samples::capture())?;
    for (name, input) in samples::inputs() {
        fs::write(corpus.join("dissector").join(name), input)?;
    }
    Ok(())
}

fn of_captures(captures: &Path, corpus: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    find(captures, &mut files)?;
    let mut seeds: BTreeMap<&str, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut small = 0;
    for path in &files {
        let Ok(mut source) = FileSource::open(path) else { continue };
        if path.metadata()?.len() <= MAX_CAPTURE {
            let bytes = fs::read(path)?;
            fs::write(corpus.join("capture").join(digest(&bytes)), bytes)?;
            small += 1;
        }
        let mut dissector = Dissector::new(Limits::default());
        let mut looked_at = 0;
        while looked_at < PER_CAPTURE {
            let pulled = source.pull(256, &mut |frame| {
                let Some(name) = dissector.frame(frame, &mut |_| ()).protocol else { return };
                let of_protocol = seeds.entry(name).or_default();
                if of_protocol.len() < PER_PROTOCOL && frame.link == LinkType::ETHERNET {
                    of_protocol.extend(message(frame.bytes).map(<[u8]>::to_vec));
                }
            });
            match pulled {
                Ok(Pulled::Frames(count)) => looked_at += count,
                _ => break,
            }
        }
    }
    let mut count = 0;
    for (name, messages) in seeds {
        for message in messages {
            let input = [name.as_bytes(), &[0], &message].concat();
            fs::write(corpus.join("dissector").join(digest(&input)), input)?;
            count += 1;
        }
    }
    if small == 0 || count == 0 {
        return Err(format!("{}: no captures to make seeds of", captures.display()).into());
    }
    println!("{small} captures, {count} messages");
    Ok(())
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<_> = fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What follows UDP's or TCP's header in a plain frame, or the link header where it is no IP.
fn message(bytes: &[u8]) -> Option<&[u8]> {
    let kind = u16::from_be_bytes([*bytes.get(12)?, *bytes.get(13)?]);
    let (protocol, transport) = match kind {
        0x0800 => (*bytes.get(23)?, bytes.get(14 + usize::from(bytes.get(14)? & 15) * 4..)?),
        0x86dd => (*bytes.get(20)?, bytes.get(54..)?),
        0..=1535 => return bytes.get(if bytes.get(14) == Some(&0xaa) { 22 } else { 17 }..),
        _ => return bytes.get(14..),
    };
    match protocol {
        6 => transport.get(usize::from(transport.get(12)? >> 4) * 4..),
        17 => transport.get(8..),
        _ => Some(transport),
    }
    .filter(|message| !message.is_empty())
}
