//! Reading what a newer speaker says.
//!
//! A sensor newer than its portal may use a device type, an attribute or a condition that the portal has no name for.
//! That must cost the one word, not the whole batch: the word is dropped and the rest is kept. Only the vocabularies
//! read this way; a wrong structure is still an error.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A word of one of the vocabularies, or `None` if this version does not know it.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(Option::<String>::deserialize(deserializer)?
        .and_then(|w| serde_json::from_value(Value::String(w)).ok()))
}

/// The items of a list that this version understands.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = Vec::<Value>::deserialize(deserializer)?;
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}
