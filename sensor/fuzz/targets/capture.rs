//! Any file all the way: reader, dissector, inventory, findings, identification, records.
#![no_main]

use std::io::Cursor;

use eyot_capture::file::FileSource;
use eyot_capture::{Pulled, Source};
use eyot_contract::Timestamp;
use eyot_dissect::Limits;
use eyot_findings::{Findings, Policy};
use eyot_inventory::{Gatherer, Inventory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut source) = FileSource::from_reader("input", Cursor::new(data.to_vec())) else { return };
    let mut gatherer = Gatherer::new(Limits { max_flows: 64, max_flow_bytes: 16_384, max_collecting: 4 });
    let mut inventory = Inventory::new();
    let mut findings = Findings::new(Policy::default());
    let mut latest = Timestamp(0);
    loop {
        let pulled = source.pull(64, &mut |frame| {
            latest = latest.max(frame.at);
            gatherer.frame(frame);
        });
        let ended = !matches!(pulled, Ok(Pulled::Frames(_)));
        if ended {
            gatherer.settle();
        }
        inventory.take(gatherer.gathered(), |sighting, inventory| {
            findings.frame(sighting.at, &sighting.summary, inventory);
        });
        gatherer.clear();
        if ended {
            break;
        }
    }
    let counters = gatherer.counters();
    assert_eq!(inventory.counters().frames + counters.duplicates, counters.frames);
    inventory.identify(usize::MAX);
    findings.assess(&inventory, latest);
    assert_eq!(inventory.records().len(), inventory.len());
    findings.all();
});
