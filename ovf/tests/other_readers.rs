//! Our images through readers written by other hands, besides qemu-img: the `vmdk` and `vhdx` libraries of crates
//! vmdk-core and vhdx-core. They must give back every byte of every awkward disk that fits into memory.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{Cursor, Read};

use eyot_image::vhdx::{Allocation, Options, SectorSize};
use support::{awkward_disks, images};

/// Larger disks are left to the tests with qemu-img.
const MAX_SIZE: u64 = 1 << 30;

#[test]
fn the_vmdk_library_reads_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (what, raw) in awkward_disks(dir.path()) {
        if fs::metadata(&raw).unwrap().len() > MAX_SIZE {
            continue;
        }
        let (bytes, _) = images(&raw, 2, Options::default());
        let mut reader = vmdk::VmdkReader::open(Cursor::new(bytes)).unwrap();
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        assert!(content == fs::read(&raw).unwrap(), "{what}");
        assert_eq!(reader.disk_type(), "streamOptimized", "{what}");
        assert_eq!(reader.parent_cid(), 0xffff_ffff, "{what}");
    }
}

#[test]
fn the_vhdx_library_reads_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (what, raw) in awkward_disks(dir.path()) {
        let size = fs::metadata(&raw).unwrap().len();
        if size > MAX_SIZE {
            continue;
        }
        let fixed = Options { allocation: Allocation::Fixed, ..Options::default() };
        let native = Options { logical_sector: SectorSize::B4096, ..Options::default() };
        for options in [Options::default(), fixed, native] {
            if !size.is_multiple_of(u64::from(options.logical_sector.bytes())) {
                continue;
            }
            let (_, bytes) = images(&raw, 2, options);
            let mut reader = vhdx::VhdxReader::from_bytes(bytes).unwrap();
            assert_eq!(reader.logical_sector_size(), options.logical_sector.bytes());
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            assert!(content == fs::read(&raw).unwrap(), "{what}, {options:?}");
        }
    }
}
