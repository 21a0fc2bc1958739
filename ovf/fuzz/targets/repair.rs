//! Any bytes through the repair of foreign VMDKs: what comes out needs no repair, holds the same grains, and has the size
//! that was announced.
#![no_main]

use std::io::Cursor;

use eyot_image::vmdk::{repair, Repair, Vmdk};
use eyot_image_fuzz::{control, Pieces};
use libfuzzer_sys::fuzz_target;

const LOOKED_AT: u64 = 600;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, mut file)) = Pieces::decode(bytes) else { return };
    let Ok(plan) = Repair::plan(&mut file) else { return };
    assert_eq!(plan.kept + plan.removed, file.length());
    let mut out = Vec::new();
    repair(&mut file, &plan, &mut out, &control()).expect("what was planned can be done");
    assert_eq!(out.len() as u64, plan.kept + if plan.added_end { 512 } else { 0 });
    let again = Repair::plan(&mut Cursor::new(&out)).expect("a repaired file can be planned for");
    assert!(again.is_needless(), "{plan:?}, then {again:?}");
    if let (Ok(mut before), Ok(mut after)) = (Vmdk::open(file), Vmdk::open(Cursor::new(&out))) {
        for number in 0..LOOKED_AT {
            if let Ok(grain) = before.read_grain(number) {
                assert!(after.read_grain(number).is_ok_and(|same| same == grain), "grain {number} changed");
            }
        }
    }
});
