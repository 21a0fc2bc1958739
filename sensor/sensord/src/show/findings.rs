//! Findings for people, programs and spreadsheets; the same words as everywhere, from the contract.

use std::io::{self, Write};

use eyot_contract::{Finding, FindingDefinition, Severity};
use serde_json::{json, Value};

use super::{csv, minutes, or_dash, Table};
use crate::cli::DeviceFormat;

/// Writes findings in a format.
///
/// # Errors
/// When the output cannot be written.
pub fn findings(out: &mut impl Write, list: &[&Finding], format: DeviceFormat) -> io::Result<()> {
    match format {
        DeviceFormat::Table => as_table(out, list),
        DeviceFormat::Csv => as_csv(out, list),
        DeviceFormat::Ndjson => {
            for finding in list {
                serde_json::to_writer(&mut *out, &document(finding))?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    }
}

/// A finding with what its kind means.
pub fn document(finding: &Finding) -> Value {
    let definition = finding.kind.definition();
    let mut document = json!(finding);
    document["category"] = json!(definition.category);
    document["title"] = json!(definition.title);
    document["technique"] = json!(definition.technique);
    document["remedy"] = json!(definition.remedy);
    document
}

/// Writes kinds of findings.
///
/// # Errors
/// When the output cannot be written.
pub fn kinds(out: &mut impl Write, list: &[FindingDefinition], format: DeviceFormat) -> io::Result<()> {
    let row = |d: &FindingDefinition| {
        [d.name, d.category.name(), d.severity.name(), d.technique, d.title, d.condition, d.remedy]
            .map(str::to_owned)
    };
    match format {
        DeviceFormat::Table => {
            let mut table = Table::new(["KIND", "CATEGORY", "SEVERITY", "ATT&CK", "TITLE"]);
            for d in list {
                table.row([d.name, d.category.name(), d.severity.name(), d.technique, d.title]);
            }
            table.write(out)
        }
        DeviceFormat::Csv => {
            csv::line(
                out,
                &["kind", "category", "severity", "technique", "title", "condition", "remedy"]
                    .map(str::to_owned),
            )?;
            list.iter().try_for_each(|d| csv::line(out, &row(d)))
        }
        DeviceFormat::Ndjson => {
            for d in list {
                let [kind, category, severity, technique, title, condition, remedy] = row(d);
                serde_json::to_writer(
                    &mut *out,
                    &json!({
                        "kind": kind, "category": category, "severity": severity, "technique": technique,
                        "technique_name": d.technique_name, "title": title, "condition": condition, "remedy": remedy,
                    }),
                )?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    }
}

fn as_table(out: &mut impl Write, list: &[&Finding]) -> io::Result<()> {
    let mut table = Table::new(["SEVERITY", "KIND", "DEVICE", "WHAT", "COUNT", "FIRST SEEN", "LAST SEEN"]);
    for f in list {
        table.row([
            f.severity.name(),
            f.kind.name(),
            &or_dash(f.mac.map(|m| m.to_string()).as_deref()),
            &f.summary,
            &f.count.to_string(),
            &minutes(&f.first_seen.to_string()),
            &minutes(&f.last_seen.to_string()),
        ]);
    }
    table.write(out)?;
    let of = |severity| list.iter().filter(|f| f.severity == severity).count();
    let counts: Vec<String> =
        Severity::ALL.iter().rev().map(|s| format!("{} {}", of(*s), s.name())).collect();
    writeln!(
        out,
        "{} {}: {}",
        list.len(),
        if list.len() == 1 { "finding" } else { "findings" },
        counts.join(", ")
    )
}

fn as_csv(out: &mut impl Write, list: &[&Finding]) -> io::Result<()> {
    csv::line(
        out,
        &[
            "id",
            "kind",
            "category",
            "severity",
            "technique",
            "mac",
            "summary",
            "count",
            "first_seen",
            "last_seen",
            "evidence",
            "remedy",
        ]
        .map(str::to_owned),
    )?;
    for f in list {
        let definition = f.kind.definition();
        csv::line(
            out,
            &[
                f.id.clone(),
                f.kind.name().to_owned(),
                definition.category.name().to_owned(),
                f.severity.name().to_owned(),
                definition.technique.to_owned(),
                f.mac.map(|m| m.to_string()).unwrap_or_default(),
                f.summary.clone(),
                f.count.to_string(),
                f.first_seen.to_string(),
                f.last_seen.to_string(),
                f.evidence.last().map(|e| e.seen.clone()).unwrap_or_default(),
                definition.remedy.to_owned(),
            ],
        )?;
    }
    Ok(())
}
