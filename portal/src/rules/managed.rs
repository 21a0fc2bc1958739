//! The list of managed endpoints, as other software exports it: CSV with a heading, or a JSON array of objects. Of each
//! row the fields `mac`, `ip` and `name` are taken (any may be missing or empty, one must be there), the rest is left.

use serde::Deserialize;

use super::committed::Managed;
use super::csv;

/// Most rows taken.
pub const MAX_ROWS: usize = 1_000_000;

/// Why a list is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// JSON, but not what is expected.
    #[error("line {line}, column {column}: this is not a JSON array of objects with mac, ip or name")]
    Json {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// A heading without any field that is known.
    #[error("the first line must name the columns, and one of them must be mac, ip or name")]
    Heading,
    /// A row with a wrong value.
    #[error("row {row}: {reason}")]
    Row {
        /// 1-based, the heading not counted.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// Too many rows.
    #[error("the list has more than {MAX_ROWS} rows")]
    TooLong,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    mac: Option<String>,
    ip: Option<String>,
    name: Option<String>,
}

/// Reads a list; JSON where it starts with `[`, else CSV.
///
/// # Errors
/// [`ListError`]; of a list with a wrong row nothing is taken.
pub fn read(text: &str) -> Result<Managed, ListError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let rows = if text.starts_with('[') { json(text)? } else { rows(text)? };
    if rows.len() > MAX_ROWS {
        return Err(ListError::TooLong);
    }
    let mut managed = Managed::default();
    for (at, row) in rows.into_iter().enumerate() {
        take(&mut managed, row).map_err(|reason| ListError::Row { row: at + 1, reason })?;
    }
    Ok(managed)
}

fn json(text: &str) -> Result<Vec<Row>, ListError> {
    serde_json::from_str(text).map_err(|e| ListError::Json { line: e.line(), column: e.column() })
}

fn rows(text: &str) -> Result<Vec<Row>, ListError> {
    let heading = text.lines().next().unwrap_or_default();
    let separator = if heading.contains(';') { ';' } else { ',' };
    let mut records = csv::records(text, separator).into_iter();
    let names: Vec<_> = records.next().unwrap_or_default().iter().map(|n| n.to_lowercase()).collect();
    let place = |wanted: [&str; 3]| names.iter().position(|n| wanted.contains(&n.as_str()));
    let mac = place(["mac", "mac address", "macaddress"]);
    let ip = place(["ip", "ip address", "ipaddress"]);
    let name = place(["name", "device name", "hostname"]);
    if mac.is_none() && ip.is_none() && name.is_none() {
        return Err(ListError::Heading);
    }
    let row = |record: Vec<String>| {
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).cloned();
        Row { mac: cell(mac), ip: cell(ip), name: cell(name) }
    };
    Ok(records.map(row).collect())
}

fn take(managed: &mut Managed, row: Row) -> Result<(), String> {
    let given = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let (mac, ip, name) = (given(row.mac), given(row.ip), given(row.name));
    if mac.is_none() && ip.is_none() && name.is_none() {
        return Err("has neither mac, ip nor name".to_owned());
    }
    if let Some(mac) = mac {
        managed.macs.insert(mac.parse().map_err(|e: eyot_contract::MacError| e.to_string())?);
    }
    if let Some(ip) = ip {
        managed.ips.insert(ip.parse().map_err(|_| format!("\"{ip}\" is not an IP address"))?);
    }
    if let Some(name) = name {
        managed.names.insert(name.to_lowercase());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let csv = "Name;OS;MAC\r\n\"PC-1, front\";Windows;00-40-00-00-00-01\r\nPC-2;;\r\n";
        let json = r#"[{"name": "pc-1, front", "mac": "00:40:00:00:00:01", "os": "Windows"}, {"name": "PC-2", "ip": null}]"#;
        let (one, two) = (read(csv).unwrap(), read(json).unwrap());
        assert_eq!((one.macs.len(), one.names.len(), one.ips.len()), (1, 2, 0));
        assert_eq!((one.macs, one.names), (two.macs, two.names));
        assert_eq!(read("ip\n10.0.0.1\n10.0.0.1\n2001:db8::1\n").unwrap().ips.len(), 2);
    }

    #[test]
    fn a_wrong_list_says_where() {
        for (text, expected) in [
            ("", "first line must name the columns"),
            ("a,b\n1,2\n", "first line must name the columns"),
            ("mac\n00:40:00:00:00:01\nnonsense\n", "row 2: \"nonsense\" is not a MAC address"),
            ("ip\n10.0.0\n", "row 1: \"10.0.0\" is not an IP address"),
            ("mac,name\n,\n", "row 1: has neither mac, ip nor name"),
            ("[{\"mac\": 7}]", "line 1, column"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
