//! Hyper-V key-value pairs that the host gave the guest: pool 0, as `hv_kvp_daemon` keeps it on disk.
//!
//! Layout (linux `include/uapi/linux/hyperv.h` and `tools/hv/hv_kvp_daemon.c`): records without a header, each a key of
//! 512 bytes and a value of 2048, UTF-8, padded with NUL. `Import-EyotSensor.ps1` writes the token under
//! `activation_token`; every other setting may be given under its property key too. Keys that are not ours are others'.
//!
//! The daemon writes the file anew at each change. It is read until two readings agree instead of taking the daemon's
//! lock; a last record cut short is left out and is whole at the next look. What is forgotten here stays in the host's
//! own configuration of the machine, which may hand it over again at the next boot; then it is forgotten again.
//!
//! Written after the sources named above; not tried on a real Hyper-V host.

use eyot_contract::settings::Layer;

use super::{property, SourceError};
use crate::host::{Host, HostError};
use crate::paths;

/// HV_KVP_EXCHANGE_MAX_KEY_SIZE, bytes.
const KEY_BYTES: usize = 512;
/// HV_KVP_EXCHANGE_MAX_VALUE_SIZE, bytes.
const VALUE_BYTES: usize = 2048;
const RECORD_BYTES: usize = KEY_BYTES + VALUE_BYTES;
/// Records looked at; hosts give a handful.
const MAX_RECORDS: usize = 1024;
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
    let Some(pool) = steady(host)? else { return Ok(false) };
    match without_tokens(&pool, tokens) {
        Some(clean) => host.overwrite(paths::KVP_POOL, &clean).map(|()| true).map_err(Into::into),
        None => Ok(false),
    }
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
    let mut layer = Layer::new(paths::KVP_POOL);
    for record in pool.chunks_exact(RECORD_BYTES).take(MAX_RECORDS) {
        let (key, value) = record.split_at(KEY_BYTES);
        let Some(setting) = std::str::from_utf8(text(key)).ok().and_then(property) else { continue };
        let value = std::str::from_utf8(text(value))
            .map_err(|_| SourceError::Encoding(format!("{}: {}", paths::KVP_POOL, setting.property_key())))?;
        if !value.trim().is_empty() {
            layer.values.insert(setting.key, value.to_owned());
        }
    }
    Ok(Some(layer).filter(|l| !l.values.is_empty()))
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
        assert!(error.contains(".kvp_pool_0: activation_token: not UTF-8 text"), "{error}");
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
