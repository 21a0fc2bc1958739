//! Numbers that stand for names: vendor identifiers of BACnet and CIP, private enterprise numbers, phone type codes.
//!
//! Each is a file of `number`, tab, `name`; a rule's claim names the table it looks its captured number up in.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A table of names by number.
pub type Table = HashMap<&'static str, &'static str>;

const FILES: [(&str, &str); 4] = [
    ("bacnet-vendors", include_str!("../data/bacnet-vendors.tsv")),
    ("cip-vendors", include_str!("../data/cip-vendors.tsv")),
    ("enterprises", include_str!("../data/enterprises.tsv")),
    ("sccp-types", include_str!("../data/sccp-types.tsv")),
];

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    static TABLES: OnceLock<HashMap<&'static str, Table>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| FILES.into_iter().map(|(name, text)| (name, parse(text))).collect());
    tables.get(name)
}

fn parse(text: &'static str) -> Table {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_number_and_a_name_and_no_number_stands_twice() {
        for (file, text) in FILES {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            for line in &lines {
                let (number, name) = line.split_once('\t').unwrap_or_else(|| panic!("{file}: {line}"));
                assert!(number.parse::<u32>().is_ok() && !name.trim().is_empty(), "{file}: {line}");
            }
            assert_eq!(table(file).map(HashMap::len), Some(lines.len()), "{file}");
        }
        assert!(table("nothing").is_none());
    }
}
