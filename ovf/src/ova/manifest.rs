//! The manifest: one line per file with its digest, in the one spelling that importers take.

use std::fmt::Write;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// `SHA256` as written; others are refused by importers or not known to them
    pub algorithm: String,
    /// the file
    pub name: String,
    /// hexadecimal as written
    pub digest: String,
}

/// A manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// its lines
    pub entries: Vec<ManifestEntry>,
    /// lines that are none, or in a spelling that importers refuse, with the reason
    pub faults: Vec<String>,
}

/// The manifest of these files with their lower-case SHA-256.
pub fn text<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, digest) in files {
        // Writing to a String does not fail.
        let _ = writeln!(out, "SHA256({name})= {digest}");
    }
    out
}

impl Manifest {
    /// Reads any spelling and notes those that importers refuse.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut manifest = Manifest::default();
        for (n, line) in (1..).zip(String::from_utf8_lossy(bytes).split_terminator('\n')) {
            match entry(line) {
                Ok((entry, fault)) => {
                    manifest.faults.extend(fault.map(|f| format!("line {n}: {f}")));
                    manifest.entries.push(entry);
                }
                Err(fault) => manifest.faults.push(format!("line {n}: {fault}")),
            }
        }
        manifest
    }
}

fn entry(line: &str) -> Result<(ManifestEntry, Option<String>), &'static str> {
    let malformed = "is not of the form SHA256(file)= digest";
    let (head, rest) = line.split_once('(').ok_or(malformed)?;
    let (name, digest) = rest.rsplit_once(')').ok_or(malformed)?;
    let value = digest.trim_start_matches([' ', '=']).trim_end();
    let algorithm = head.trim_end();
    let fault = if head != algorithm {
        Some(
            "has a space before the bracket, as `sha256sum --tag` writes it; importers refuse that"
                .to_owned(),
        )
    } else if algorithm == "SHA2-256" {
        Some("names the algorithm SHA2-256, as openssl 3 writes it; importers want SHA256".to_owned())
    } else if !matches!(algorithm, "SHA256" | "SHA1" | "SHA512") {
        Some(format!("names the unknown algorithm {algorithm:?}"))
    } else if digest != format!("= {value}") {
        Some("does not have exactly \"= \" before the digest".to_owned())
    } else if line.ends_with('\r') {
        Some("ends in CR LF".to_owned())
    } else {
        None
    };
    let entry = ManifestEntry {
        algorithm: algorithm.to_owned(),
        name: name.to_owned(),
        digest: value.to_ascii_lowercase(),
    };
    Ok((entry, fault))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn p4_spellings_that_importers_refuse_are_read_and_named() {
        let ours = text([("a.ovf", "00ff"), ("a-disk1.vmdk", "11")]);
        assert_eq!(ours, "SHA256(a.ovf)= 00ff\nSHA256(a-disk1.vmdk)= 11\n");
        let read = Manifest::parse(ours.as_bytes());
        assert!(read.faults.is_empty() && read.entries.len() == 2);
        for (line, fault) in [
            ("SHA256 (a) = 00", "space before the bracket"),
            ("SHA2-256(a)= 00", "openssl 3"),
            ("SHA256(a)=00", "exactly"),
            ("SHA256(a)= 00\r", "exactly"),
            ("MD9(a)= 00", "unknown algorithm"),
            ("hello", "not of the form"),
        ] {
            let read = Manifest::parse(line.as_bytes());
            assert!(read.faults[0].contains(fault), "{line}: {:?}", read.faults);
        }
    }
}
