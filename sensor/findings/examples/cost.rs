//! What looking for findings costs: the same captures, held in memory, through dissector and inventory with and without
//! it, in turn; the best of five of each, in processor time, so that what else runs on the machine counts little.
//!
//! `cargo run --release -p eyot-findings --example cost -- ../shared/captures/ndpi/*.pcap*`

use std::error::Error;
use std::time::Duration;

use eyot_capture::file::FileSource;
use eyot_capture::{Frame, LinkType, Pulled, Source};
use eyot_contract::Timestamp;
use eyot_dissect::Limits;
use eyot_findings::{passage, Findings, Policy, Threats};
use eyot_inventory::{Gatherer, Inventory};

/// Frames between two hand-overs, as in the running sensor.
const BATCH: usize = 512;
/// Most captured bytes held in memory: 512 MiB.
const MAX_BYTES: usize = 512 << 20;
/// Times that each way is taken.
const TIMES: usize = 5;

type Kept = (Timestamp, LinkType, usize, u32, Option<u16>);

fn main() -> Result<(), Box<dyn Error>> {
    let (mut bytes, mut frames) = (Vec::new(), Vec::<Kept>::new());
    for path in std::env::args_os().skip(1) {
        // what is no capture says so itself
        let Ok(mut source) = FileSource::open(path) else { continue };
        while source.pull(BATCH, &mut |frame| {
            if bytes.len() < MAX_BYTES {
                bytes.extend_from_slice(frame.bytes);
                frames.push((frame.at, frame.link, bytes.len(), frame.wire_len, frame.vlan));
            }
        })? != Pulled::Ended
        {}
    }
    if frames.is_empty() {
        return Err("give capture files".into());
    }
    let mut best = [Duration::MAX; 3];
    let mut found = 0;
    for _ in 0..TIMES {
        best[0] = best[0].min(run(&bytes, &frames, None).0);
        let (took, kept) = run(&bytes, &frames, Some(Findings::new(Policy::default())));
        (best[1], found) = (best[1].min(took), kept);
        let mut findings = Findings::new(Policy::default());
        findings.set_threats(many_threats()?);
        best[2] = best[2].min(run(&bytes, &frames, Some(findings)).0);
    }
    let each = |took: Duration| took.as_nanos() as f64 / frames.len() as f64;
    println!("{} frames, {} bytes, {found} findings", frames.len(), bytes.len());
    println!("{:8.1} ns a frame without findings", each(best[0]));
    println!("{:8.1} ns a frame with findings", each(best[1]));
    println!("{:8.1} ns a frame with findings and a list of 200000", each(best[2]));
    Ok(())
}

/// A list that nothing is on: addresses of a documentation network and names below a reserved domain.
fn many_threats() -> Result<Threats, Box<dyn Error>> {
    let mut text = String::new();
    for n in 0..100_000 {
        text.push_str(&format!("2001:db8::{:x}:{:x}\nname{n}.invalid.example\n", n >> 16, n & 0xffff));
    }
    let mut threats = Threats::new();
    threats.add("many", text.as_bytes(), Timestamp(0))?;
    Ok(threats)
}

fn run(bytes: &[u8], frames: &[Kept], mut findings: Option<Findings>) -> (Duration, usize) {
    let (mut gatherer, mut inventory) = (Gatherer::new(Limits::default()), Inventory::new());
    let begun = used();
    let mut start = 0;
    for batch in frames.chunks(BATCH) {
        for (at, link, end, wire_len, vlan) in batch {
            let bytes = &bytes[start..*end];
            gatherer.frame(&Frame { at: *at, link: *link, bytes, wire_len: *wire_len, vlan: *vlan });
            start = *end;
        }
        passage::take(&mut gatherer, &mut inventory, findings.as_mut());
    }
    (used() - begun, findings.map_or(0, |f| f.all().len()))
}

/// Processor time of this thread so far, as the scheduler has it.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}
