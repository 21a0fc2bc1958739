//! Any text as an OVF descriptor: read, shown, checked.
#![no_main]

use eyot_image::ovf::{lint, Descriptor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(descriptor) = Descriptor::parse(bytes) {
        let _ = lint(&descriptor);
        assert_eq!(Descriptor::parse(bytes).expect("it was read before").info(), descriptor.info());
    }
});
