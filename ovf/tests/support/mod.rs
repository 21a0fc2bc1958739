//! What the tests share: disks of every awkward shape, and tools that must be there.
#![allow(clippy::unwrap_used, dead_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyot_image::disk::{RawDisk, Survey};
use eyot_image::pass::{pack, Control, Sink};
use eyot_image::{vhdx, vmdk};

pub const MIB: u64 = 1 << 20;

/// Runs a tool that must be there and must succeed; gives its output.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {args:?}: {text}");
    text
}

/// Bytes that do not compress, the same every time.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// Bytes that compress like program code.
pub fn prose(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"the river island "[n % 17].wrapping_add((n / 4096) as u8 & 3)).collect()
}

/// A sparse file of `size` bytes with these pieces written into it.
pub fn disk(dir: &Path, name: &str, size: u64, pieces: &[(u64, Vec<u8>)]) -> PathBuf {
    let path = dir.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    path
}

/// Each with what is special about it.
pub fn awkward_disks(dir: &Path) -> Vec<(&'static str, PathBuf)> {
    let grain = 64 << 10;
    let over_table = 32 * MIB + 512;
    let partial = 33 * MIB + 5 * 512;
    let far = 5 << 30;
    vec![
        (
            "mixed",
            disk(
                dir,
                "mixed",
                100 * MIB,
                &[
                    (0, prose(300_000)),
                    (5 * MIB + 4096, noise(200_000, 1)),
                    (40 * MIB, vec![0; 3 << 20]),
                    (41 * MIB + 777, vec![1]),
                    (64 * MIB, prose(70_000)),
                ],
            ),
        ),
        ("holes only", disk(dir, "holes", 10 * MIB, &[])),
        ("zeros written out", disk(dir, "zeros", 10 * MIB, &[(0, vec![0; 10 << 20])])),
        (
            "incompressible last grain",
            disk(dir, "noise", 8 * MIB, &[(8 * MIB - grain, noise(grain as usize, 2))]),
        ),
        (
            "partial last grain",
            disk(dir, "partial", partial, &[(7, prose(100)), (partial - 600, noise(600, 3))]),
        ),
        ("data at the far end of 5 GiB", disk(dir, "far", far, &[(far - 512, noise(512, 4))])),
        ("one sector over a grain table", disk(dir, "over", over_table, &[(32 * MIB - 1, vec![9; 513])])),
        ("a single sector", disk(dir, "single", 512, &[(0, vec![3; 512])])),
    ]
}

pub fn control(threads: usize) -> Control {
    Control { threads, ..Control::quiet() }
}

/// The VMDK and the VHDX of a disk, in memory, from one pass.
pub fn images(path: &Path, threads: usize, options: vhdx::Options) -> (Vec<u8>, Vec<u8>) {
    let control = control(threads);
    let disk = RawDisk::open(path).unwrap();
    let survey = Survey::of(&disk, &control).unwrap();
    let mut vmdk = vmdk::StreamWriter::new(Vec::new(), &survey).unwrap();
    let mut vhdx = vhdx::Writer::new(Vec::new(), &survey, options).unwrap();
    let sinks: &mut [&mut dyn Sink] = &mut [&mut vmdk, &mut vhdx];
    pack(&disk, &survey, sinks, &control).unwrap();
    let (vmdk, length) = vmdk.finish().unwrap();
    assert_eq!(vmdk.len() as u64, length);
    let (vhdx, length) = vhdx.finish().unwrap();
    assert_eq!(vhdx.len() as u64, length);
    (vmdk, vhdx)
}
