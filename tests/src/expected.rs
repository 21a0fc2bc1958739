//! What a sensor must make of the recorded office: `fixtures/office/expected.tsv` read, and device records held
//! against it.
//!
//! Records are taken as JSON, not as the contract's type: what other programs will read is what is tested.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// The office's capture and what must be said of its hosts.
pub struct Office {
    /// The capture.
    pub capture: PathBuf,
    /// Recorded length, in seconds.
    pub seconds: u32,
    hosts: Vec<Host>,
}

/// One line of `expected.tsv`.
struct Host {
    mac: String,
    vendor: Regex,
    types: Vec<String>,
    model: Option<Regex>,
    hostname: Option<String>,
}

impl Office {
    /// Reads the fixture.
    ///
    /// # Errors
    /// A file is missing or a line of the expectations is not five columns.
    pub fn load() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/office");
        let list = folder.join("expected.tsv");
        let text =
            std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let hosts = lines
            .map(|(at, line)| Host::parse(line).with_context(|| format!("{}:{}", list.display(), at + 1)))
            .collect::<Result<_>>()?;
        Ok(Self { capture: folder.join("office.pcap"), seconds: 88, hosts })
    }

    /// How many hosts must be known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether nothing is expected at all.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Every difference between what is expected and these device records, one sentence each; empty when all is well.
    /// Further devices are no difference.
    pub fn differences(&self, records: &[Value]) -> Vec<String> {
        let by_mac: BTreeMap<_, _> = records.iter().map(|record| (text(record, "mac"), record)).collect();
        let of_host = |host: &Host| match by_mac.get(host.mac.as_str()) {
            None => vec![format!("{} is not listed", host.mac)],
            Some(record) => host.differences(record),
        };
        self.hosts.iter().flat_map(of_host).collect()
    }
}

impl Host {
    fn parse(line: &str) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [mac, vendor, types, model, hostname] = columns[..] else {
            anyhow::bail!(
                "{} columns where five are expected: mac, vendor, types, model, hostname",
                columns.len()
            );
        };
        let given = |text: &str| (text != "-").then(|| text.to_owned());
        Ok(Self {
            mac: mac.to_owned(),
            vendor: pattern(vendor)?,
            types: types.split('|').map(str::to_owned).collect(),
            model: given(model).map(|text| pattern(&text)).transpose()?,
            hostname: given(hostname),
        })
    }

    fn differences(&self, record: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut demand = |holds: bool, key: &str, wanted: &str| {
            if !holds {
                found.push(format!("{}: {key} is {} and should be {wanted}", self.mac, record[key]));
            }
        };
        demand(self.vendor.is_match(text(record, "vendor")), "vendor", self.vendor.as_str());
        demand(self.types.iter().any(|t| t == text(record, "type")), "type", &self.types.join(" or "));
        if let Some(model) = &self.model {
            demand(model.is_match(text(record, "model")), "model", model.as_str());
        }
        if let Some(hostname) = &self.hostname {
            demand(text(record, "hostname").eq_ignore_ascii_case(hostname), "hostname", hostname);
        }
        found
    }
}

fn pattern(text: &str) -> Result<Regex> {
    Ok(RegexBuilder::new(text).case_insensitive(true).build()?)
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_host_that_is_missing_or_mistaken_is_told() {
        let office = Office::load().unwrap();
        assert_eq!(office.differences(&[]).len(), office.len());
        let printer = |model: &str| json!({"mac": "3c:d9:2b:7f:41:5e", "vendor": "HP", "type": "printer", "model": model, "hostname": "npi7f415e"});
        assert_eq!(office.differences(&[printer("HP LaserJet Pro M404dn")]).len(), office.len() - 1);
        let mistaken = office.differences(&[printer("Epson")]);
        assert!(mistaken.iter().any(|d| d.contains("model is \"Epson\"")), "{mistaken:?}");
    }
}
