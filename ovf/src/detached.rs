//! Detached signatures in minisign's format: `FILE.minisig` beside the file, Ed25519 over its BLAKE2b-512.
//!
//! The trusted comment names the file, so that a signature cannot be moved to another name unnoticed. The signatures
//! themselves differ from run to run (the library mixes randomness in against fault attacks); what they sign does not.

use std::io::{Read, Seek};

use minisign::{PublicKey, PublicKeyBox, SecretKeyBox, SignatureBox};
use thiserror::Error;

/// Appended to a file's name for its signature.
pub const EXTENSION: &str = "minisig";
const TRUSTED_COMMENT: &str = "file:";

/// Why a file cannot be signed, or its signature does not hold. Nothing of a secret key or password is in it.
#[derive(Debug, Error)]
pub enum DetachedError {
    /// The secret key file or its password.
    #[error("the secret key is not one of minisign's, or the password is wrong")]
    SecretKey(#[source] minisign::PError),
    /// An encrypted key without a password.
    #[error("the secret key is encrypted; give its password with --password-file")]
    NeedsPassword,
    /// The public key.
    #[error("the public key is not one of minisign's")]
    PublicKey(#[source] minisign::PError),
    /// The signature file.
    #[error("the signature file is not one of minisign's")]
    Format(#[source] minisign::PError),
    /// Signing failed, by reading the file or in the library.
    #[error("cannot sign")]
    Sign(#[source] minisign::PError),
    /// The signature is of other bytes or another key.
    #[error("the signature does not belong to this file and key")]
    Mismatch(#[source] minisign::PError),
    /// The signature is of a file of another name.
    #[error("the signature was made for {signed:?}, not for {name:?}")]
    Name {
        /// the name in the trusted comment
        signed: String,
        /// the name checked
        name: String,
    },
}

/// The text of the signature of `content`, whose file is called `name`. `password` is needed for an encrypted key.
pub fn sign(
    key: &str,
    password: Option<String>,
    name: &str,
    content: impl Read,
) -> Result<String, DetachedError> {
    let open = || SecretKeyBox::from_string(key).map_err(DetachedError::SecretKey);
    let secret = match open()?.into_unencrypted_secret_key() {
        Ok(secret) => secret,
        // Without a password, the library would ask on the terminal.
        Err(_) if password.is_none() && is_encrypted(key) => return Err(DetachedError::NeedsPassword),
        Err(error) if password.is_none() => return Err(DetachedError::SecretKey(error)),
        Err(_) => open()?.into_secret_key(password).map_err(DetachedError::SecretKey)?,
    };
    let trusted = format!("{TRUSTED_COMMENT}{name}");
    minisign::sign(None, &secret, content, Some(&trusted), Some("signature from an eyot-image secret key"))
        .map(SignatureBox::into_string)
        .map_err(DetachedError::Sign)
}

/// Checks a signature's text. `key` is a public key file's text, or the key alone in base64.
pub fn verify(
    key: &str,
    signature: &str,
    name: &str,
    content: impl Read + Seek,
) -> Result<(), DetachedError> {
    let public = if key.trim().contains('\n') {
        PublicKeyBox::from_string(key).and_then(PublicKeyBox::into_public_key)
    } else {
        PublicKey::from_base64(key.trim())
    };
    let public = public.map_err(DetachedError::PublicKey)?;
    let signature = SignatureBox::from_string(signature).map_err(DetachedError::Format)?;
    minisign::verify(&public, &signature, content, true, false, false).map_err(DetachedError::Mismatch)?;
    let comment = signature.trusted_comment().map_err(DetachedError::Format)?;
    // minisign's own tool writes "timestamp:…\tfile:NAME\t…"; a signature without a name is good for any.
    match comment.split('\t').find_map(|part| part.strip_prefix(TRUSTED_COMMENT)) {
        Some(signed) if signed != name => {
            Err(DetachedError::Name { signed: signed.to_owned(), name: name.to_owned() })
        }
        _ => Ok(()),
    }
}

/// minisign marks the kind of key derivation after the algorithm's two letters: "Sc" is scrypt, zeros are none.
fn is_encrypted(key: &str) -> bool {
    SecretKeyBox::from_string(key).is_ok_and(|_| {
        let body = key.lines().nth(1).unwrap_or_default();
        // "EdSc" in base64
        body.starts_with("RWRTY")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use minisign::KeyPair;
    use std::io::Cursor;

    #[test]
    fn another_implementation_accepts_our_signatures() {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = pair.sk.to_box(None).unwrap().into_string();
        let public = pair.pk.to_box().unwrap().into_string();
        let text = sign(&key, None, "a.ova", &b"content"[..]).unwrap();
        let theirs = minisign_verify::PublicKey::decode(&public).unwrap();
        let signature = minisign_verify::Signature::decode(&text).unwrap();
        theirs.verify(b"content", &signature, false).unwrap();
        assert!(theirs.verify(b"other", &signature, false).is_err());

        verify(&public, &text, "a.ova", Cursor::new(b"content")).unwrap();
        verify(&pair.pk.to_base64(), &text, "a.ova", Cursor::new(b"content")).unwrap();
        assert!(matches!(
            verify(&public, &text, "a.ova", Cursor::new(b"c")),
            Err(DetachedError::Mismatch(_))
        ));
        assert!(matches!(
            verify(&public, &text, "b.ova", Cursor::new(b"content")),
            Err(DetachedError::Name { .. })
        ));
        let other = KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
        assert!(matches!(
            verify(&other, &text, "a.ova", Cursor::new(b"content")),
            Err(DetachedError::Mismatch(_))
        ));
        assert!(matches!(verify(&public, "x", "a", Cursor::new(b"")), Err(DetachedError::Format(_))));
        assert!(matches!(verify("x", &text, "a", Cursor::new(b"")), Err(DetachedError::PublicKey(_))));
        assert!(matches!(sign("x", None, "a", &b""[..]), Err(DetachedError::SecretKey(_))));
    }

    #[test]
    fn an_encrypted_key_asks_for_its_password_in_words() {
        let pair = KeyPair::generate_encrypted_keypair(Some("right".into())).unwrap();
        let key = pair.sk.to_box(None).unwrap().into_string();
        assert!(matches!(sign(&key, None, "a", &b""[..]), Err(DetachedError::NeedsPassword)));
        sign(&key, Some("right".into()), "a", &b""[..]).unwrap();
    }
}
