//! Reads an image with a library by other hands (the crates vmdk-core and vhdx-core) and compares it with the raw disk it
//! was made from. For scripts/check-readers; the crate's tests do the same in memory for disks that fit there.
//!
//! usage: read-with-crates RAW IMAGE OFFSET LENGTH [OFFSET LENGTH...]
//!
//! Compares each range, in bytes; prints nothing and ends with 0 when all are the same. IMAGE ends in .vmdk or .vhdx.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use anyhow::{bail, ensure, Context, Result};

/// Bytes compared at a time.
const STEP: u64 = 1 << 20;

trait Image: Read + Seek {}
impl<T: Read + Seek> Image for T {}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some([raw, image]), Some(ranges)) = (arguments.first_chunk::<2>(), arguments.get(2..)) else {
        bail!("usage: read-with-crates RAW IMAGE OFFSET LENGTH [OFFSET LENGTH...]");
    };
    let raw = File::open(raw).with_context(|| format!("cannot open {raw}"))?;
    let (mut image, size) = open(image).with_context(|| format!("cannot open {image}"))?;
    let expected = raw.metadata()?.len();
    ensure!(size == expected, "the image has {size} bytes, the disk {expected}");
    let numbers =
        ranges.iter().map(|n| n.parse()).collect::<Result<Vec<u64>, _>>().context("ranges are numbers")?;
    for range in numbers.chunks_exact(2) {
        compare(&raw, &mut *image, range[0], range[1])?;
    }
    Ok(())
}

fn open(path: &str) -> Result<(Box<dyn Image>, u64)> {
    if path.ends_with(".vmdk") {
        let reader = vmdk::VmdkReader::open(File::open(path)?)?;
        let size = reader.virtual_disk_size();
        return Ok((Box::new(reader), size));
    }
    let reader = vhdx::VhdxReader::open(std::path::Path::new(path))?;
    let size = reader.virtual_disk_size();
    Ok((Box::new(reader), size))
}

fn compare(raw: &File, image: &mut dyn Image, offset: u64, length: u64) -> Result<()> {
    let end = offset + length;
    let mut at = offset;
    while at < end {
        let step = STEP.min(end - at) as usize;
        let (mut expected, mut got) = (vec![0; step], vec![0; step]);
        raw.read_exact_at(&mut expected, at)?;
        image.seek(SeekFrom::Start(at))?;
        image.read_exact(&mut got).with_context(|| format!("cannot read {step} bytes at {at}"))?;
        ensure!(got == expected, "the {step} bytes at {at} differ");
        at += step as u64;
    }
    Ok(())
}
