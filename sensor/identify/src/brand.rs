//! One spelling for each maker: "Belkin International Inc." and "BELKIN" are Belkin.
//!
//! The table `data/brands.tsv` is shared with `tools/refresh-oui`, so that what the address says and what the device
//! says can be compared.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../data/brands.tsv");

/// Legal forms that end a declared name and say nothing about who it is.
const FORMS: &[&str] = &[
    "ab",
    "ag",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "limited",
    "llc",
    "ltd",
    "nv",
    "oy",
    "plc",
    "pte",
    "pty",
    "sa",
    "sas",
    "spa",
    "srl",
];

fn table() -> &'static HashMap<&'static str, &'static str> {
    static BRANDS: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    BRANDS.get_or_init(|| {
        TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
    })
}

/// Lower-case words of letters and digits, joined by single blanks.
pub fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with(' ') {
            text.push(' ');
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The brand behind a maker's name as declared; the name itself without its legal form where the table has none.
pub fn canonical(name: &str) -> String {
    let plain = plain(name);
    let mut start = plain.as_str();
    while !start.is_empty() {
        if let Some(brand) = table().get(start) {
            return (*brand).to_owned();
        }
        start = start.rfind(' ').map_or("", |end| &start[..end]);
    }
    let mut words: Vec<&str> = name.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    while words.len() > 1
        && words.last().is_some_and(|w| FORMS.contains(&self::plain(w).replace(' ', "").as_str()))
    {
        words.pop();
    }
    words.join(" ")
}

/// Whether two spellings can mean the same maker: one's words begin the other's, or stand in it as an alternative.
pub fn agree(a: &str, b: &str) -> bool {
    let (a, b) = (plain(a), plain(b));
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    !short.is_empty() && format!(" {long} ").contains(&format!(" {short} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_names_come_out_as_the_brand() {
        assert_eq!(canonical("Belkin International Inc."), "Belkin");
        assert_eq!(canonical("TP-LINK TECHNOLOGIES CO.,LTD."), "TP-Link");
        assert_eq!(canonical("Royal Philips Electronics"), "Philips/Signify");
        assert_eq!(canonical("Hewlett-Packard"), "HP");
        assert_eq!(canonical("Hewlett Packard Enterprise"), "HPE");
        assert_eq!(canonical("Acme Gadgets Ltd."), "Acme Gadgets");
        assert_eq!(canonical(""), "");
    }

    #[test]
    fn a_brand_is_matched_by_whole_words_only() {
        assert_eq!(canonical("Gecko Systems"), "Gecko Systems");
        assert!(agree("Philips", "Philips/Signify"));
        assert!(!agree("Ring", "Bring"));
        assert!(!agree("", "Anything"));
    }
}
