//! Devices for people (table), programs (NDJSON) and spreadsheets (CSV).

mod csv;
mod findings;
mod table;

use std::io::{self, Write};

use eyot_contract::DeviceRecord;

pub use findings::{findings, kinds};
pub use table::Table;

use crate::cli::DeviceFormat;

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// Writes devices in a format.
///
/// # Errors
/// When the output cannot be written.
pub fn devices(
    out: &mut impl Write,
    records: impl Iterator<Item = DeviceRecord>,
    format: DeviceFormat,
) -> io::Result<()> {
    match format {
        DeviceFormat::Table => as_table(out, records),
        DeviceFormat::Csv => csv::devices(out, records),
        DeviceFormat::Ndjson => {
            for record in records {
                serde_json::to_writer(&mut *out, &record)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    }
}

/// The text, or the sign for unknown.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or(UNKNOWN).to_owned()
}

fn as_table(out: &mut impl Write, records: impl Iterator<Item = DeviceRecord>) -> io::Result<()> {
    let mut count = 0_usize;
    let mut table =
        Table::new(["MAC", "IP", "HOSTNAME", "VENDOR", "TYPE", "MODEL", "FIRMWARE", "SURE", "LAST SEEN"]);
    for r in records {
        count += 1;
        let mut ip = or_dash(r.ips.first().map(ToString::to_string).as_deref());
        if r.ips.len() > 1 {
            ip.push_str(&format!(" +{}", r.ips.len() - 1));
        }
        table.row([
            r.mac.to_string().as_str(),
            &ip,
            &or_dash(r.hostname.as_deref()),
            &or_dash(r.vendor.as_deref()),
            &or_dash(r.device_type.map(|t| t.name())),
            &or_dash(r.model.as_deref()),
            &or_dash(r.firmware.as_deref()),
            &format!("{:.2}", r.confidence),
            &minutes(&r.last_seen.to_string()),
        ]);
    }
    table.write(out)?;
    writeln!(out, "{count} {}", if count == 1 { "device" } else { "devices" })
}

/// `2016-04-07 12:34` of an RFC 3339 time.
pub(crate) fn minutes(time: &str) -> String {
    match time.get(..16) {
        Some(start) if time.as_bytes()[10] == b'T' => start.replacen('T', " ", 1),
        _ => time.to_owned(),
    }
}
