//! What a device is, in the words vulnerability lists use: the names its vendor and model may have there, and which
//! versions of what it runs.
//!
//! Names are compared as keys: lower case, letters and digits alone (`TP-Link`, `tp_link` and `tp-link` are one). A
//! vendor's name also counts by any run of its words, so that `Axis Communications AB` is found as `axis`; what keeps
//! others out is that the model must be the same as well.

use std::collections::BTreeSet;

use super::version::Version;

/// Most words of a name that are looked at.
const MAX_WORDS: usize = 8;
/// Longest run of words.
const MAX_RUN: usize = 4;

/// Words that make no vendor by themselves.
const COMMON: [&str; 34] = [
    "ab",
    "ag",
    "as",
    "bv",
    "co",
    "communication",
    "communications",
    "company",
    "computer",
    "corp",
    "corporation",
    "devices",
    "digital",
    "electric",
    "electronic",
    "electronics",
    "gmbh",
    "group",
    "holdings",
    "inc",
    "industries",
    "international",
    "limited",
    "llc",
    "ltd",
    "network",
    "networks",
    "nv",
    "oy",
    "solutions",
    "system",
    "systems",
    "technologies",
    "technology",
];

/// Vendors under a name that no run of their words gives.
const OTHER_NAMES: [(&str, &[&str]); 8] = [
    ("aruba", &["arubanetworks", "hpe", "hp"]),
    ("hewlettpackard", &["hp"]),
    ("hp", &["hewlettpackard"]),
    ("hpe", &["hp", "arubanetworks"]),
    ("poly", &["polycom"]),
    ("polycom", &["poly"]),
    ("signify", &["philips"]),
    ("ubiquiti", &["ui", "ubnt"]),
];

/// Vendors all of whose devices of a version run one system, under whose name their vulnerabilities are listed too.
const OWN_SYSTEM: [(&str, &str); 2] = [("axis", "axisos"), ("avm", "fritzos")];

/// Systems that are mended by patches within one version, which nobody sees from the network.
const PATCHED_WITHIN: [&str; 5] = ["android", "chromeos", "linux", "ubuntu", "windows"];

/// What the inventory says about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// Who made it.
    pub vendor: Option<String>,
    /// Which product it is.
    pub model: Option<String>,
    /// Its firmware.
    pub firmware: Option<String>,
    /// Its operating system.
    pub os: Option<String>,
}

/// A system with a version.
#[derive(Clone, Debug)]
pub(super) struct System {
    pub products: BTreeSet<String>,
    pub version: Running,
}

/// A version, as it was told and as it compares.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub text: String,
    pub version: Option<Version>,
}

impl Running {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned(), version: Version::read(text) }
    }
}

/// A device's names in vulnerability lists.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(super) vendors: BTreeSet<String>,
    pub(super) models: BTreeSet<String>,
    pub(super) firmware: Option<Running>,
    pub(super) systems: Vec<System>,
}

impl Names {
    /// Of a device.
    pub fn of(product: &Product) -> Self {
        let vendor = product.vendor.as_deref().unwrap_or_default();
        let mut vendors = vendor_keys(vendor);
        let models = product.model.as_deref().map(|m| model_keys(m, &vendors)).unwrap_or_default();
        let firmware = product.firmware.as_deref().map(Running::of);
        let mut systems = Vec::new();
        if let Some((name, version)) = product.os.as_deref().and_then(system_of) {
            let mut products =
                runs(&name).into_iter().map(|run| key(&run.join(" "))).collect::<BTreeSet<_>>();
            vendors.extend(vendor_keys(&name));
            if products.contains("ios") && vendors.contains("apple") {
                products.insert("iphoneos".to_owned());
            }
            systems.push(System { products, version: Running::of(&version) });
        }
        if let Some(version) = &firmware {
            let own = OWN_SYSTEM.iter().filter(|(vendor, _)| vendors.contains(*vendor));
            systems.extend(
                own.map(|(_, name)| System {
                    products: [(*name).to_owned()].into(),
                    version: version.clone(),
                }),
            );
        }
        Self { vendors, models, firmware, systems }
    }

    /// The keys under which its vendor may stand.
    pub fn vendors(&self) -> impl Iterator<Item = &str> {
        self.vendors.iter().map(String::as_str)
    }

    /// The keys under which it or what it runs may stand.
    pub fn products(&self) -> impl Iterator<Item = &str> {
        let systems = self.systems.iter().flat_map(|s| s.products.iter());
        self.models.iter().chain(systems).map(String::as_str)
    }
}

/// A name as it is compared. A plus tells models apart, so it is kept, as a word.
pub fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '+' => key.push_str("plus"),
            c if c.is_alphanumeric() => key.extend(c.to_lowercase()),
            _ => {}
        }
    }
    key
}

/// A product's key in a list without the word that makes it the firmware of a thing; true if there was one.
pub fn product_key(name: &str) -> (String, bool) {
    let whole = key(name);
    match whole.strip_suffix("firmware").filter(|rest| !rest.is_empty()) {
        Some(rest) => (rest.to_owned(), true),
        None => (whole, false),
    }
}

fn words(name: &str) -> Vec<&str> {
    let between = |c: char| !(c.is_alphanumeric() || c == '+');
    name.split(between).filter(|w| !w.is_empty()).take(MAX_WORDS).collect()
}

/// Every run of the words.
fn runs(name: &str) -> Vec<Vec<&str>> {
    let words = words(name);
    let from = |at: usize| (1..=MAX_RUN.min(words.len() - at)).map(move |n| (at, n));
    (0..words.len()).flat_map(from).map(|(at, n)| words[at..at + n].to_vec()).collect()
}

fn vendor_keys(name: &str) -> BTreeSet<String> {
    let common = |word: &&str| COMMON.contains(&word.to_lowercase().as_str());
    let mut keys: BTreeSet<_> = runs(name)
        .into_iter()
        .filter(|run| !run.iter().all(common))
        .map(|run| key(&run.join(" ")))
        .filter(|key| key.chars().count() > 1)
        .collect();
    keys.extend(Some(key(name)).filter(|key| !key.is_empty()));
    let others = OTHER_NAMES.iter().filter(|(name, _)| keys.contains(*name)).flat_map(|(_, others)| *others);
    let others: Vec<_> = others.map(|name| (*name).to_owned()).collect();
    keys.extend(others);
    keys
}

/// The model, with and without the vendor's name before it and the word "series" after it.
fn model_keys(name: &str, vendors: &BTreeSet<String>) -> BTreeSet<String> {
    let words = words(name);
    let until = match words.last() {
        Some(last) if words.len() > 1 && last.eq_ignore_ascii_case("series") => words.len() - 1,
        _ => words.len(),
    };
    let mut keys = BTreeSet::from([key(name)]);
    for from in 0..until.min(MAX_RUN) {
        if from == 0 || vendors.contains(&key(&words[..from].join(" "))) {
            keys.insert(key(&words[from..until].join(" ")));
        }
    }
    keys.retain(|key| key.chars().count() > 1);
    keys
}

/// `RouterOS 6.48.6 (stable)` as name and version. `None` where there is no version, or where it would say too little.
fn system_of(text: &str) -> Option<(String, String)> {
    let numbered = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let (at, _) = text.match_indices(' ').find(|(at, _)| numbered(&text[at + 1..]))?;
    let (name, rest) = text.split_at(at);
    let version = rest.trim_start().split(' ').next()?;
    let patched = runs(name).iter().any(|run| PATCHED_WITHIN.contains(&key(&run.join(" ")).as_str()));
    (!patched).then(|| (name.trim().to_owned(), version.trim_end_matches(',').to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(vendor: &str, model: &str, os: &str) -> Names {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        Names::of(&Product { vendor: some(vendor), model: some(model), firmware: None, os: some(os) })
    }

    #[test]
    fn a_vendor_is_found_by_the_words_that_are_its_name() {
        for (written, expected) in [
            ("Axis Communications AB", "axis"),
            ("Hangzhou Hikvision Digital Technology Co.,Ltd.", "hikvision"),
            ("TP-LINK TECHNOLOGIES CO.,LTD.", "tplink"),
            ("Philips/Signify", "philips"),
            ("Hewlett Packard", "hp"),
            ("Rockwell Automation", "rockwellautomation"),
            ("Ubiquiti", "ui"),
        ] {
            let names = names(written, "", "");
            assert!(names.vendors.contains(expected), "{written}: {:?}", names.vendors);
            for common in ["digital", "communications", "technologies", "coltd", "co", "ltd"] {
                assert!(!names.vendors.contains(common), "{written}: {common}");
            }
        }
    }

    #[test]
    fn a_model_is_the_whole_name_without_the_vendors() {
        for (vendor, model, expected) in [
            ("Axis", "AXIS Q1615 Mk III", "q1615mkiii"),
            ("HP", "HP Color LaserJet Pro MFP M177fw", "colorlaserjetpromfpm177fw"),
            ("Brother", "HL-L2350DW series", "hll2350dw"),
            ("AVM", "FRITZ!Box 7590", "fritzbox7590"),
            ("Synology", "DS918+", "ds918plus"),
        ] {
            assert!(names(vendor, model, "").models.contains(expected), "{model}");
        }
        let q1615 = names("Axis", "AXIS Q1615 Mk III", "");
        assert!(!q1615.models.contains("q1615"), "a Mk III is no Q1615");
        assert!(!names("Synology", "DS918+", "").models.contains("ds918"));
    }

    #[test]
    fn a_system_counts_with_a_version_and_where_the_version_says_enough() {
        let systems = |vendor: &str, os: &str| names(vendor, "", os).systems;
        let router = systems("MikroTik", "RouterOS 6.48.6 (stable)");
        assert!(router[0].products.contains("routeros"));
        assert_eq!(router[0].version.text, "6.48.6");
        let cisco = systems("Cisco", "Cisco IOS 15.2(4)M3");
        assert!(cisco[0].products.contains("ios") && !cisco[0].products.contains("iphoneos"));
        assert!(systems("Apple", "iOS 15.1")[0].products.contains("iphoneos"));
        let names = names("", "", "VMware ESXi 6.7.0");
        assert!(names.vendors.contains("vmware") && names.systems[0].products.contains("esxi"));
        for os in ["RouterOS", "Windows 10", "Linux 4.15", "Android 9", "Ubuntu 18.04.6"] {
            assert!(systems("Somebody", os).is_empty(), "{os}");
        }
    }
}
