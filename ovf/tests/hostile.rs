//! Damaged and invented files: every reader and verifier ends with an answer, never with a panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Cursor;
use std::sync::OnceLock;

use eyot_image::ova::{self, Manifest, Ova, Plan};
use eyot_image::ovf::{lint, Descriptor, GuestOs, Profile};
use eyot_image::pass::pack;
use eyot_image::vhdx::{self, Options, Vhdx};
use eyot_image::vmdk::{self, Repair, Vmdk};
use proptest::prelude::*;
use support::{control, disk, images, noise, prose, MIB};

struct Samples {
    vmdk: Vec<u8>,
    vhdx: Vec<u8>,
    ova: Vec<u8>,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let raw = disk(dir.path(), "raw", 34 * MIB, &[(0, prose(100_000)), (33 * MIB, noise(3000, 1))]);
        let (vmdk, vhdx) = images(&raw, 1, Options::default());
        let disk = eyot_image::disk::RawDisk::open(&raw).unwrap();
        let survey = eyot_image::disk::Survey::of(&disk, &control(1)).unwrap();
        let profile = Profile::new("eyot", "1", GuestOs::Ubuntu);
        let plan = Plan::new(&profile, &survey, None, 0).unwrap();
        let mut writer = plan.start(Cursor::new(Vec::new()), &survey).unwrap();
        pack(&disk, &survey, &mut [&mut writer], &control(1)).unwrap();
        let ova = plan.finish(writer).unwrap().0.into_inner();
        Samples { vmdk, vhdx, ova }
    })
}

/// Bytes changed at places that matter: within the first 20 KiB, at the end, or anywhere.
fn damage() -> impl Strategy<Value = (Vec<(usize, usize, u8)>, Option<usize>)> {
    let change = (0usize..3, any::<usize>(), any::<u8>());
    (proptest::collection::vec(change, 0..12), proptest::option::of(any::<usize>()))
}

fn damaged(sample: &[u8], (changes, cut): &(Vec<(usize, usize, u8)>, Option<usize>)) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for (zone, at, value) in changes {
        let length = bytes.len();
        let at = match zone {
            0 => at % 20_480.min(length),
            1 => length - 1 - at % 4096.min(length),
            _ => at % length,
        };
        bytes[at] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut % sample.len());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn vmdk(harm in damage()) {
        let bytes = damaged(&samples().vmdk, &harm);
        let _ = vmdk::verify(Cursor::new(&bytes), &control(1));
        let _ = Repair::plan(&mut Cursor::new(&bytes));
        if let Ok(mut vmdk) = Vmdk::open(Cursor::new(&bytes)) {
            for n in [0, 1, 527, 528, u64::MAX] {
                let _ = vmdk.read_grain(n);
            }
        }
    }

    #[test]
    fn vhdx(harm in damage(), structure in 0usize..6, at in 0usize..4096, value in any::<u8>()) {
        let mut bytes = damaged(&samples().vhdx, &harm);
        // Structures stand at multiples of 64 KiB up to 4 MiB; random places would hardly ever meet one.
        let place = [1, 3, 32, 33, 48, 49][structure] * 65_536 + at;
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        let _ = vhdx::verify(Cursor::new(&bytes));
        if let Ok(mut vhdx) = Vhdx::open(Cursor::new(&bytes)) {
            for n in [0, 33, u64::MAX] {
                let _ = vhdx.read_block(n);
            }
        }
    }

    #[test]
    fn ova(harm in damage()) {
        let bytes = damaged(&samples().ova, &harm);
        let _ = ova::verify(Cursor::new(&bytes), &control(1));
        if let Ok(mut ova) = Ova::open(Cursor::new(&bytes)) {
            let _ = ova.descriptor();
        }
    }

    #[test]
    fn texts(bytes in proptest::collection::vec(any::<u8>(), 0..2000), xml in "[<>/a-z&;=\" !\\[\\]-]{0,300}") {
        let _ = Manifest::parse(&bytes);
        let _ = Descriptor::parse(&bytes);
        let wrapped = format!("<Envelope>{xml}</Envelope>");
        if let Ok(descriptor) = Descriptor::parse(wrapped.as_bytes()) {
            let _ = lint(&descriptor);
        }
        let _ = vmdk::Descriptor::parse(&bytes);
        let _ = ova::check_certificate(&bytes, b"");
    }
}
