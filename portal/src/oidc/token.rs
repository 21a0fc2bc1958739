//! The provider's word about a person: an ID token (OpenID Connect Core 1.0 §2), and everything that makes it believed
//! (§3.1.3.7). Signed with RS256 or ES256 by one of the provider's keys; anything else, `none` and the symmetric ones
//! included, is refused.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{decode, decode_header, Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// How far the provider's clock may be from ours, in seconds.
const TOLERANCE: u64 = 60;
/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// Why a token is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// It is none, or of an algorithm that is not accepted.
    #[error("the token's header is not one of RS256 or ES256 ({0})")]
    Header(String),
    /// The provider has no such key. It may have a new one.
    #[error("the provider has no key that the token could be signed with")]
    Key,
    /// Signature, issuer, audience or time.
    #[error("the token is refused: {0}")]
    Refused(String),
    /// It is for another sign-in.
    #[error("the token's nonce is another one")]
    Nonce,
    /// It was issued to somebody else.
    #[error("the token was issued to another client")]
    Party,
}

/// What a token must say.
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// Us.
    pub client_id: &'a str,
    /// This sign-in.
    pub nonce: &'a str,
}

/// The claims of a token that is believed.
///
/// # Errors
/// [`TokenError`].
pub fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Map<String, Value>, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Header("it is too long".to_owned()));
    }
    let header = decode_header(token).map_err(|e| TokenError::Header(e.to_string()))?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(TokenError::Header(format!("{:?}", header.alg)));
    }
    let fitting: Vec<&Jwk> = keys
        .keys
        .iter()
        .filter(|key| fits(key, header.alg) && (header.kid.is_none() || key.common.key_id == header.kid))
        .collect();
    // without a name for it there must be no choice
    let [key] = fitting[..] else { return Err(TokenError::Key) };
    let key = DecodingKey::from_jwk(key).map_err(|_| TokenError::Key)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = TOLERANCE;
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Map<String, Value>>(token, &key, &validation)
        .map_err(|e| TokenError::Refused(e.to_string()))?
        .claims;
    if claims.get("nonce").and_then(Value::as_str) != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(expected.client_id) => Err(TokenError::Party),
        None if several => Err(TokenError::Party),
        _ => Ok(claims),
    }
}

/// Whether a key is one for signatures of this kind.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let named = key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    let for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        _ => false,
    };
    named && for_signatures && kind
}
