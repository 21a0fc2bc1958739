//! SMBIOS OEM strings (DSP0134, structure type 11), which KVM, Proxmox, VMware and others let the owner of a machine
//! set without a disc; and among them systemd's credentials.
//!
//! Ours: `eyot:KEY=VALUE`, where KEY is a setting's (`eyot:proxy.url=http://proxy.example:3128`) or `settings` (a whole
//! document as base64). systemd's: `io.systemd.credential:eyot.KEY=VALUE`, and `io.systemd.credential.binary:eyot.KEY=`
//! with the value as base64. systemd 237 does not know them, so they are read here, whatever the systemd. A newer systemd
//! also copies its kind to `/run/credentials`, from where nobody but itself can remove them: prefer ours for the token.
//!
//! The strings stand in the firmware's table. Root alone can read it and nobody can change it from inside.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::settings::Layer;

use super::{flat, SourceError};
use crate::host::Host;
use crate::paths;

/// Said of where a setting came from.
pub(crate) const ORIGIN: &str = "SMBIOS OEM strings";
const OURS: &str = "eyot:";
const CREDENTIAL: &str = "io.systemd.credential:eyot.";
const BINARY_CREDENTIAL: &str = "io.systemd.credential.binary:eyot.";
/// Structure type "OEM Strings".
const OEM_STRINGS: u8 = 11;
/// Structure type "End-of-Table".
const END: u8 = 127;
/// Type, length of the formatted area, handle; bytes.
const HEADER_BYTES: usize = 4;

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    match host.read(paths::DMI_TABLE)? {
        Some(table) => parse(&table),
        None => Ok(None),
    }
}

/// Whether any of these texts is in the table.
pub(crate) fn carries(host: &dyn Host, tokens: &[String]) -> Result<bool, SourceError> {
    let offered = look(host)?.and_then(|l| l.values.get("activation.token").cloned());
    Ok(offered.is_some_and(|o| tokens.iter().any(|t| t == o.trim())))
}

fn parse(table: &[u8]) -> Result<Option<Layer>, SourceError> {
    let mut pairs = Vec::new();
    for text in oem_strings(table) {
        let (key, binary) = if let Some(rest) = text.strip_prefix(OURS) {
            (rest, false)
        } else if let Some(rest) = text.strip_prefix(CREDENTIAL) {
            (rest, false)
        } else if let Some(rest) = text.strip_prefix(BINARY_CREDENTIAL) {
            (rest, true)
        } else {
            continue;
        };
        let wrong =
            |reason: &str| SourceError::Document { origin: ORIGIN.to_owned(), reason: reason.to_owned() };
        let (key, value) = key.split_once('=').ok_or_else(|| wrong("a string of ours has no \"=\""))?;
        let value = match binary {
            true => STANDARD.decode(value).map_err(|_| wrong(&format!("{key} is not base64")))?,
            false => value.as_bytes().to_vec(),
        };
        pairs.push((key, value));
    }
    flat::layer(ORIGIN, pairs)
}

/// Every OEM string that is text. A table that ends in the middle gives what was whole: it is the firmware's and most of
/// it is none of our business.
fn oem_strings(mut table: &[u8]) -> Vec<&str> {
    let mut found = Vec::new();
    while let [kind, length, ..] = *table {
        let length = usize::from(length);
        if kind == END || length < HEADER_BYTES || table.len() < length {
            break;
        }
        // strings end with a NUL each and the set with one more; an empty set is two NULs
        let Some(end) = table[length..].windows(2).position(|w| w == [0, 0]) else { break };
        if kind == OEM_STRINGS {
            let strings = table[length..length + end].split(|b| *b == 0);
            found.extend(strings.filter_map(|s| std::str::from_utf8(s).ok()).filter(|s| !s.is_empty()));
        }
        table = &table[length + end + 2..];
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A table with a BIOS structure, one of type 11 with these strings, and the end.
    pub(in super::super) fn table(strings: &[String]) -> Vec<u8> {
        let mut table = vec![0, 5, 0, 0, 1];
        table.extend(b"A vendor\0\0");
        table.extend([OEM_STRINGS, 5, 1, 0, strings.len() as u8]);
        for text in strings {
            table.extend(text.as_bytes());
            table.push(0);
        }
        table.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
        table.extend([END, 4, 2, 0, 0, 0]);
        table
    }

    fn values(strings: &[&str]) -> Vec<(&'static str, String)> {
        let strings: Vec<String> = strings.iter().map(|s| (*s).to_owned()).collect();
        parse(&table(&strings)).unwrap().map(|l| l.values.into_iter().collect()).unwrap_or_default()
    }

    #[test]
    fn our_strings_and_systemds_credentials_are_read_and_others_passed_over() {
        let document =
            STANDARD.encode("version = 1\n[host]\nname = \"one\"\n[time]\nservers = \"ntp.example\"\n");
        assert_eq!(
            values(&[
                "Dell System",
                &format!("eyot:settings={document}"),
                "eyot:host.name=two",
                "io.systemd.credential:eyot.proxy.url=http://p:1",
                "io.systemd.credential.binary:eyot.proxy_username=YT1i",
                "io.systemd.credential:passwd.hashed-password.root=x",
            ]),
            [
                ("host.name", "two".to_owned()),
                ("proxy.url", "http://p:1".to_owned()),
                ("proxy.username", "a=b".to_owned()),
                ("time.servers", "ntp.example".to_owned()),
            ]
        );
        assert!(values(&[]).is_empty() && values(&["eyot:host.name="]).is_empty());
    }

    #[test]
    fn mistakes_in_strings_of_ours_are_told_without_values() {
        for (text, said) in [
            ("eyot:hostname=s3cret", "hostname"),
            ("eyot:s3cret", "no \"=\""),
            ("io.systemd.credential.binary:eyot.host.name=s3cret!", "host.name is not base64"),
            ("eyot:settings=s3cret", "neither a settings document nor base64"),
        ] {
            let error = parse(&table(&[text.to_owned()])).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_table_cut_anywhere_is_no_panic() {
        let whole = table(&["eyot:host.name=one".to_owned()]);
        for end in 0..whole.len() {
            let _ = parse(&whole[..end]);
        }
        assert_eq!(parse(&[OEM_STRINGS, 3, 0, 0]).unwrap(), None);
    }
}
