//! Any bytes as a deflate stream to be joined to another: what is accepted inflates, behind another and before an end, to
//! what it inflated to by itself. And whatever libdeflate makes of the bytes is accepted.
#![no_main]

use eyot_image::pass::compressor;
use eyot_image::zip::{splice, STREAM_END};
use libdeflater::Decompressor;
use libfuzzer_sys::fuzz_target;

/// Most bytes a stream is inflated to; one that gives more says nothing new.
const ROOM: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut content = vec![0; ROOM];
    // A whole stream by libdeflate's judgement: an accepted one may still name a distance before its beginning.
    if let Ok(length) = Decompressor::new().deflate_decompress(bytes, &mut content) {
        let mut joined = Vec::new();
        if splice(bytes, &mut joined).is_some() {
            assert_eq!(inflated(&joined), content[..length], "a joined stream inflates to its content");
        }
    } else {
        let _ = splice(bytes, &mut Vec::new());
    }

    let mut stream = vec![0; compressor().deflate_compress_bound(bytes.len())];
    let length = compressor().deflate_compress(bytes, &mut stream).expect("the bound is a bound");
    let mut twice = Vec::new();
    for _ in 0..2 {
        splice(&stream[..length], &mut twice).expect("libdeflate's streams are whole");
    }
    assert!(inflated(&twice) == [bytes, bytes].concat(), "two streams joined inflate to both contents");
});

fn inflated(joined: &[u8]) -> Vec<u8> {
    let mut content = vec![0; ROOM];
    let whole = [joined, &STREAM_END].concat();
    let length =
        Decompressor::new().deflate_decompress(&whole, &mut content).expect("what was joined inflates");
    content.truncate(length);
    content
}
