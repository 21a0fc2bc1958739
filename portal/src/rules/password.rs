//! People's passwords: argon2id with a salt each (RFC 9106), at the crate's defaults (19 MiB, 2 passes).

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// Shortest password accepted, in characters (NIST SP 800-63B §5.1.1.2 asks for 8; an administrator's deserves more).
pub const MIN_CHARS: usize = 12;
/// Longest, in bytes: hashing an endless one would be work for nothing.
pub const MAX_BYTES: usize = 1024;

/// Why a password is not accepted. Never carries it.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("the password has {0} characters; at least {MIN_CHARS} are needed")]
    Short(usize),
    /// Too long.
    #[error("the password has {0} bytes; at most {MAX_BYTES} are allowed")]
    Long(usize),
    /// Hashing failed.
    #[error("the password could not be hashed ({0})")]
    Hash(String),
}

/// The hash to keep, as a PHC string. Takes some 50 ms: call it off the async threads.
///
/// # Errors
/// [`PasswordError`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(PasswordError::Short(chars));
    }
    if password.len() > MAX_BYTES {
        return Err(PasswordError::Long(password.len()));
    }
    let made = Argon2::default().hash_password(password.as_bytes());
    made.map(|h| h.to_string()).map_err(|e| PasswordError::Hash(e.to_string()))
}

/// Whether the password is the one hashed. `None` stands for an account that does not exist: it takes as long as a
/// wrong password, so that names cannot be probed.
pub fn matches(password: &str, kept: Option<&str>) -> bool {
    static NOBODY: OnceLock<String> = OnceLock::new();
    if password.len() > MAX_BYTES {
        return false;
    }
    let stand_in = NOBODY.get_or_init(|| {
        Argon2::default()
            .hash_password(b"nobody has this password")
            .map(|h| h.to_string())
            .unwrap_or_default()
    });
    let verdict = PasswordHash::new(kept.unwrap_or(stand_in))
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    verdict && kept.is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert!(matches("correct horse battery", Some(&kept)));
        assert!(!matches("correct horse batter", Some(&kept)));
        assert!(!matches("nobody has this password", None));
        assert!(!matches("x", Some("not a hash")));
    }

    #[test]
    fn length_is_checked_and_the_password_not_repeated() {
        let error = hash("sh0rt-one").unwrap_err().to_string();
        assert!(error.contains("9 characters") && !error.contains("sh0rt"), "{error}");
        assert!(matches!(hash(&"x".repeat(2000)), Err(PasswordError::Long(2000))));
    }
}
