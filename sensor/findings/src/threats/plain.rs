//! Plain lists: an address, network or name per line, with what usually goes with it: comments (`#`, `;`, `//`), further
//! columns behind a blank, tab or comma, hosts-file lines, dots in brackets.
//!
//! Addresses of pages (`http://…`) are left out: the page may be bad and its host everybody's.

use std::net::IpAddr;

use super::Indicator;

/// Gives each line's entry, or `None` for a line that is none.
pub(super) fn read(text: &str, put: &mut impl FnMut(Option<Indicator>)) {
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with("//") || line.starts_with('!') {
            continue;
        }
        let mut columns =
            line.split([' ', '\t', ',']).map(|c| c.trim().trim_matches('"')).filter(|c| !c.is_empty());
        let Some(first) = columns.next() else { continue };
        let sinkhole = first.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_loopback());
        let entry = if sinkhole { columns.next().unwrap_or_default() } else { first };
        put(entry.replace("[.]", ".").parse().ok());
    }
}
