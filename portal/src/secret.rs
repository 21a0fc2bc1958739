//! Secrets that the portal hands out (activation, session, API token, set-up): 32 random bytes each, of which only the
//! SHA-256 is kept. With that much chance in them they need no salt and no slow hash; people's passwords do, and have
//! their own place in `rules::password`.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use ring::digest::{digest, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
/// The operating system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A new secret as text: base64url, no padding.
///
/// # Errors
/// The operating system has no random bytes to give.
pub fn new_text() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// SHA-256, lower-case hexadecimal: what the store keeps.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// Whether two hashes are the same, in a time that does not depend on where they differ.
pub fn same(a: &str, b: &str) -> bool {
    let difference = a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn same_means_equal_and_nothing_less() {
        let a = hash(b"a");
        assert!(same(&a, &hash(b"a")));
        assert!(!same(&a, &hash(b"b")) && !same(&a, &a[1..]) && !same("", &a));
        assert_ne!(new_text().unwrap(), new_text().unwrap());
    }
}
