//! Why settings cannot be used: always the layer, the key and what is expected; never a secret.

use super::SETTINGS_VERSION;

/// Why written settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// Not TOML. The parser's message is kept without the text, which may hold secrets.
    #[error("{origin}: line {line}: not valid TOML ({reason})")]
    Syntax {
        /// Which layer.
        origin: String,
        /// 1-based line.
        line: usize,
        /// The parser's reason.
        reason: String,
    },
    /// `version` is missing or another.
    #[error("{origin}: this file needs `version = {SETTINGS_VERSION}` (found {found})")]
    Version {
        /// Which layer.
        origin: String,
        /// What it says.
        found: String,
    },
    /// A key nobody knows.
    #[error("{origin}: unknown setting \"{key}\"; the known ones are listed by `eyot-appliance settings`")]
    UnknownKey {
        /// Which layer.
        origin: String,
        /// The key.
        key: String,
    },
    /// A value of the wrong kind. Secrets are not repeated.
    #[error("{origin}: {key}: {reason}")]
    Value {
        /// Which layer.
        origin: String,
        /// The key.
        key: &'static str,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Settings that contradict or need one another.
    #[error("{key}: {reason}")]
    Combination {
        /// The key to change.
        key: &'static str,
        /// Why.
        reason: String,
    },
}
