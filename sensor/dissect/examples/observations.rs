//! Prints what the frames of capture files say, one reading a line: `observations FILE…`. For people who work on the
//! dissectors; `eyot-sensor read` is for everybody else.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use eyot_capture::{Frame, LinkType};
use eyot_dissect::{Dissector, Limits};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1) {
        let packets = match std::fs::read(&path) {
            Ok(bytes) => support::read_capture(&bytes),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                code = ExitCode::FAILURE;
                continue;
            }
        };
        let Some(packets) = packets else {
            eprintln!("{}: not a capture file", path.display());
            code = ExitCode::FAILURE;
            continue;
        };
        let mut dissector = Dissector::new(Limits::default());
        for (number, packet) in (1..).zip(&packets) {
            let frame = Frame {
                at: packet.at,
                link: LinkType(packet.link),
                bytes: &packet.bytes,
                wire_len: packet.wire_len,
                vlan: None,
            };
            dissector.frame(&frame, &mut |o| {
                let ip = o.ip.map(|ip| ip.to_string()).unwrap_or_default();
                println!("{number}\t{}\t{ip}\t{}\t{}", o.mac, o.field.name(), o.value);
            });
        }
        for protocol in dissector.counters().protocols.iter().filter(|p| p.messages + p.malformed > 0) {
            eprintln!(
                "{:12} {:8} messages {:8} malformed",
                protocol.name, protocol.messages, protocol.malformed
            );
        }
    }
    code
}
