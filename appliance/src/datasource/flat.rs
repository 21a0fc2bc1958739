//! What carriers without a document of their own have in common: pairs of key and value.
//!
//! A key is a setting's (`proxy.url`, or `proxy_url` where dots are not allowed) or `settings`, whose value is a whole
//! settings document, plain or base64. A single key overrules the document beside it: it was added later and on purpose.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::settings::{definition, Layer, SettingsError};

use super::{parse, property, SourceError};

/// Key of a whole document.
pub(super) const DOCUMENT: &str = "settings";

/// What these pairs offer; every key must be known. Empty values offer nothing.
pub(super) fn layer<'a>(
    origin: &str,
    pairs: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
) -> Result<Option<Layer>, SourceError> {
    let (mut single, mut whole) = (Layer::new(origin), Layer::new(origin));
    for (key, value) in pairs {
        if key == DOCUMENT {
            if !value.trim_ascii().is_empty() {
                whole = parse(origin, document(origin, value)?)?;
            }
            continue;
        }
        let setting = definition(key).or_else(|| property(key)).ok_or_else(|| SettingsError::UnknownKey {
            origin: origin.to_owned(),
            key: key.chars().take(64).collect(),
        })?;
        let text = String::from_utf8(value)
            .map_err(|_| SourceError::Encoding(format!("{origin}: {}", setting.key)))?;
        if !text.trim().is_empty() {
            single.values.insert(setting.key, text);
        }
    }
    for (key, value) in single.values {
        whole.values.insert(key, value);
    }
    Ok(Some(whole).filter(|l| !l.values.is_empty()))
}

/// The document's own bytes: decoded, if it is written in letters of base64 only, which no TOML document is.
fn document(origin: &str, value: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let packed: Vec<u8> = value.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    if !packed.iter().all(letter) || packed.starts_with(b"version=") {
        return Ok(value);
    }
    STANDARD.decode(packed).map_err(|_| SourceError::Document {
        origin: origin.to_owned(),
        reason: format!("{DOCUMENT} is neither a settings document nor base64 of one; write it again"),
    })
}
