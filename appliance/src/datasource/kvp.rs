//! Hyper-V key-value pairs that the host gave the guest: pool 0, as `hv_kvp_daemon` keeps it on disk.
//!
//! Layout (linux `include/uapi/linux/hyperv.h` and `tools/hv/hv_kvp_daemon.c`): records without a header, each a key of
//! 512 bytes and a value of 2048, UTF-8, padded with NUL. `Import-EyotSensor.ps1` writes the token under
//! `activation_token`; every other setting may be given under its property key too, and a whole settings document, plain or
//! base64, under `eyot_settings`. Keys that are not ours are others'. What does not fit one value is split:
//! `portal_ca.1of3`, `portal_ca.2of3`, `portal_ca.3of3`, joined without anything between; until the last part is there the
//! others offer nothing, and the number of parts in each key tells a set that is still being written from a whole one.
//!
//! The daemon writes the file anew at each change. Reading takes no lock, which could keep the daemon waiting: it is read
//! until two readings agree; a last record cut short is left out and is whole at the next look. Changing it takes the
//! daemon's own lock. What is forgotten here stays in the host's
//! own configuration of the machine, which may hand it over again at the next boot; then it is forgotten again.
//!
//! Written after the sources named above; not tried on a real Hyper-V host.

use std::collections::BTreeMap;

use eyot_contract::settings::Layer;

use super::{flat, property, SourceError};
use crate::host::{Host, HostError};
use crate::paths;

/// HV_KVP_EXCHANGE_MAX_KEY_SIZE, bytes.
const KEY_BYTES: usize = 512;
/// HV_KVP_EXCHANGE_MAX_VALUE_SIZE, bytes.
const VALUE_BYTES: usize = 2048;
const RECORD_BYTES: usize = KEY_BYTES + VALUE_BYTES;
/// What a host surely reads of a key and of a value that a guest wrote; bytes.
const SAFE_KEY_BYTES: usize = 254;
const SAFE_VALUE_BYTES: usize = 1022;
/// Records looked at; hosts give a handful.
const MAX_RECORDS: usize = 1024;
/// Most parts of one value: more than any certificate chain needs.
const MAX_PARTS: usize = 99;
/// Key of a whole document; "settings" alone could be anybody's.
const DOCUMENT: &str = "eyot_settings";
/// How often the pool is read before giving up on two readings that agree.
const MAX_READINGS: usize = 8;

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    match steady(host)? {
        Some(pool) => parse(&pool),
        None => Ok(None),
    }
}

/// Puts NULs over the value of every record that carries one of these tokens. `false` if none does.
pub(crate) fn erase(host: &dyn Host, tokens: &[String]) -> Result<bool, SourceError> {
    Ok(host.edit_shared(paths::KVP_POOL, &|pool| without_tokens(pool, tokens))?)
}

/// Puts pairs into the pool that the host reads, each in the place of the pair of the same key. Says whether that changed
/// anything; no pool, no host to tell.
pub(crate) fn tell(host: &dyn Host, pairs: &[(&str, &str)]) -> Result<bool, HostError> {
    host.edit_shared(paths::KVP_POOL_TO_HOST, &|pool| {
        let mut records: Vec<Vec<u8>> = pool.chunks_exact(RECORD_BYTES).map(<[u8]>::to_vec).collect();
        for (key, value) in pairs {
            let new = record(key, value);
            match records.iter_mut().find(|r| text(&r[..KEY_BYTES]) == key.as_bytes()) {
                Some(old) => *old = new,
                None => records.push(new),
            }
        }
        Some(records.concat()).filter(|r| r != pool)
    })
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let mut record = vec![0; RECORD_BYTES];
    let put = |field: &mut [u8], text: &str, most: usize| {
        // cut between characters
        let end = (0..=text.len().min(most)).rev().find(|e| text.is_char_boundary(*e)).unwrap_or(0);
        field[..end].copy_from_slice(&text.as_bytes()[..end]);
    };
    let (key_field, value_field) = record.split_at_mut(KEY_BYTES);
    put(key_field, key, SAFE_KEY_BYTES);
    put(value_field, value, SAFE_VALUE_BYTES);
    record
}

fn steady(host: &dyn Host) -> Result<Option<Vec<u8>>, SourceError> {
    let read = || -> Result<Option<Vec<u8>>, HostError> { host.read(paths::KVP_POOL) };
    let mut last = read()?;
    for _ in 1..MAX_READINGS {
        let again = read()?;
        if again == last {
            return Ok(last);
        }
        last = again;
    }
    Err(SourceError::Document {
        origin: paths::KVP_POOL.to_owned(),
        reason: "is rewritten all the time; wait, or give the settings by seed ISO".to_owned(),
    })
}

fn parse(pool: &[u8]) -> Result<Option<Layer>, SourceError> {
    // key to its parts by number; a value in one piece is part 1 of 1
    let mut values: BTreeMap<&str, BTreeMap<(usize, usize), &[u8]>> = BTreeMap::new();
    for record in pool.chunks_exact(RECORD_BYTES).take(MAX_RECORDS) {
        let (key, value) = record.split_at(KEY_BYTES);
        let Ok(key) = std::str::from_utf8(text(key)) else { continue };
        let (name, place) = part(key).unwrap_or((key, (1, 1)));
        let known = match name {
            DOCUMENT => flat::DOCUMENT,
            _ if property(name).is_some() => name,
            _ => continue,
        };
        values.entry(known).or_default().insert(place, text(value));
    }
    let mut whole = Vec::new();
    for (key, parts) in values {
        // in one piece, or the largest set that is complete
        let of = parts.keys().map(|(_, of)| *of).rev();
        let complete = of.into_iter().find(|of| (1..=*of).all(|n| parts.contains_key(&(n, *of))));
        if let Some(of) = complete {
            whole.push((key, (1..=of).flat_map(|n| parts[&(n, of)]).copied().collect()));
        }
    }
    flat::layer(paths::KVP_POOL, whole)
}

/// `portal_ca.2of3` → `portal_ca`, part 2 of 3.
fn part(key: &str) -> Option<(&str, (usize, usize))> {
    let (name, place) = key.rsplit_once('.')?;
    let (number, of) = place.split_once("of")?;
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    (1..=MAX_PARTS).contains(&of).then_some(())?;
    (1..=of).contains(&number).then_some((name, (number, of)))
}

fn without_tokens(pool: &[u8], tokens: &[String]) -> Option<Vec<u8>> {
    let mut clean = pool.to_vec();
    let mut found = false;
    // the last one may be cut short; what is there of its value counts
    for record in clean.chunks_mut(RECORD_BYTES).filter(|r| r.len() > KEY_BYTES) {
        let value = &mut record[KEY_BYTES..];
        let carries = |t: &String| !t.is_empty() && value.windows(t.len()).any(|w| w == t.as_bytes());
        if tokens.iter().any(carries) {
            value.fill(0);
            found = true;
        }
    }
    found.then_some(clean)
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A record as a host writes it, up to the field's whole length.
    pub(in super::super) fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let mut record = vec![0; RECORD_BYTES];
        record[..key.len()].copy_from_slice(key.as_bytes());
        record[KEY_BYTES..KEY_BYTES + value.len()].copy_from_slice(value);
        record
    }

    #[test]
    fn records_are_of_fixed_length_and_padded() {
        let mut pool = record("activation_token", b"eyot1_x");
        pool.extend(record("host_name", "f\u{fc}nf".as_bytes()));
        pool.extend(record("SomebodyElse", &[0xff, 0xfe]));
        pool.extend(record("proxy_url", b" "));
        pool.extend(record("proxy_exceptions", &[b'a'; VALUE_BYTES]));
        let layer = parse(&pool).unwrap().unwrap();
        assert_eq!(
            layer.values.keys().copied().collect::<Vec<_>>(),
            ["activation.token", "host.name", "proxy.exceptions"]
        );
        assert_eq!(layer.values["activation.token"], "eyot1_x");
        assert_eq!(layer.values["host.name"], "f\u{fc}nf");
        assert_eq!(layer.values["proxy.exceptions"].len(), VALUE_BYTES);
    }

    #[test]
    fn what_follows_the_first_nul_is_not_part_of_a_value() {
        let layer = parse(&record("host_name", b"new\0older")).unwrap().unwrap();
        assert_eq!(layer.values["host.name"], "new");
    }

    #[test]
    fn a_torn_last_record_is_left_out() {
        let mut pool = record("host_name", b"one");
        pool.extend(&record("proxy_url", b"http://proxy.example:3128")[..KEY_BYTES + 9]);
        assert_eq!(parse(&pool).unwrap().unwrap().values.len(), 1);
        assert_eq!(parse(&pool[..RECORD_BYTES - 1]).unwrap(), None);
        assert_eq!(parse(&[]).unwrap(), None);
    }

    #[test]
    fn a_value_of_ours_that_is_not_text_is_an_error_without_the_value() {
        let error = parse(&record("activation_token", &[0xff, b'x'])).unwrap_err().to_string();
        assert!(error.contains(".kvp_pool_0: activation.token: not UTF-8 text"), "{error}");
    }

    #[test]
    fn a_value_over_two_kilobytes_is_split_over_keys() {
        let long: String = (0..5000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let parts: Vec<&[u8]> = long.as_bytes().chunks(VALUE_BYTES).collect();
        let part = |n: usize| record(&format!("portal_ca.{n}of3"), parts[n - 1]);
        let (mut pool, mut backwards) = (Vec::new(), Vec::new());
        for n in 1..=3 {
            if n == 3 {
                assert_eq!(parse(&pool).unwrap(), None, "not yet whole");
            }
            pool.extend(part(n));
            backwards.extend(part(4 - n));
        }
        for pool in [pool.clone(), backwards] {
            assert_eq!(parse(&pool).unwrap().unwrap().values["portal.ca"], long);
        }
        // parts of an earlier, longer set do not mix with it
        pool.extend(record("portal_ca.4of4", b"old"));
        assert_eq!(parse(&pool).unwrap().unwrap().values["portal.ca"], long);
        for key in ["portal_ca.0of1", "portal_ca.2of1", "portal_ca.1of1000", "portal_ca.xof2", "other.1of1"] {
            assert_eq!(parse(&record(key, b"x")).unwrap(), None, "{key}");
        }
    }

    #[test]
    fn a_whole_document_goes_under_one_key() {
        let toml = "version = 1\n[host]\nname = \"one\"\n[proxy]\nurl = \"http://p:1\"\n";
        let mut pool = record("eyot_settings", toml.as_bytes());
        pool.extend(record("host_name", b"two"));
        let layer = parse(&pool).unwrap().unwrap();
        assert_eq!((&*layer.values["host.name"], &*layer.values["proxy.url"]), ("two", "http://p:1"));
        assert_eq!(parse(&record("settings", b"somebody else's")).unwrap(), None);
    }

    #[test]
    fn the_host_is_told_in_pool_1() {
        let host = crate::host::double::Double::default();
        assert!(!tell(&host, &[("EyotState", "Connected")]).unwrap(), "no pool, nobody to tell");
        let other = String::from_utf8(record("NetworkAddressIPv4", b"192.0.2.1")).unwrap();
        host.put(paths::KVP_POOL_TO_HOST, &other);
        assert!(tell(&host, &[("EyotState", "Pending"), ("EyotDetail", &"\u{e9}".repeat(2000))]).unwrap());
        assert!(tell(&host, &[("EyotState", "Connected")]).unwrap());
        assert!(!tell(&host, &[("EyotState", "Connected")]).unwrap());
        let pool = host.text(paths::KVP_POOL_TO_HOST).unwrap();
        assert_eq!(pool.len() / RECORD_BYTES, 3);
        assert!(pool.starts_with(&other) && pool.contains("Connected") && !pool.contains("Pending"));
        assert!(pool.len() % RECORD_BYTES == 0 && pool.matches('\u{e9}').count() == SAFE_VALUE_BYTES / 2);
    }

    #[test]
    fn only_the_tokens_value_is_erased_and_whole() {
        let mut pool = record("host_name", b"one");
        pool.extend(record("activation_token", b"eyot1_x\0eyot1_x"));
        let clean = without_tokens(&pool, &["eyot1_x".to_owned()]).unwrap();
        let mut expected = record("host_name", b"one");
        expected.extend(record("activation_token", b""));
        assert_eq!(clean, expected);
        assert_eq!(without_tokens(&clean, &["eyot1_x".to_owned()]), None);
        assert_eq!(without_tokens(&pool, &[String::new()]), None);
    }
}
