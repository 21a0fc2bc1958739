//! Any bytes as a streamOptimized VMDK: opened, verified, every grain read. A file that the verifier calls sound must give
//! every one of its grains.
#![no_main]

use eyot_image::vmdk::{verify, Vmdk, GRAIN_BYTES};
use eyot_image_fuzz::{control, Pieces};
use libfuzzer_sys::fuzz_target;

/// Grains looked at from either end of the disk; a hostile header may claim a milliard of them.
const LOOKED_AT: u64 = 600;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, file)) = Pieces::decode(bytes) else { return };
    let sound = verify(file.clone(), &control()).is_ok_and(|found| found.sound());
    let Ok(mut vmdk) = Vmdk::open(file) else {
        assert!(!sound, "a sound file opens");
        return;
    };
    let info = vmdk.info();
    assert!(!sound || info.is_ok(), "a sound file's tables can be read: {info:?}");
    let grains = vmdk.capacity().div_ceil(GRAIN_BYTES as u64);
    for number in (0..grains.min(LOOKED_AT)).chain(grains.saturating_sub(LOOKED_AT)..=grains) {
        let grain = vmdk.read_grain(number);
        assert!(!sound || number == grains || grain.is_ok(), "grain {number} of a sound file: {grain:?}");
        if let Ok(grain) = grain {
            assert!(
                number < grains && (number + 1 == grains || grain.len() == GRAIN_BYTES),
                "grain {number}"
            );
        }
    }
});
