//! Files that lie on a disk: lent where the kernel keeps them, and read when somebody wants to write to them.

#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Damage, FileSource};
use crate::{Pulled, Source};

/// Frames of this many bytes each, so that records straddle every boundary there is.
const FRAME: usize = 1_531;

/// A capture of so many frames, each filled with its number.
fn capture(folder: &tempfile::TempDir, frames: u32) -> PathBuf {
    let path = folder.path().join("long.pcap");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    file.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])
        .unwrap();
    for n in 0..frames {
        for word in [n, 0, FRAME as u32, FRAME as u32] {
            file.write_all(&word.to_le_bytes()).unwrap();
        }
        file.write_all(&n.to_le_bytes().repeat(FRAME.div_ceil(4))[..FRAME]).unwrap();
    }
    file.flush().unwrap();
    path
}

/// The numbers of the frames that are whole and in order; checks each byte of them.
fn numbers(source: &mut FileSource, max: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    let mut left = max;
    while left > 0 {
        let pulled = source
            .pull(left.min(100), &mut |frame| {
                let number = u32::from_le_bytes(frame.bytes[..4].try_into().unwrap());
                assert_eq!(i64::from(number) * 1_000_000, frame.at.0);
                assert_eq!(frame.bytes.len(), FRAME);
                assert!(frame.bytes.chunks(4).all(|word| number.to_le_bytes().starts_with(word)));
                seen.push(number);
            })
            .unwrap();
        match pulled {
            Pulled::Frames(count) => left -= count,
            _ => break,
        }
    }
    seen
}

#[test]
fn a_long_file_is_mapped_and_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(&folder, 8_000);
    let mut source = FileSource::open(&path).unwrap();
    assert!(source.window.is_mapped(), "the file system of {} knows no leases", path.display());
    assert!(numbers(&mut source, usize::MAX).into_iter().eq(0..8_000));
    assert_eq!(source.position().bytes(), path.metadata().unwrap().len());
    assert!(source.damage().is_none());
    assert_eq!(source.statistics().frames, 8_000);
}

#[test]
fn a_file_that_ends_inside_a_frame_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(&folder, 4_000);
    let length = path.metadata().unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 7).unwrap();
    let mut source = FileSource::open(&path).unwrap();
    assert!(source.window.is_mapped());
    assert_eq!(numbers(&mut source, usize::MAX).len(), 3_999);
    let record = (FRAME + 16) as u64;
    assert!(
        matches!(source.damage(), Some(Damage::CutShort { offset, needed, got })
            if (*offset, *needed, *got) == (24 + 3_999 * record, record, record - 7)),
        "{:?}",
        source.damage()
    );
}

#[test]
fn a_file_that_is_being_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(&folder, 2_000);
    let _writer = OpenOptions::new().append(true).open(&path).unwrap();
    let mut source = FileSource::open(&path).unwrap();
    assert!(!source.window.is_mapped());
    assert_eq!(numbers(&mut source, usize::MAX).len(), 2_000);
}

#[test]
fn whoever_cuts_the_file_meanwhile_waits_until_it_is_no_longer_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(&folder, 8_000);
    let mut source = FileSource::open(&path).unwrap();
    assert_eq!(numbers(&mut source, 50).len(), 50);
    let (done, is_done) = mpsc::channel();
    let cutter = thread::spawn({
        let path = path.clone();
        move || {
            // waits in the kernel for the lease
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(5_000_000).unwrap();
            done.send(()).unwrap();
        }
    });
    assert!(is_done.recv_timeout(Duration::from_millis(300)).is_err(), "the cut did not wait");
    // to the end of what is mapped, at most 4 MiB
    let mut seen = numbers(&mut source, 2_600);
    assert_eq!(seen.len(), 2_600);
    // the next stretch is read; by then the cutter may go on
    seen.extend(numbers(&mut source, 200));
    is_done.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(!source.window.is_mapped());
    seen.extend(numbers(&mut source, usize::MAX));
    assert!(seen.iter().copied().eq(50..50 + seen.len() as u32), "frames are whole and in order");
    assert!(seen.len() < 7_950, "the file was cut");
    assert!(matches!(source.damage(), Some(Damage::CutShort { .. })), "{:?}", source.damage());
    cutter.join().unwrap();
}

#[test]
fn compressed_files_are_not_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(&folder, 6_000);
    // bytes that do not compress would be better; what counts is that the result is longer than what is worth mapping
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packer.write_all(&fs::read(&path).unwrap()).unwrap();
    let packed = folder.path().join("long.pcap.gz");
    fs::write(&packed, packer.finish().unwrap()).unwrap();
    let mut source = FileSource::open(&packed).unwrap();
    assert!(!source.window.is_mapped());
    assert_eq!(numbers(&mut source, usize::MAX).len(), 6_000);
}
