//! Where settings come from: one file per source, one written order of precedence.
//!
//! A source looks, and answers with a [`Layer`], with nothing, or with why it could not be read. It decides nothing;
//! deciding is `settings`' work. A new source is one file here and one line in [`PRECEDENCE`].

mod cidata;
mod file;

use eyot_contract::settings::{Layer, SettingsError};

use crate::host::{Host, HostError};
use crate::paths;

/// The sources, strongest first.
pub const PRECEDENCE: [Source; 4] = [
    Source::File { path: paths::LOCAL_SETTINGS, what: "operator or installation wizard" },
    Source::File { path: paths::SEED_SETTINGS, what: "cloud-init" },
    Source::Cidata,
    Source::File { path: paths::KEPT_SETTINGS, what: "kept from an earlier seed" },
];

/// One place that can offer settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A settings file.
    File {
        /// Where.
        path: &'static str,
        /// Who writes it.
        what: &'static str,
    },
    /// A volume labelled `cidata`, read directly.
    Cidata,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The machine would not let us.
    #[error("settings cannot be read")]
    Host(#[from] HostError),
    /// What it says is not settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Bytes that are not text.
    #[error("{0}: not UTF-8 text; write it again as plain text")]
    Encoding(String),
    /// A volume that says it is a seed and is not whole.
    #[error("{device}: the cidata volume cannot be read ({reason}); make the seed ISO again")]
    Volume {
        /// The block device.
        device: String,
        /// Why.
        reason: String,
    },
}

impl Source {
    /// What it offers now.
    pub fn look(self, host: &dyn Host) -> Result<Option<Layer>, SourceError> {
        match self {
            Self::File { path, .. } => file::look(host, path),
            Self::Cidata => cidata::look(host),
        }
    }

    /// Whether this is a seed, which may be gone at the next boot.
    pub fn is_seed(self) -> bool {
        match self {
            Self::File { path, .. } => path == paths::SEED_SETTINGS,
            Self::Cidata => true,
        }
    }

    /// For people: where this is.
    pub fn place(self) -> &'static str {
        match self {
            Self::File { path, .. } => path,
            Self::Cidata => "cidata volume",
        }
    }
}

fn parse(origin: &str, content: Vec<u8>) -> Result<Layer, SourceError> {
    let text = String::from_utf8(content).map_err(|_| SourceError::Encoding(origin.to_owned()))?;
    Ok(Layer::from_toml(origin, &text)?)
}
