//! The activation token: every form in which it could lie on a disk, and tokens that are not what they seem.

use anyhow::{Context, Result};
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::Engine;
use eyot_contract::ActivationToken;

use crate::disk::Needles;

/// A token's text taken apart.
pub fn decode(token: &str) -> Result<ActivationToken> {
    token.parse().context("the portal's own token does not parse")
}

/// Everything that would give the token away: its text, its secret as bytes, hexadecimal and both base64s, and the text
/// inside a base64 document such as cloud-init's `user-data`.
pub fn traces(token: &str) -> Result<Needles> {
    let secret = decode(token)?.secret;
    let unpadded = |text: String| text.trim_end_matches('=').as_bytes().to_vec();
    let mut forms = vec![
        ("the token".to_owned(), token.as_bytes().to_vec()),
        ("the secret's bytes".to_owned(), secret.to_vec()),
        ("the secret in hexadecimal".to_owned(), hex::encode(secret).into_bytes()),
        ("the secret in base64url".to_owned(), unpadded(URL_SAFE_NO_PAD.encode(secret))),
        ("the secret in base64".to_owned(), unpadded(STANDARD.encode(secret))),
    ];
    for before in 0..3 {
        forms.push((format!("the token inside base64 ({before})"), inside_base64(token, before)));
    }
    // a secret without + and / reads the same in both alphabets
    forms.dedup_by(|a, b| a.1 == b.1);
    Needles::new(forms)
}

/// The characters that a text is encoded to when so many bytes (modulo 3) stand before it: those that depend on nothing
/// but the text.
fn inside_base64(text: &str, before: usize) -> Vec<u8> {
    let skipped = (3 - before) % 3;
    let whole = (text.len() - skipped) / 3 * 3;
    STANDARD.encode(&text.as_bytes()[skipped..skipped + whole]).into_bytes()
}

/// The same token with another secret: well formed, and the portal has never issued it.
pub fn forged(token: &str) -> Result<String> {
    let mut token = decode(token)?;
    token.secret.iter_mut().for_each(|byte| *byte ^= 0x5a);
    Ok(token.encode())
}

/// The same token naming another certification authority.
pub fn with_another_pin(token: &str) -> Result<String> {
    let mut token = decode(token)?;
    token.ca_pin.0.iter_mut().for_each(|byte| *byte ^= 0x5a);
    Ok(token.encode())
}

/// The same token for a portal at another address.
pub fn for_portal(token: &str, address: &str) -> Result<String> {
    let mut token = decode(token)?;
    token.portal = address.to_owned();
    Ok(token.encode())
}

/// The secret as it stands in an enrolment request, for a search in outputs.
pub fn secret_text(token: &str) -> Result<String> {
    Ok(URL_SAFE.encode(decode(token)?.secret).trim_end_matches('=').to_owned())
}
