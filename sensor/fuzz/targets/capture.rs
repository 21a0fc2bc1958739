//! Any file all the way: reader, dissector, inventory, findings, identification, records.
#![no_main]

use std::io::Cursor;

use eyot_capture::file::FileSource;
use eyot_capture::Pulled;
use eyot_dissect::Limits;
use eyot_findings::{passage, Findings, Policy};
use eyot_inventory::{Gatherer, Inventory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut source) = FileSource::from_reader("input", Cursor::new(data.to_vec())) else { return };
    let mut gatherer = Gatherer::new(Limits { max_flows: 64, max_flow_bytes: 16_384, max_collecting: 4 });
    let mut inventory = Inventory::new();
    let mut findings = Findings::new(Policy::default());
    let mut pass = || passage::pass(&mut source, 64, &mut gatherer, &mut inventory, Some(&mut findings));
    while matches!(pass(), Ok(Pulled::Frames(_))) {}
    let counters = gatherer.counters();
    assert_eq!(inventory.counters().frames + counters.duplicates, counters.frames);
    passage::conclude(&mut inventory, Some(&mut findings));
    assert_eq!(inventory.records().len(), inventory.len());
    findings.all();
});
