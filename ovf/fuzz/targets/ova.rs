//! Any bytes as an OVA: listed, its descriptor read, the whole verified; a sound one's members can all be read.
#![no_main]

use eyot_image::ova::{verify, Ova};
use eyot_image_fuzz::{control, Pieces, MEND};
use libfuzzer_sys::fuzz_target;

/// Members whose header checksum is mended; more than a hundred say nothing new.
const MENDED: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, mut file)) = Pieces::decode(bytes) else { return };
    if flags & MEND != 0 {
        mend_checksums(&mut file);
    }
    let sound = verify(file.clone(), &control()).is_ok_and(|found| found.sound());
    let Ok(mut ova) = Ova::open(file.clone()) else {
        assert!(!sound, "a sound archive opens");
        return;
    };
    let descriptor = ova.descriptor();
    assert!(!sound || descriptor.is_ok(), "a sound archive has a descriptor");
    for member in ova.members().to_vec() {
        assert!(member.offset.checked_add(member.size).is_some_and(|end| end <= file.length()));
        let _ = ova.content(&member);
    }
});

/// Walks the headers as tar does and makes each checksum right.
fn mend_checksums(file: &mut Pieces) {
    let mut at = 0u64;
    for _ in 0..MENDED {
        let mut header = file.get(at, 512);
        if at >= file.length() || header.iter().all(|&b| b == 0) {
            return;
        }
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|&b| u64::from(b)).sum();
        file.put(at + 148, format!("{sum:06o}\0 ").into_bytes());
        let digits = String::from_utf8_lossy(&header[124..136]).into_owned();
        let Ok(size) = u64::from_str_radix(digits.trim_matches(['\0', ' ']), 8) else { return };
        let Some(next) = at.checked_add(512).and_then(|a| a.checked_add(size.next_multiple_of(512))) else {
            return;
        };
        at = next;
    }
}
