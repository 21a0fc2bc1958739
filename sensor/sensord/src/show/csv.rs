//! CSV after RFC 4180: CRLF, quotes doubled, a header line.

use std::io::{self, Write};

use eyot_contract::DeviceRecord;

const HEADER: [&str; 23] = [
    "mac",
    "ips",
    "vlans",
    "hostname",
    "vendor",
    "model",
    "type",
    "class",
    "os",
    "firmware",
    "serial",
    "confidence",
    "randomized_mac",
    "protocols",
    "frames",
    "first_seen",
    "last_seen",
    "bytes",
    "flows",
    "location",
    "authorized",
    "merged_macs",
    "set_by_hand",
];

/// Writes devices; evidence stays out, it is a list of its own.
pub fn devices(out: &mut impl Write, records: impl Iterator<Item = DeviceRecord>) -> io::Result<()> {
    line(out, &HEADER.map(str::to_owned))?;
    for r in records {
        let text = |o: &Option<String>| o.clone().unwrap_or_default();
        line(
            out,
            &[
                r.mac.to_string(),
                joined(&r.ips),
                joined(&r.vlans),
                text(&r.hostname),
                text(&r.vendor),
                text(&r.model),
                r.device_type.map(|t| t.name().to_owned()).unwrap_or_default(),
                r.class.map(|c| c.name().to_owned()).unwrap_or_default(),
                text(&r.os),
                text(&r.firmware),
                text(&r.serial),
                format!("{:.2}", r.confidence),
                r.randomized_mac.to_string(),
                r.protocols.join(" "),
                r.frames.to_string(),
                r.first_seen.to_string(),
                r.last_seen.to_string(),
                r.activity.bytes.to_string(),
                r.activity.flows.to_string(),
                r.activity.location.map(|l| l.name().to_owned()).unwrap_or_default(),
                r.managed.authorized.map(|yes| yes.to_string()).unwrap_or_default(),
                joined(&r.managed.macs),
                joined(&r.managed.set.iter().map(|a| format!("{a:?}").to_lowercase()).collect::<Vec<_>>()),
            ],
        )?;
    }
    Ok(())
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Writes one line.
///
/// # Errors
/// When the output cannot be written.
pub fn line<const N: usize>(out: &mut impl Write, cells: &[String; N]) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell that begins like a formula is made text: what a device calls itself must not run in a spreadsheet.
fn cell(text: &str) -> String {
    let safe =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if safe.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_quotes_and_formulas_are_harmless() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("Cisco Systems, Inc"), "\"Cisco Systems, Inc\"");
        assert_eq!(cell("7\" screen"), "\"7\"\" screen\"");
        assert_eq!(cell("=HYPERLINK(1,2)"), "\"'=HYPERLINK(1,2)\"");
    }
}
