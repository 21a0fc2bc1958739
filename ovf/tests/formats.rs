//! VMDK and VHDX of awkward disks: accepted by qemu-img, by our own verifiers, read back by our own readers, and the
//! same bytes whatever the number of threads.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::fs::FileExt;

use eyot_image::disk::Survey;
use eyot_image::pass::pack;
use eyot_image::vhdx::{self, Allocation, BlockState, Options, SectorSize, Vhdx};
use eyot_image::vmdk::{self, Layout, Vmdk};
use proptest::prelude::*;
use support::{awkward_disks, control, disk, images, noise, prose, run, MIB};

#[test]
fn qemu_img_and_our_verifiers_accept_every_awkward_disk() {
    let dir = tempfile::tempdir().unwrap();
    for (what, raw) in awkward_disks(dir.path()) {
        let (vmdk, vhdx) = images(&raw, 2, Options::default());
        for (format, bytes) in [("vmdk", &vmdk), ("vhdx", &vhdx)] {
            let image = dir.path().join(format!("image.{format}"));
            fs::write(&image, bytes).unwrap();
            let (raw, image) = (raw.to_str().unwrap(), image.to_str().unwrap());
            let check = run("qemu-img", &["check", "-f", format, image]);
            assert!(check.contains("No errors were found"), "{what}, {format}: {check}");
            let same = run("qemu-img", &["compare", "-f", "raw", "-F", format, raw, image]);
            assert!(same.contains("Images are identical"), "{what}, {format}: {same}");
        }
        let found = vmdk::verify(Cursor::new(&vmdk), &control(1)).unwrap();
        assert!(found.list().is_empty(), "{what}: {:?}", found.list());
        let found = vhdx::verify(Cursor::new(&vhdx)).unwrap();
        assert!(found.list().is_empty(), "{what}: {:?}", found.list());
    }
}

#[test]
fn fixed_and_4k_native_vhdx_are_accepted_too() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 20 * MIB, &[(MIB + 5, prose(5000)), (15 * MIB, noise(100, 1))]);
    let native = Options { logical_sector: SectorSize::B4096, ..Options::default() };
    let fixed = Options { allocation: Allocation::Fixed, ..Options::default() };
    for (options, length) in [(native, 6 * MIB), (fixed, 24 * MIB)] {
        let (_, bytes) = images(&raw, 2, options);
        assert_eq!(bytes.len() as u64, length);
        let found = vhdx::verify(Cursor::new(&bytes)).unwrap();
        assert!(found.list().is_empty(), "{:?}", found.list());
        let image = dir.path().join("image.vhdx");
        fs::write(&image, &bytes).unwrap();
        // qemu-img reads no 4Kn disks; our reader must do there.
        if options.logical_sector == SectorSize::B512 {
            let (raw, image) = (raw.to_str().unwrap(), image.to_str().unwrap());
            run("qemu-img", &["compare", "-f", "raw", "-F", "vhdx", raw, image]);
        }
        let mut vhdx = Vhdx::open(Cursor::new(&bytes)).unwrap();
        let content: Vec<u8> = (0..vhdx.blocks()).flat_map(|n| vhdx.read_block(n).unwrap()).collect();
        assert!(content == fs::read(&raw).unwrap());
    }
}

#[test]
fn thread_count_and_sparseness_do_not_change_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (what, raw) in awkward_disks(dir.path()) {
        if fs::metadata(&raw).unwrap().len() > 1 << 30 {
            continue; // its dense twin would fill the machine
        }
        let one = images(&raw, 1, Options::default());
        assert!(one == images(&raw, 5, Options::default()), "{what}");
        let dense = dir.path().join("dense");
        fs::write(&dense, fs::read(&raw).unwrap()).unwrap();
        assert!(one == images(&dense, 3, Options::default()), "{what}");
    }
}

#[test]
fn our_readers_give_the_disk_back() {
    let dir = tempfile::tempdir().unwrap();
    for (what, raw) in awkward_disks(dir.path()) {
        let size = fs::metadata(&raw).unwrap().len();
        let (vmdk, vhdx) = images(&raw, 2, Options::default());
        let mut vmdk = Vmdk::open(Cursor::new(vmdk)).unwrap();
        let mut vhdx = Vhdx::open(Cursor::new(vhdx)).unwrap();
        assert_eq!((vmdk.capacity(), vhdx.capacity(), vmdk.layout()), (size, size, Layout::Stream), "{what}");
        let file = File::open(&raw).unwrap();
        // Of a huge disk, the two ends say enough.
        let grains = size.div_ceil(65_536);
        for n in (0..grains).filter(|n| *n < 4000 || *n + 100 > grains) {
            let grain = vmdk.read_grain(n).unwrap();
            let mut expected = vec![0; grain.len()];
            file.read_exact_at(&mut expected, n * 65_536).unwrap();
            assert!(grain == expected, "{what}, grain {n}");
        }
        for n in (0..vhdx.blocks()).filter(|n| *n < 300 || *n + 10 > size.div_ceil(MIB)) {
            let block = vhdx.read_block(n).unwrap();
            let mut expected = vec![0; block.len()];
            file.read_exact_at(&mut expected, n * MIB).unwrap();
            assert!(block == expected, "{what}, block {n}");
        }
        assert!(vmdk.read_grain(grains).is_err() && vhdx.read_block(size.div_ceil(MIB)).is_err());
    }
}

#[test]
fn a_vhdx_stores_only_what_holds_something() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 5000 * MIB, &[(4999 * MIB, vec![1])]);
    let (_, bytes) = images(&raw, 2, Options::default());
    assert_eq!(bytes.len() as u64, 5 * MIB);
    let vhdx = Vhdx::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(vhdx.block_state(0).unwrap(), BlockState::Zeros(2));
    // behind the sector bitmap slot of the first chunk
    assert_eq!(vhdx.block_state(4999).unwrap(), BlockState::Stored(4 * MIB));
}

#[test]
fn identifiers_follow_the_content() {
    let dir = tempfile::tempdir().unwrap();
    let ids = |seed| {
        let raw = disk(dir.path(), "raw", MIB, &[(0, noise(10, seed))]);
        let (vmdk, vhdx) = images(&raw, 1, Options::default());
        let info = Vmdk::open(Cursor::new(vmdk)).unwrap().info().unwrap();
        (
            info.cid.unwrap(),
            info.long_content_id.unwrap(),
            Vhdx::open(Cursor::new(vhdx)).unwrap().info().disk_id,
        )
    };
    let (one, again, other) = (ids(1), ids(1), ids(2));
    assert_eq!(one, again);
    assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2);
    assert!(one.1.ends_with(&one.0));
    assert_eq!(one.2.get_version_num(), 5);
}

#[test]
fn qemu_img_files_are_faulted_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("zeros trail", disk(dir.path(), "a", 5 * MIB, &[(0, prose(500_000))])),
        ("no end", disk(dir.path(), "b", 8 * MIB, &[(8 * MIB - 65_536, noise(65_536, 2))])),
    ];
    for (what, raw) in cases {
        let foreign = dir.path().join("foreign.vmdk");
        let (raw, foreign) = (raw.to_str().unwrap(), foreign.to_str().unwrap());
        run("qemu-img", &["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, foreign]);
        let found = vmdk::verify(File::open(foreign).unwrap(), &control(1)).unwrap();
        assert!(!found.sound(), "{what}");
        let mut source = File::open(foreign).unwrap();
        let plan = vmdk::Repair::plan(&mut source).unwrap();
        assert!(!plan.is_needless(), "{what}: {plan:?}");
        let mut repaired = Vec::new();
        vmdk::repair(&mut source, &plan, &mut repaired, &control(1)).unwrap();
        let found = vmdk::verify(Cursor::new(&repaired), &control(1)).unwrap();
        assert!(found.sound(), "{what}: {:?}", found.list());
        let path = dir.path().join("repaired.vmdk");
        fs::write(&path, &repaired).unwrap();
        run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", raw, path.to_str().unwrap()]);
        assert!(vmdk::Repair::plan(&mut Cursor::new(&repaired)).unwrap().is_needless());
    }
}

#[test]
fn qemu_img_vhdx_is_read_and_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 20 * MIB, &[(MIB + 5, prose(5000)), (15 * MIB, noise(100, 1))]);
    let foreign = dir.path().join("foreign.vhdx");
    run("qemu-img", &["convert", "-O", "vhdx", raw.to_str().unwrap(), foreign.to_str().unwrap()]);
    let found = vhdx::verify(File::open(&foreign).unwrap()).unwrap();
    assert!(found.sound(), "{:?}", found.list());
    let mut vhdx = Vhdx::open(File::open(&foreign).unwrap()).unwrap();
    let content: Vec<u8> = (0..vhdx.blocks()).flat_map(|n| vhdx.read_block(n).unwrap()).collect();
    assert!(content == fs::read(&raw).unwrap());
}

#[test]
fn verifiers_name_damage_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 40 * MIB, &[(0, prose(200_000)), (35 * MIB, noise(1000, 1))]);
    let (vmdk, vhdx) = images(&raw, 1, Options::default());
    let said = |bytes: &[u8]| {
        let found = vmdk::verify(Cursor::new(bytes), &control(1)).unwrap();
        assert!(!found.sound());
        found.list().iter().map(|f| format!("{}: {}\n", f.part, f.text)).collect::<String>()
    };
    let mut longer = vmdk.clone();
    longer.extend_from_slice(&[0; 512]);
    assert!(said(&longer).contains("no footer marker three sectors before the end"), "{}", said(&longer));
    assert!(said(&vmdk[..vmdk.len() - 512]).contains("no footer marker"));
    assert!(said(&vmdk[..1000]).contains("too short") || said(&vmdk[..1000]).contains("offset"));
    assert!(said(b"plain").contains("cannot read 512 bytes of the header"));
    let mut bent = vmdk.clone();
    bent[65_536 + 40] ^= 0xff; // inside the first grain's zlib stream
    assert!(
        said(&bent).contains("grain at sector 128: damaged grain at offset 65536: does not inflate"),
        "{}",
        said(&bent)
    );
    let mut moved = vmdk.clone();
    moved[65_536] = 128; // its LBA: now grain 1, twice
    assert!(said(&moved).contains("comes after LBA 128"), "{}", said(&moved));

    let said = |at: usize, flip: u8| {
        let mut bytes = vhdx.clone();
        bytes[at] ^= flip;
        let found = vhdx::verify(Cursor::new(bytes)).unwrap();
        assert!(!found.sound());
        found.list().iter().map(|f| format!("{}: {}\n", f.part, f.text)).collect::<String>()
    };
    assert!(said(0, 1).contains("no \"vhdxfile\" signature"));
    assert!(said((64 << 10) + 100, 1).contains("header 1: its signature or checksum is wrong"));
    assert!(said((256 << 10) + 100, 1).contains("region table 2: its signature, checksum or count is wrong"));
    // The table's first entry: state 6 becomes 7, then its offset 4 MiB becomes 5 and 12 MiB.
    let entry = 3 << 20;
    assert!(said(entry, 1).contains("block 0 has state 7, impossible without a parent"));
    assert!(said(entry + 2, 0x10).contains("block 0 at 5242880, 1048576 bytes long, overlaps block 35"));
    assert!(said(entry + 2, 0x80).contains("block 0 at 12582912, 1048576 bytes long, reaches beyond"));
}

#[test]
fn a_qcow2_gives_the_same_bytes_as_its_raw_disk() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let size = 70 * MIB + 512;
    let raw = disk(
        dir.path(),
        "raw",
        size,
        &[
            (0, prose(300_000)),
            (20 * MIB, vec![0; 1 << 20]),
            (40 * MIB + 5, noise(200_000, 1)),
            (size - 1, vec![1]),
        ],
    );
    let (expected, _) = images(&raw, 2, Options::default());
    for more in [&["-c"][..], &["-o", "cluster_size=4k"], &["-o", "cluster_size=2M,lazy_refcounts=on"]] {
        let qcow2 = at("disk.qcow2");
        let (from, to) = (raw.to_str().unwrap(), qcow2.to_str().unwrap());
        run("qemu-img", &[&["convert", "-f", "raw", "-O", "qcow2"], more, &[from, to]].concat());
        let control = control(2);
        let opened = eyot_image::disk::open(&qcow2).unwrap();
        let survey = Survey::of(&*opened, &control).unwrap();
        let mut vmdk = vmdk::StreamWriter::new(Vec::new(), &survey).unwrap();
        pack(&*opened, &survey, &mut [&mut vmdk], &control).unwrap();
        assert!(vmdk.finish().unwrap().0 == expected, "{more:?}");
    }
    let overlay = at("overlay.qcow2");
    run(
        "qemu-img",
        &["create", "-f", "qcow2", "-b", raw.to_str().unwrap(), "-F", "raw", overlay.to_str().unwrap()],
    );
    let refused = eyot_image::disk::open(&overlay).err().unwrap().to_string();
    assert!(refused.contains("keeps its content in another file"), "{refused}");
    let extended = at("extended.qcow2");
    run("qemu-img", &["create", "-f", "qcow2", "-o", "extended_l2=on", extended.to_str().unwrap(), "1M"]);
    assert!(
        eyot_image::disk::open(&extended).is_err(),
        "not known to the reader, so refused rather than misread"
    );
    fs::write(at("bent.qcow2"), b"QFI\xfb and then nothing").unwrap();
    assert!(eyot_image::disk::open(&at("bent.qcow2")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn any_disk_is_given_back_by_both_formats(
        sectors in 1u64..140_000,
        pieces in proptest::collection::vec((any::<u64>(), 1usize..150_000, any::<u64>()), 0..5),
        threads in 1usize..5,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let size = sectors * 512;
        let pieces: Vec<(u64, Vec<u8>)> = pieces
            .into_iter()
            .map(|(at, length, seed)| {
                let at = at % size;
                (at, noise(length.min((size - at) as usize), seed))
            })
            .collect();
        let raw = disk(dir.path(), "raw", size, &pieces);
        let content = fs::read(&raw).unwrap();
        let (vmdk, vhdx) = images(&raw, threads, Options::default());
        prop_assert!(vmdk::verify(Cursor::new(&vmdk), &control(1)).unwrap().list().is_empty());
        prop_assert!(vhdx::verify(Cursor::new(&vhdx)).unwrap().list().is_empty());
        let mut vmdk = Vmdk::open(Cursor::new(&vmdk)).unwrap();
        for (n, grain) in (0..).zip(content.chunks(65_536)) {
            prop_assert!(vmdk.read_grain(n).unwrap() == grain, "grain {n}");
        }
        let mut vhdx = Vhdx::open(Cursor::new(&vhdx)).unwrap();
        for (n, block) in (0..).zip(content.chunks(1 << 20)) {
            prop_assert!(vhdx.read_block(n).unwrap() == block, "block {n}");
        }
    }
}
