//! `interfaces`: what can be watched on this machine.

use std::io::{stdout, Write};
use std::process::ExitCode;

use anyhow::Context;
use eyot_capture::live;
use serde_json::json;

use crate::cli::{ListArgs, ListFormat};
use crate::show::{or_dash, Table};

/// Prints the network interfaces.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let all = live::interfaces().context("cannot list the network interfaces in /sys/class/net")?;
    let mut out = stdout().lock();
    if args.format == ListFormat::Json {
        let list: Vec<_> = all
            .iter()
            .map(|i| {
                json!({
                    "name": i.name, "mac": i.mac, "up": i.up, "link": i.link, "loopback": i.loopback,
                    "driver": i.driver, "rx_frames": i.rx_frames, "tx_frames": i.tx_frames,
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &list)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["name", "mac", "state", "link", "driver", "received", "sent"]);
    for i in &all {
        table.row([
            i.name.as_str(),
            &or_dash(i.mac.map(|m| m.to_string()).as_deref()),
            if i.up { "up" } else { "down" },
            if i.link { "yes" } else { "no" },
            &or_dash(i.driver.as_deref()),
            &i.rx_frames.to_string(),
            &i.tx_frames.to_string(),
        ]);
    }
    table.write(&mut out)?;
    Ok(ExitCode::SUCCESS)
}
