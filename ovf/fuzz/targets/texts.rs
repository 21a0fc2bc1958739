//! Any bytes as the small texts around an image: manifest, certificate member, VMDK descriptor, detached signature. The
//! manifest comes first; a line break followed by "---" ends it.
#![no_main]

use std::io::Cursor;

use eyot_image::ova::{check_certificate, Manifest};
use eyot_image::{detached, vmdk};
use libfuzzer_sys::fuzz_target;

/// A public key in minisign's format whose secret half was thrown away.
const KEY: &str = "RWRleW90ZnV6eoT7uDPx7b0ceRHW1DD84Qod66zKOiC/41FHNNx+sGoT";

fuzz_target!(|bytes: &[u8]| {
    let manifest = Manifest::parse(bytes);
    assert!(manifest.entries.len() + manifest.faults.len() <= 2 * bytes.len() + 1);
    let _ = check_certificate(bytes, b"SHA256(a)= 00\n");
    let _ = vmdk::Descriptor::parse(bytes).get("cid");
    let text = String::from_utf8_lossy(bytes);
    assert!(detached::verify(KEY, &text, "a", Cursor::new(b"content")).is_err(), "a signature was forged");
    let _ = detached::verify(&text, &text, "a", Cursor::new(b"content"));
});
