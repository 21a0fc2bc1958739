//! Any bytes as a qcow2: opened, its data searched, some of it read. This tries the wrapper and the library below it.
#![no_main]

use eyot_image::disk::{Disk, Qcow2Disk};
use eyot_image_fuzz::{named_file, Pieces};
use libfuzzer_sys::fuzz_target;

/// Ranges of data looked at.
const LOOKED_AT: usize = 50;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, mut file)) = Pieces::decode(bytes) else { return };
    let path = named_file(&mut file, "qcow2");
    let opened = Qcow2Disk::open(&path);
    if let Ok(disk) = &opened {
        let mut from = 0;
        let mut buffer = vec![0; 4096];
        for _ in 0..LOOKED_AT {
            let Ok(Some(data)) = disk.next_data(from) else { break };
            assert!(
                data.start >= from && data.start < data.end && data.end <= disk.size(),
                "{data:?} after {from}"
            );
            let length = (data.end - data.start).min(4096) as usize;
            let _ = disk.read_at(&mut buffer[..length], data.start);
            let last = data.end - length as u64;
            let _ = disk.read_at(&mut buffer[..length], last);
            from = data.end;
        }
        let _ = disk.check_unchanged();
    }
    let _ = std::fs::remove_file(&path);
});
