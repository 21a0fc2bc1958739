//! Any message through the dissector it names. What comes out must be clean text about a device.
#![no_main]

use std::cell::RefCell;

use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits, MAX_VALUE_BYTES};
use libfuzzer_sys::fuzz_target;

thread_local! {
    /// One for all inputs, small: making a table for each would be all that is measured.
    static DISSECTOR: RefCell<(Dissector, i64)> = RefCell::new((
        Dissector::new(Limits { max_flows: 64, max_flow_bytes: 16_384, max_collecting: 4 }),
        0,
    ));
}

fuzz_target!(|data: &[u8]| {
    let Some((protocol, message)) = eyot_sensor_fuzz::input(data) else { return };
    DISSECTOR.with_borrow_mut(|(dissector, seconds)| {
        // an hour later: connections and fragments of the input before are over
        *seconds += 3_600;
        for (n, bytes) in eyot_sensor_fuzz::frames(protocol, message).iter().enumerate() {
            let frame = Frame {
                at: Timestamp(*seconds * 1_000_000 + n as i64 * 50_000),
                link: LinkType::ETHERNET,
                bytes,
                wire_len: bytes.len() as u32,
                vlan: None,
            };
            dissector.frame(&frame, &mut |o| {
                assert!(!o.value.is_empty() && o.value.len() <= MAX_VALUE_BYTES, "{o:?}");
                assert!(!o.value.chars().any(char::is_control), "{o:?}");
                assert!(!o.mac.is_multicast(), "{o:?}");
            });
        }
    });
});
