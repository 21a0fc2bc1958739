//! Vendors by address prefix: IEEE MA-L, MA-M, MA-S and IAB assignments (24, 28 and 36 bits), and the prefixes that name
//! no maker of things (virtual machines, router pairs).
//!
//! `data/oui.txt` is made by `tools/refresh-oui`; it is parsed once into sorted tables and searched longest prefix first.

use std::collections::HashSet;
use std::sync::OnceLock;

use eyot_contract::MacAddr;

const ASSIGNMENTS: &str = include_str!("../data/oui.txt");
const MODULES: &str = include_str!("../data/modules.txt");
const COMPUTERS: &str = include_str!("../data/computers.txt");
const VIRTUAL: &str = include_str!("../data/virtual.tsv");

/// Prefix lengths in hexadecimal digits, longest first.
const DIGITS: [usize; 3] = [9, 7, 6];

/// The brand that the address was assigned to: the longest assigned prefix decides. `None` for locally administered
/// addresses, for unassigned or anonymous blocks, and for 00:00:00, which is on paper one of Xerox's first blocks and in
/// traffic the mark of software that knows no address. A brand may be a maker of modules, see [`is_module_maker`].
pub fn vendor_of(mac: MacAddr) -> Option<&'static str> {
    if mac.is_locally_administered() || mac.is_multicast() || mac.0.starts_with(&[0, 0, 0]) {
        return None;
    }
    let table = table();
    DIGITS.iter().zip(&table.by_length).find_map(|(digits, entries)| {
        let prefix = bits(mac) >> (48 - 4 * digits);
        let at = entries.binary_search_by_key(&prefix, |(assigned, _)| *assigned).ok()?;
        Some(table.brands[entries[at].1 as usize])
    })
}

/// Whether a brand, as [`vendor_of`] spells it, makes chips, modules or other people's boards.
pub fn is_module_maker(brand: &str) -> bool {
    static MAKERS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    MAKERS.get_or_init(|| lines(MODULES).collect()).contains(brand)
}

/// Whether most addresses of a brand, as [`vendor_of`] spells it, are in computers and telephones.
pub fn makes_computers(brand: &str) -> bool {
    static MAKERS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    MAKERS.get_or_init(|| lines(COMPUTERS).collect()).contains(brand)
}

/// Whether anything is assigned to a brand of that name, whatever its case.
#[cfg(test)]
pub fn is_brand(name: &str) -> bool {
    table().brands.iter().any(|brand| brand.to_lowercase() == name.to_lowercase())
}

/// What a shared or made-up address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Virtual {
    /// A virtual machine of that product.
    Machine(&'static str),
    /// A container.
    Container(&'static str),
    /// The address that a pair of routers shares, and the protocol that moves it.
    Router(&'static str),
    /// A load-balancing cluster.
    Cluster(&'static str),
}

/// The virtual address that `mac` is, if it is one.
pub fn virtual_of(mac: MacAddr) -> Option<Virtual> {
    static PREFIXES: OnceLock<Vec<(u64, u32, Virtual)>> = OnceLock::new();
    let prefixes = PREFIXES.get_or_init(|| {
        let parsed = |(prefix, what): (&str, Virtual)| {
            let rest = 48_u32.checked_sub(4 * u32::try_from(prefix.len()).ok()?)?;
            Some((u64::from_str_radix(prefix, 16).ok()?, rest, what))
        };
        lines(VIRTUAL).filter_map(virtual_line).filter_map(parsed).collect()
    });
    let bits = bits(mac);
    prefixes.iter().find(|(prefix, rest, _)| bits >> rest == *prefix).map(|(_, _, what)| *what)
}

fn virtual_line(line: &'static str) -> Option<(&'static str, Virtual)> {
    let mut columns = line.split('\t');
    let (prefix, kind, product) = (columns.next()?, columns.next()?, columns.next()?);
    let what = match kind {
        "machine" => Virtual::Machine(product),
        "container" => Virtual::Container(product),
        "router" => Virtual::Router(product),
        "cluster" => Virtual::Cluster(product),
        _ => return None,
    };
    Some((prefix, what))
}

struct Table {
    brands: Vec<&'static str>,
    /// Sorted (prefix, index of the brand), in the order of [`DIGITS`].
    by_length: [Vec<(u64, u32)>; 3],
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table { brands: Vec::new(), by_length: Default::default() };
        for (index, line) in (0u32..).zip(lines(ASSIGNMENTS)) {
            let (brand, prefixes) = line.split_once('\t').unwrap_or((line, ""));
            table.brands.push(brand);
            for prefix in prefixes.split(' ') {
                let length = DIGITS.iter().position(|digits| *digits == prefix.len());
                if let (Some(length), Ok(value)) = (length, u64::from_str_radix(prefix, 16)) {
                    table.by_length[length].push((value, index));
                }
            }
        }
        for entries in &mut table.by_length {
            entries.sort_unstable();
        }
        table
    })
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn bits(mac: MacAddr) -> u64 {
    mac.0.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn vendor(text: &str) -> Option<&'static str> {
        vendor_of(text.parse().unwrap())
    }

    #[test]
    fn every_line_of_the_tables_is_understood() {
        let table = table();
        let parsed: usize = table.by_length.iter().map(Vec::len).sum();
        let written: usize =
            lines(ASSIGNMENTS).map(|l| l.split_once('\t').unwrap().1.split(' ').count()).sum();
        assert_eq!(parsed, written);
        assert!(
            table.by_length[2].len() > 32_000
                && table.by_length[1].len() > 4_000
                && table.by_length[0].len() > 9_000
        );
        for entries in &table.by_length {
            assert!(entries.windows(2).all(|w| w[0].0 < w[1].0), "a prefix stands there twice");
        }
        for line in lines(VIRTUAL) {
            assert!(virtual_line(line).is_some(), "{line}");
        }
        for brand in lines(MODULES) {
            assert!(table.brands.contains(&brand), "{brand} makes modules but owns no prefix");
        }
        for brand in lines(COMPUTERS) {
            assert!(table.brands.contains(&brand), "{brand} makes computers but owns no prefix");
        }
    }

    #[test]
    fn brands_rather_than_registrants() {
        assert_eq!(vendor("b0:c5:54:00:00:01"), Some("D-Link"));
        assert_eq!(vendor("50:c7:bf:00:00:01"), Some("TP-Link"));
        assert_eq!(vendor("00:17:88:00:00:01"), Some("Philips/Signify"));
        assert_eq!(vendor("00:1a:22:00:00:01"), Some("eQ-3"));
        assert_eq!(vendor("5c:cf:7f:00:00:01"), Some("Espressif"));
        assert!(is_module_maker("Espressif") && !is_module_maker("D-Link"));
    }

    #[test]
    fn the_longest_prefix_decides() {
        // 70:b3:d5 is sold in 36-bit parts: the block itself names nobody.
        assert_eq!(vendor("70:b3:d5:7e:f0:00").is_some(), ASSIGNMENTS.contains("70b3d57ef"));
        assert_eq!(vendor("74:1a:e0:90:00:00"), None, "sold to somebody who keeps his name private");
        assert_eq!(vendor("20:85:93:b0:00:00"), Some("IOG Products"));
    }

    #[test]
    fn local_and_group_addresses_have_no_vendor() {
        assert_eq!(vendor("52:54:00:12:34:56"), None);
        assert_eq!(vendor("da:a1:19:00:00:00"), None);
        assert_eq!(vendor("01:00:5e:00:00:fb"), None);
        assert_eq!(vendor("00:00:00:12:34:56"), None);
    }

    #[test]
    fn virtual_addresses_are_told_apart() {
        let what = |text: &str| virtual_of(text.parse().unwrap());
        assert_eq!(what("00:50:56:ab:00:01"), Some(Virtual::Machine("VMware")));
        assert_eq!(what("52:54:00:12:34:56"), Some(Virtual::Machine("QEMU/KVM")));
        assert_eq!(what("00:00:5e:00:01:0a"), Some(Virtual::Router("VRRP")));
        assert_eq!(what("00:00:0c:9f:f0:01"), Some(Virtual::Router("HSRP")));
        assert_eq!(what("00:00:0c:12:34:56"), None);
    }
}
