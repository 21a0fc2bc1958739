//! API tokens: how one looks, what it may be called, how long it may hold.

use eyot_contract::Timestamp;

use crate::secret::{self, NoRandomness};

/// Longest life of a token that has an end, in days: five years.
pub const MAX_TOKEN_DAYS: i64 = 1_826;
/// Life of a token that somebody makes and says nothing about, in days.
pub const TOKEN_DAYS: i64 = 90;
/// Longest name, in characters.
pub const MAX_NAME: usize = 100;

/// What tokens begin with, so that a scanner for leaked secrets knows one.
const PREFIX: &str = "eyotapi_";

/// A new token and the hash of it that is kept.
///
/// # Errors
/// The operating system has no random bytes.
pub fn new() -> Result<(String, String), NoRandomness> {
    let token = format!("{PREFIX}{}", secret::new_text()?);
    let hash = secret::hash(token.as_bytes());
    Ok((token, hash))
}

/// When a token of so many days stops working.
pub fn end(days: i64, now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(days.saturating_mul(Timestamp::DAY)))
}

/// A token's name without blanks around it.
///
/// # Errors
/// What is wrong with it.
pub fn checked_name(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("the token needs a name that says what it is for".to_owned());
    }
    if name.chars().count() > MAX_NAME || name.chars().any(|c| c.is_control() || c == '/') {
        return Err(format!("a token's name has at most {MAX_NAME} characters, none of them a slash"));
    }
    Ok(name)
}
