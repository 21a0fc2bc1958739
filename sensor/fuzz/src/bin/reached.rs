//! Which dissectors a corpus reaches: `reached CORPUS...` takes every input in these folders of the target `dissector` the way that
//! target takes it, and prints for each protocol how many messages it read, how many it refused and what it said.
//!
//! Fails when there is a protocol that read nothing: then nothing of it is being tried. Without the fuzzer, so that any
//! compiler can build it.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for folder in std::env::args_os().skip(1) {
        for entry in fs::read_dir(folder)? {
            inputs.push(fs::read(entry?.path())?);
        }
    }
    if inputs.is_empty() {
        return Err("usage: reached CORPUS...".into());
    }
    let mut dissector = Dissector::new(Limits::default());
    for (seconds, data) in (0_i64..).step_by(3_600).zip(&inputs) {
        let Some((protocol, message)) = eyot_sensor_fuzz::input(data) else { continue };
        for (n, bytes) in eyot_sensor_fuzz::frames(protocol, message).iter().enumerate() {
            let at = Timestamp(seconds * 1_000_000 + n as i64 * 50_000);
            let wire_len = bytes.len() as u32;
            dissector
                .frame(&Frame { at, link: LinkType::ETHERNET, bytes, wire_len, vlan: None }, &mut |_| ());
        }
    }
    let counters = dissector.counters();
    println!("{:<10} {:>10} {:>10} {:>10}", "protocol", "read", "refused", "readings");
    for protocol in &counters.protocols {
        let (read, refused) = (protocol.messages, protocol.malformed);
        println!("{:<10} {read:>10} {refused:>10} {:>10}", protocol.name, protocol.readings);
    }
    let silent: Vec<_> = counters.protocols.iter().filter(|p| p.messages == 0).map(|p| p.name).collect();
    println!(
        "{} inputs, {} protocols, {} of them reached",
        inputs.len(),
        counters.protocols.len(),
        counters.protocols.len() - silent.len()
    );
    if silent.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("not reached: {}", silent.join(", "));
    Ok(ExitCode::FAILURE)
}
