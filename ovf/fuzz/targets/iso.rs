//! Any bytes as an ISO 9660 volume: listed, and every file read.
#![no_main]

use eyot_image_fuzz::Pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, file)) = Pieces::decode(bytes) else { return };
    let Ok(mut volume) = eyot_iso::read(file) else { return };
    let files = volume.files().to_vec();
    for file in files.iter().take(200) {
        if let Ok(content) = volume.get(file.name()) {
            assert!(content.len() as u64 <= eyot_iso::MAX_FILE_BYTES, "{}", file.name());
        }
    }
});
