//! The activation token: what a person copies from the portal to an appliance, once.
//!
//! `eyot1_` followed by base64url (RFC 4648 §5, no padding) of, in order: sensor id (16 bytes, UUID), one-time secret
//! (32), CA pin (32), expiry (u64, big endian, seconds since the epoch), portal address (UTF-8, the rest but four
//! bytes), CRC-32 (IEEE, big endian) of everything before it. The CRC tells a mistyped or truncated token from a wrong
//! one before anything is sent; it proves nothing about who made it — the portal's own record of the secret does that.
//!
//! A token is a secret: `Debug` hides it, and nothing but the seed and the enrolment request may carry it.

use std::fmt;
use std::str::FromStr;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use uuid::Uuid;

use crate::{CaPin, Timestamp};

/// Longest token accepted, in characters; an OVF property and a KVP value both hold this much.
pub const MAX_TOKEN_CHARS: usize = 512;

const PREFIX: &str = "eyot1_";
const FIXED: usize = 16 + 32 + 32 + 8;
const CRC: usize = 4;

/// A decoded activation token.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationToken {
    /// Which sensor this token activates.
    pub sensor: Uuid,
    /// The one-time secret. The portal keeps only its hash.
    pub secret: [u8; 32],
    /// Who the portal must prove to be.
    pub ca_pin: CaPin,
    /// When the portal stops accepting it.
    pub expires: Timestamp,
    /// The portal's address, `https://host[:port]`.
    pub portal: String,
}

/// Why a text is not an activation token. None of the variants carries any of the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Nothing was given.
    #[error("the activation token is empty; copy it from the portal's registration page")]
    Empty,
    /// It is something else altogether.
    #[error("this is not an activation token: one starts with \"{PREFIX}\"; copy it again from the portal")]
    NotAToken,
    /// Characters that base64url does not have, or a length it cannot have.
    #[error("the activation token has a character or a length that no token has (at {0} characters); copy it again, whole and on one line")]
    Encoding(usize),
    /// The checksum or the length is off: characters are missing or were changed.
    #[error("the activation token is damaged: it was cut short or changed while being copied ({0} characters arrived); copy it again, whole")]
    Damaged(usize),
    /// Longer than any real token.
    #[error("the activation token has {0} characters and no token has more than {MAX_TOKEN_CHARS}; copy it again from the portal")]
    TooLong(usize),
    /// The portal's address in it is not `https://host[:port]`.
    #[error("the activation token carries a portal address that is not https://host[:port]; issue a new one at the portal")]
    Address,
}

impl ActivationToken {
    /// The token's text.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(FIXED + self.portal.len() + CRC);
        bytes.extend_from_slice(self.sensor.as_bytes());
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.ca_pin.0);
        bytes.extend_from_slice(&self.expires.seconds().to_be_bytes());
        bytes.extend_from_slice(self.portal.as_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The secret as the enrolment request carries it: base64url, no padding.
    pub fn secret_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secret)
    }
}

impl FromStr for ActivationToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let chars = text.chars().count();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if chars > MAX_TOKEN_CHARS {
            return Err(TokenError::TooLong(chars));
        }
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let bytes = match URL_SAFE_NO_PAD.decode(body) {
            Ok(bytes) => bytes,
            // a cut can also leave a length or trailing bits that base64 cannot have
            Err(base64::DecodeError::InvalidByte(..)) => return Err(TokenError::Encoding(chars)),
            Err(_) => return Err(TokenError::Damaged(chars)),
        };
        let damaged = TokenError::Damaged(chars);
        let (payload, crc) = match bytes.len().checked_sub(CRC) {
            Some(at) if at > FIXED => bytes.split_at(at),
            _ => return Err(damaged),
        };
        if crc32fast::hash(payload).to_be_bytes() != crc {
            return Err(damaged);
        }
        let (fixed, portal) = payload.split_at(FIXED);
        let portal = std::str::from_utf8(portal).map_err(|_| TokenError::Address)?;
        if !is_portal_address(portal) {
            return Err(TokenError::Address);
        }
        let (sensor, rest) = fixed.split_at(16);
        let (secret, rest) = rest.split_at(32);
        let (pin, expires) = rest.split_at(32);
        Ok(Self {
            sensor: Uuid::from_slice(sensor).map_err(|_| TokenError::Damaged(chars))?,
            secret: secret.try_into().map_err(|_| TokenError::Damaged(chars))?,
            ca_pin: CaPin(pin.try_into().map_err(|_| TokenError::Damaged(chars))?),
            expires: Timestamp::from_seconds(i64::from_be_bytes(
                expires.try_into().map_err(|_| TokenError::Damaged(chars))?,
            )),
            portal: portal.to_owned(),
        })
    }
}

/// `https://host[:port]`, nothing after it.
fn is_portal_address(text: &str) -> bool {
    let Some(authority) = text.strip_prefix("https://") else { return false };
    !authority.is_empty() && authority.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
}

impl fmt::Debug for ActivationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationToken")
            .field("sensor", &self.sensor)
            .field("portal", &self.portal)
            .field("ca_pin", &self.ca_pin)
            .field("expires", &self.expires)
            .field("secret", &"hidden")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token() -> ActivationToken {
        ActivationToken {
            sensor: Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
            secret: [7; 32],
            ca_pin: CaPin([9; 32]),
            expires: Timestamp::from_seconds(1_900_000_000),
            portal: "https://portal.example:8443".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = token().encode();
        assert!(text.len() < MAX_TOKEN_CHARS, "{}", text.len());
        assert_eq!(text.parse::<ActivationToken>().unwrap(), token());
        assert_eq!(format!("  {text}\n").parse::<ActivationToken>().unwrap(), token());
    }

    #[test]
    fn every_truncation_is_called_damage() {
        let text = token().encode();
        for cut in PREFIX.len() + 1..text.len() {
            assert_eq!(text[..cut].parse::<ActivationToken>(), Err(TokenError::Damaged(cut)), "cut at {cut}");
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = token().encode();
        for at in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<ActivationToken>().is_err(), "changed at {at}");
        }
    }

    #[test]
    fn other_texts_get_their_own_word() {
        assert_eq!("".parse::<ActivationToken>(), Err(TokenError::Empty));
        assert_eq!("hello".parse::<ActivationToken>(), Err(TokenError::NotAToken));
        assert_eq!("eyot1_!!".parse::<ActivationToken>(), Err(TokenError::Encoding(8)));
        assert_eq!("x".repeat(600).parse::<ActivationToken>(), Err(TokenError::TooLong(600)));
        let plain = ActivationToken { portal: "http://portal".to_owned(), ..token() };
        assert_eq!(plain.encode().parse::<ActivationToken>(), Err(TokenError::Address));
    }

    #[test]
    fn debug_hides_the_secret() {
        let shown = format!("{:?}", token());
        assert!(shown.contains("hidden") && !shown.contains("7, 7"), "{shown}");
    }
}
