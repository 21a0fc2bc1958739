//! Files as people have them: whole, interrupted, damaged, compressed, something else.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write};

use eyot_contract::Timestamp;
use proptest::prelude::*;

use super::format::*;
use super::{Damage, FileSource, OpenError};
use crate::{LinkType, Pulled, Source};

type Seen = Vec<(i64, u16, Vec<u8>, u32)>;

fn open(bytes: impl Into<Vec<u8>>) -> Result<FileSource, OpenError> {
    FileSource::from_reader("test.pcap", Cursor::new(bytes.into()))
}

fn drain(source: &mut FileSource) -> Seen {
    let mut seen = Vec::new();
    while source.pull(3, &mut |f| seen.push((f.at.0, f.link.0, f.bytes.to_vec(), f.wire_len))).unwrap()
        != Pulled::Ended
    {}
    seen
}

fn pcap(magic: u32, big: bool, link: u32, frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut out = Vec::new();
    out.extend(word(magic));
    out.extend(half(2));
    out.extend(half(4));
    out.extend([0; 8]);
    out.extend(word(262_144));
    out.extend(word(link));
    for (seconds, fraction, bytes) in frames {
        out.extend(word(*seconds));
        out.extend(word(*fraction));
        out.extend(word(bytes.len() as u32));
        out.extend(word(1_000));
        if magic == MAGIC_PATCHED {
            out.extend([0; 8]);
        }
        out.extend_from_slice(bytes);
    }
    out
}

/// Writes pcapng blocks of one byte order.
struct Ng {
    big: bool,
    out: Vec<u8>,
}

impl Ng {
    fn new(big: bool) -> Self {
        let mut ng = Self { big, out: Vec::new() };
        let mut body = ng.word(SECTION_ORDER).to_vec();
        body.extend(ng.half(1));
        body.extend(ng.half(0));
        body.extend([0xff; 8]);
        ng.block(BLOCK_SECTION, &body);
        ng
    }

    fn word(&self, n: u32) -> [u8; 4] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    fn half(&self, n: u16) -> [u8; 2] {
        if self.big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let length = self.word((padded + BLOCK_MIN) as u32);
        self.out.extend(self.word(kind));
        self.out.extend(length);
        self.out.extend_from_slice(body);
        self.out.extend(vec![0; padded - body.len()]);
        self.out.extend(length);
    }

    fn interface(&mut self, link: u16, resolution: Option<u8>, offset: Option<i64>) {
        let mut body = self.half(link).to_vec();
        body.extend([0; 2]);
        body.extend(self.word(0));
        if let Some(value) = resolution {
            body.extend(self.half(OPTION_RESOLUTION));
            body.extend(self.half(1));
            body.extend([value, 0, 0, 0]);
        }
        if let Some(value) = offset {
            body.extend(self.half(OPTION_OFFSET));
            body.extend(self.half(8));
            body.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        }
        body.extend([0; 4]);
        self.block(BLOCK_INTERFACE, &body);
    }

    fn enhanced(&mut self, interface: u32, ticks: u64, bytes: &[u8]) {
        let mut body = self.word(interface).to_vec();
        body.extend(self.word((ticks >> 32) as u32));
        body.extend(self.word(ticks as u32));
        body.extend(self.word(bytes.len() as u32));
        body.extend(self.word(500));
        body.extend_from_slice(bytes);
        self.block(BLOCK_ENHANCED, &body);
    }
}

#[test]
fn pcap_in_every_byte_order_and_resolution() {
    for (magic, fraction) in [(MAGIC_MICROS, 5), (MAGIC_NANOS, 5_999), (MAGIC_PATCHED, 5)] {
        for big in [false, true] {
            let file = pcap(magic, big, 0xf000_0071, &[(2, fraction, b"abc"), (u32::MAX, 0, b"")]);
            let mut source = open(file).unwrap();
            let last = i64::from(u32::MAX) * 1_000_000;
            assert_eq!(
                drain(&mut source),
                [(2_000_005, 113, b"abc".to_vec(), 1_000), (last, 113, Vec::new(), 1_000)],
                "magic {magic:x}, big endian: {big}"
            );
            assert_eq!(source.damage(), None);
            assert_eq!(source.statistics().frames, 2);
            assert_eq!(source.statistics().bytes, 3);
        }
    }
}

#[test]
fn pcap_interrupted_while_it_was_written() {
    let whole = pcap(MAGIC_MICROS, false, 1, &[(1, 0, &[7; 60]), (2, 0, &[8; 60])]);
    for (cut, needed, got) in [(whole.len() - 1, 76, 75), (24 + 76 + 5, 16, 5)] {
        let mut source = open(&whole[..cut]).unwrap();
        assert_eq!(drain(&mut source).len(), 1);
        assert_eq!(source.damage(), Some(&Damage::CutShort { offset: 100, needed, got }));
    }
}

#[test]
fn pcap_with_a_length_no_frame_can_have() {
    let mut file = pcap(MAGIC_MICROS, false, 1, &[(1, 0, &[7; 60]), (2, 0, &[8; 60])]);
    file[100 + 8..100 + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let mut source = open(file).unwrap();
    assert_eq!(drain(&mut source).len(), 1);
    let damage = source.damage().unwrap();
    assert_eq!(*damage, Damage::Length { offset: 100, length: 0x7fff_ffff, limit: MAX_FRAME as u64 });
    assert!(damage.to_string().contains("byte 100"));
}

#[test]
fn pcapng_with_interfaces_of_different_kinds_and_clocks() {
    for big in [false, true] {
        let mut ng = Ng::new(big);
        ng.interface(1, None, None);
        ng.interface(113, Some(9), None);
        ng.interface(101, Some(0x80 | 20), Some(-10));
        ng.block(0x0bad, b"a custom block of nine"); // passed over
        ng.enhanced(0, 3_000_001, b"ethernet");
        ng.enhanced(1, 4_000_000_500_999, b"cooked");
        ng.enhanced(2, 60 << 20, b"raw");
        ng.enhanced(9, 0, b"an interface that was never described");
        ng.enhanced(0, 5_000_000, b"after it");
        let mut source = open(ng.out).unwrap();
        assert_eq!(
            drain(&mut source),
            [
                (3_000_001, 1, b"ethernet".to_vec(), 500),
                (4_000_000_500, 113, b"cooked".to_vec(), 500),
                (50_000_000, 101, b"raw".to_vec(), 500),
                (5_000_000, 1, b"after it".to_vec(), 500),
            ]
        );
        assert_eq!(source.damage(), None);
        assert_eq!(source.statistics().skipped, 1);
    }
}

#[test]
fn pcapng_sections_of_both_byte_orders_in_one_file() {
    let mut first = Ng::new(false);
    first.interface(1, None, None);
    first.enhanced(0, 1, b"little");
    let mut second = Ng::new(true);
    second.interface(101, None, None);
    second.enhanced(0, 2, b"big");
    let mut source = open([first.out, second.out].concat()).unwrap();
    let seen = drain(&mut source);
    assert_eq!(seen[0], (1, 1, b"little".to_vec(), 500));
    assert_eq!(seen[1], (2, 101, b"big".to_vec(), 500));
}

#[test]
fn pcapng_simple_and_obsolete_packets() {
    let mut ng = Ng::new(false);
    ng.interface(1, None, None);
    let mut obsolete = ng.half(0).to_vec();
    obsolete.extend(ng.half(0));
    obsolete.extend(ng.word(0));
    obsolete.extend(ng.word(77));
    obsolete.extend(ng.word(3));
    obsolete.extend(ng.word(9));
    obsolete.extend_from_slice(b"old");
    ng.block(BLOCK_PACKET, &obsolete);
    let mut simple = ng.word(6).to_vec();
    simple.extend_from_slice(b"simple");
    ng.block(BLOCK_SIMPLE, &simple);
    let mut source = open(ng.out).unwrap();
    assert_eq!(drain(&mut source), [(77, 1, b"old".to_vec(), 9), (77, 1, b"simple".to_vec(), 6)]);
}

#[test]
fn pcapng_whose_block_lengths_differ() {
    let mut ng = Ng::new(false);
    ng.interface(1, None, None);
    ng.enhanced(0, 1, b"good");
    let offset = ng.out.len() as u64;
    ng.enhanced(0, 2, b"bad!");
    let end = ng.out.len();
    ng.out[end - 4] ^= 0x10;
    let mut source = open(ng.out).unwrap();
    assert_eq!(drain(&mut source).len(), 1);
    assert_eq!(source.damage(), Some(&Damage::Block { offset, first: 36, second: 52 }));
}

#[test]
fn empty_other_and_too_short_files_are_refused_with_a_remedy() {
    let message = |bytes: &[u8]| open(bytes).err().unwrap().to_string();
    assert_eq!(message(b""), "test.pcap: the file is empty; give a pcap or pcapng capture");
    assert_eq!(
        message(b"\x7fELF and so on"),
        "test.pcap: not a capture file (byte 0 begins with 7f 45 4c 46); give a pcap or pcapng capture, plain or compressed with gzip or zstd"
    );
    assert!(message(b"ab").contains("begins with 61 62"));
    assert_eq!(
        message(&pcap(MAGIC_MICROS, false, 1, &[])[..10]),
        "test.pcap: the file ends at byte 10, inside its header of 24 bytes; copy it again from where it was recorded"
    );
    assert!(message(&Ng::new(false).out[..8]).contains("inside its header of 12 bytes"));
    let missing = FileSource::open("/nonexistent/x.pcap").err().unwrap();
    assert_eq!(missing.to_string(), "/nonexistent/x.pcap: cannot be read");
    let directory = FileSource::open("/").err().unwrap();
    assert!(matches!(directory, OpenError::Io { .. }), "{directory:?}");
}

#[test]
fn gzip_whole_of_two_members_and_cut_short() {
    let file = pcap(MAGIC_MICROS, false, 1, &(0..200).map(|n| (n, 0, &[1; 90][..])).collect::<Vec<_>>());
    let squeeze = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let packed = [squeeze(&file[..5_000]), squeeze(&file[5_000..])].concat();
    let mut source = open(&packed[..]).unwrap();
    assert_eq!(drain(&mut source).len(), 200);
    assert_eq!(source.damage(), None);
    assert_eq!(source.position().bytes(), packed.len() as u64);

    let mut source = open(&packed[..packed.len() - 20]).unwrap();
    let seen = drain(&mut source).len();
    assert!((47..200).contains(&seen), "{seen}");
    assert!(matches!(source.damage(), Some(Damage::Compression { .. })), "{:?}", source.damage());

    let broken = open(&b"\x1f\x8b\x08\x00 nothing that gzip wrote"[..]).err().unwrap();
    assert!(matches!(broken, OpenError::Compression { .. }), "{broken:?}");
}

#[test]
fn zstd_of_two_frames() {
    let file = pcap(MAGIC_MICROS, false, 1, &(0..200).map(|n| (n, 0, &[1; 90][..])).collect::<Vec<_>>());
    let squeeze =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let packed = [squeeze(&file[..5_000]), squeeze(&file[5_000..])].concat();
    let mut source = open(&packed[..]).unwrap();
    assert_eq!(drain(&mut source).len(), 200);
    assert_eq!(source.damage(), None);

    let mut source = open(&packed[..packed.len() - 20]).unwrap();
    assert!(drain(&mut source).len() >= 46);
    assert!(matches!(source.damage(), Some(Damage::Compression { .. })), "{:?}", source.damage());
}

#[test]
fn a_file_on_disk_knows_its_size_and_position_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pcap");
    std::fs::write(&path, pcap(MAGIC_MICROS, false, 1, &[(1, 0, b"x"), (2, 0, b"y")])).unwrap();
    let mut source = FileSource::open(&path).unwrap();
    assert_eq!(source.size(), Some(24 + 17 * 2));
    let mut first = Vec::new();
    assert_eq!(source.pull(1, &mut |f| first.push((f.at, f.link))).unwrap(), Pulled::Frames(1));
    assert_eq!(first, [(Timestamp(1_000_000), LinkType::ETHERNET)]);
    assert_eq!(source.position().bytes(), 58);
    source.stop_handle().stop();
    assert_eq!(source.pull(1, &mut |_| panic!("a frame after the stop")).unwrap(), Pulled::Ended);
}

proptest! {
    #[test]
    fn any_bytes_behind_any_header_end_without_a_panic(kind in 0..3_u8, big: bool, tail: Vec<u8>) {
        let mut file = match kind {
            0 => pcap(MAGIC_MICROS, big, 1, &[(1, 0, b"x")]),
            1 => {
                let mut ng = Ng::new(big);
                ng.interface(1, None, None);
                ng.enhanced(0, 1, b"x");
                ng.out
            }
            _ => Vec::new(),
        };
        file.extend(tail);
        if let Ok(mut source) = open(file) {
            let seen = drain(&mut source);
            prop_assert!(kind == 2 || !seen.is_empty());
        }
    }

    #[test]
    fn any_flipped_byte_of_a_pcapng_ends_without_a_panic(at in 0..400_usize, flip in 1..=255_u8) {
        let mut ng = Ng::new(false);
        ng.interface(1, Some(9), Some(5));
        for n in 0..6 {
            ng.enhanced(0, n, &[0; 23]);
        }
        let at = at % ng.out.len();
        ng.out[at] ^= flip;
        if let Ok(mut source) = open(ng.out) {
            drain(&mut source);
        }
    }
}
