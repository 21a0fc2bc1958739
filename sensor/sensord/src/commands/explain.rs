//! `explain`: everything that is known of one device, and why it is called what it is called.

use std::collections::BTreeMap;
use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use eyot_contract::{DeviceRecord, Finding};
use eyot_findings::{Findings, Policy};
use eyot_inventory::{Device, Inventory, Store};
use serde_json::json;

use crate::cli::{ExplainArgs, ListFormat};
use crate::offline::Reading;
use crate::remote::Remote;
use crate::show::{minutes, or_dash, Table};

/// Stretches of presence shown, latest first.
const MAX_STRETCHES: usize = 8;

/// Prints the device's record, addresses and facts.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (inventory, found, unreadable) = known(args)?;
    let found: Vec<Finding> = found.into_iter().filter(|f| f.mac == Some(args.mac)).collect();
    let device = inventory.device(args.mac).with_context(|| {
        format!("{}: no such device was seen; `eyot-sensor devices` lists those that were", args.mac)
    })?;
    // what people decided is said too, under the address that the device is shown under
    let record = inventory.record(args.mac).unwrap_or_else(|| device.record());
    // a capture file is of any site, and the portal's names are of this one's
    let vlan_names = match args.files.is_empty() {
        true => Remote::read(&args.database).vlan_names(),
        false => BTreeMap::new(),
    };
    let mut out = BufWriter::new(stdout().lock());
    match args.format {
        ListFormat::Table => for_people(&mut out, device, &record, &found, &vlan_names)?,
        ListFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &document(device, &record, &found))?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if unreadable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A VLAN as the portal calls it.
fn in_words(id: u16, names: &BTreeMap<u16, String>) -> String {
    names.get(&id).map_or_else(|| id.to_string(), |name| format!("{id} ({name})"))
}

fn known(args: &ExplainArgs) -> anyhow::Result<(Inventory, Vec<Finding>, bool)> {
    if args.files.is_empty() {
        let store = Store::open_read_only(&args.database)?;
        let mut inventory = store.load()?;
        inventory.identify(usize::MAX);
        return Ok((inventory, store.findings()?, false));
    }
    let reading = Reading::with_findings(&args.files, Findings::new(Policy::default()));
    let found = reading.findings.iter().flat_map(Findings::all).cloned().collect();
    Ok((reading.inventory, found, reading.unreadable > 0))
}

fn for_people(
    out: &mut impl Write,
    device: &Device,
    record: &DeviceRecord,
    found: &[Finding],
    vlan_names: &BTreeMap<u16, String>,
) -> anyhow::Result<()> {
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
    writeln!(
        out,
        "  {:<12}{} in {} bytes, {} connections opened",
        "frames", record.frames, record.activity.bytes, record.activity.flows
    )?;
    let vlans: Vec<String> = record.vlans.iter().map(|id| in_words(*id, vlan_names)).collect();
    writeln!(out, "  {:<12}{}", "VLANs", or_dash(Some(vlans.join(", ").as_str())))?;
    if let Some(location) = record.activity.location {
        writeln!(out, "  {:<12}{}", "location", location.name())?;
    }
    writeln!(out, "  {:<12}{}", "protocols", or_dash(Some(record.protocols.join(", ").as_str())))?;

    decided(out, record)?;

    writeln!(out, "\nwhy")?;
    let mut table = Table::new([
        "claim",
        "value",
        "sure",
        "nature",
        "rule",
        "read in",
        "reading",
        "first seen",
        "last seen",
    ]);
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
            &or_dash(e.first_seen.map(|at| minutes(&at.to_string())).as_deref()),
            &or_dash(e.last_seen.map(|at| minutes(&at.to_string())).as_deref()),
        ]);
    }
    table.write_indented(out, "  ")?;

    writeln!(out, "\npresence")?;
    let mut table = Table::new(["from", "to"]);
    for stretch in record.activity.intervals.iter().rev().take(MAX_STRETCHES) {
        table.row([&minutes(&stretch.from.to_string()), &minutes(&stretch.to.to_string())]);
    }
    table.write_indented(out, "  ")?;

    if !found.is_empty() {
        writeln!(out, "\nfindings")?;
        let mut table = Table::new(["severity", "what", "count", "last seen"]);
        for f in found {
            table.row([
                f.severity.name(),
                f.summary.as_str(),
                &f.count.to_string(),
                &minutes(&f.last_seen.to_string()),
            ]);
        }
        table.write_indented(out, "  ")?;
    }

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

/// What people decided, as far as they did.
fn decided(out: &mut impl Write, record: &DeviceRecord) -> anyhow::Result<()> {
    let managed = &record.managed;
    if let Some(yes) = managed.authorized {
        writeln!(out, "  {:<12}{}", "authorized", if yes { "yes" } else { "no" })?;
    }
    if !managed.set.is_empty() {
        let set: Vec<String> = managed.set.iter().map(|a| text(&json!(a)).to_owned()).collect();
        writeln!(out, "  {:<12}{}", "set by hand", set.join(", "))?;
    }
    if !managed.macs.is_empty() {
        let macs: Vec<String> = managed.macs.iter().map(ToString::to_string).collect();
        writeln!(out, "  {:<12}{}", "merged with", macs.join(", "))?;
    }
    Ok(())
}

fn document(device: &Device, record: &DeviceRecord, found: &[Finding]) -> serde_json::Value {
    let own = device.ips();
    json!({
        "device": record,
        "findings": found,
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
