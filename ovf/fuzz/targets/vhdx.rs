//! Any bytes as a VHDX: opened, verified, blocks read. A file that the verifier calls sound must give every one of them.
#![no_main]

use eyot_image::vhdx::{verify, Vhdx};
use eyot_image_fuzz::{Pieces, MEND};
use libfuzzer_sys::fuzz_target;

/// Where the sealed structures stand and how long they are: two headers, two region tables.
const SEALED: [(u64, usize); 4] =
    [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 65_536), (256 << 10, 65_536)];
/// Blocks read, and none of more than 1 MiB: a block may claim 256 MiB.
const LOOKED_AT: u64 = 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, mut file)) = Pieces::decode(bytes) else { return };
    if flags & MEND != 0 {
        for (at, length) in SEALED {
            file.mend_crc32c(at, length);
        }
    }
    let sound = verify(file.clone()).is_ok_and(|found| found.sound());
    let Ok(mut vhdx) = Vhdx::open(file) else {
        assert!(!sound, "a sound file opens");
        return;
    };
    let info = vhdx.info();
    assert!(info.blocks_stored <= info.blocks_total);
    if vhdx.block_size() > 1 << 20 {
        return;
    }
    let blocks = vhdx.blocks();
    for number in (0..blocks.min(LOOKED_AT)).chain(blocks.saturating_sub(LOOKED_AT)..=blocks) {
        let block = vhdx.read_block(number);
        assert!(
            !sound || number == blocks || block.is_ok(),
            "block {number} of a sound file: {:?}",
            block.err()
        );
    }
});
