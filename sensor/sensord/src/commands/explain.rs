//! `explain`: everything that is known of one device, and why it is called what it is called.

use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use eyot_inventory::{Device, Inventory, Store};
use serde_json::json;

use crate::cli::{ExplainArgs, ListFormat};
use crate::offline::Reading;
use crate::show::{or_dash, Table};

/// Prints the device's record, addresses and facts.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (inventory, unreadable) = known(args)?;
    let device = inventory.device(args.mac).with_context(|| {
        format!("{}: no such device was seen; `eyot-sensor devices` lists those that were", args.mac)
    })?;
    let mut out = BufWriter::new(stdout().lock());
    match args.format {
        ListFormat::Table => for_people(&mut out, device)?,
        ListFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &document(device))?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if unreadable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn known(args: &ExplainArgs) -> anyhow::Result<(Inventory, bool)> {
    if args.files.is_empty() {
        let mut inventory = Store::open_read_only(&args.database)?.load()?;
        inventory.identify(usize::MAX);
        return Ok((inventory, false));
    }
    let reading = Reading::of(&args.files);
    Ok((reading.inventory, reading.unreadable > 0))
}

fn for_people(out: &mut impl Write, device: &Device) -> anyhow::Result<()> {
    let record = device.record();
    let of_type = record.device_type.map(|t| t.name());
    writeln!(
        out,
        "{}{}",
        record.mac,
        if record.randomized_mac { " (locally administered: names no vendor)" } else { "" }
    )?;
    for (label, value) in [
        ("hostname", record.hostname.as_deref()),
        ("vendor", record.vendor.as_deref()),
        ("type", of_type),
        ("class", record.class.map(|c| c.name())),
        ("model", record.model.as_deref()),
        ("os", record.os.as_deref()),
        ("firmware", record.firmware.as_deref()),
        ("serial", record.serial.as_deref()),
    ] {
        writeln!(out, "  {label:<12}{}", or_dash(value))?;
    }
    writeln!(out, "  {:<12}{:.2}", "confidence", record.confidence)?;
    writeln!(out, "  {:<12}{} to {}", "seen", record.first_seen, record.last_seen)?;
    writeln!(out, "  {:<12}{}", "frames", record.frames)?;
    writeln!(out, "  {:<12}{}", "protocols", or_dash(Some(record.protocols.join(", ").as_str())))?;

    writeln!(out, "\nwhy")?;
    let mut table = Table::new(["claim", "value", "sure", "nature", "rule", "read in", "reading"]);
    for e in &record.evidence {
        let (attribute, nature) = (json!(e.attribute), json!(e.nature));
        table.row([
            text(&attribute),
            &e.value,
            &format!("{:.2}", e.confidence),
            text(&nature),
            &e.rule,
            &e.source,
            &e.seen,
        ]);
    }
    table.write_indented(out, "  ")?;

    writeln!(out, "\naddresses")?;
    let own = device.ips();
    let mut table = Table::new(["address", "own", "by", "vlan", "last seen"]);
    for a in device.addresses() {
        table.row([
            a.ip.to_string().as_str(),
            if own.contains(&a.ip) { "yes" } else { "no" },
            a.source.name(),
            &or_dash(a.vlan.map(|v| v.to_string()).as_deref()),
            &a.last_seen.to_string(),
        ]);
    }
    table.write_indented(out, "  ")?;

    writeln!(out, "\nheard")?;
    let mut table = Table::new(["field", "value", "count", "last seen"]);
    for (field, fact) in device.facts() {
        table.row([field.name(), &fact.value, &fact.count.to_string(), &fact.last_seen.to_string()]);
    }
    table.write_indented(out, "  ")?;
    Ok(())
}

fn document(device: &Device) -> serde_json::Value {
    let own = device.ips();
    json!({
        "device": device.record(),
        "router": device.is_router(),
        "addresses": device.addresses().iter().map(|a| json!({
            "ip": a.ip,
            "own": own.contains(&a.ip),
            "source": a.source.name(),
            "vlan": a.vlan,
            "first_seen": a.first_seen,
            "last_seen": a.last_seen,
        })).collect::<Vec<_>>(),
        "facts": device.facts().map(|(field, f)| json!({
            "field": field.name(),
            "value": f.value,
            "count": f.count,
            "first_seen": f.first_seen,
            "last_seen": f.last_seen,
        })).collect::<Vec<_>>(),
    })
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("-")
}
