//! Where settings come from: one file per source, one written order of precedence.
//!
//! A source looks, and answers with a [`Layer`], with nothing, or with why it could not be read. It decides nothing;
//! deciding is `settings`' work. A new source is one file here and one line in [`PRECEDENCE`].
//!
//! The order: what an operator or one of the wizards wrote on the machine; what was entered on the local set-up page; the seed, as cloud-init's file and as the volume
//! itself; what the platform hands over: VMware's variables of ours before the OVF environment, Hyper-V's key-value pairs,
//! the firmware's OEM strings; last what was kept from any of these. A seed is made for one machine on purpose, while a
//! platform also hands over what nobody filled in; and of a platform's channels, the one that names us in every key comes
//! before the one that carries the OVA's defaults.
//!
//! The wizards (debconf, console) are no sources: they write the operator's file. The set-up page has a file of its own, so
//! that what came over the network is told from what the operator wrote, and never overrules it.

mod cidata;
mod file;
mod flat;
pub(crate) mod guestinfo;
pub(crate) mod kvp;
pub(crate) mod ovf_environment;
pub(crate) mod ovf_networks;
pub(crate) mod smbios;
mod volume;

#[cfg(test)]
mod tests;

use eyot_contract::settings::{Definition, Layer, SettingsError, DEFINITIONS};

use crate::host::{Host, HostError};
use crate::paths;

/// The sources, strongest first.
pub const PRECEDENCE: [Source; 9] = [
    Source::File { path: paths::LOCAL_SETTINGS, what: "operator, or a wizard" },
    PAGE,
    Source::File { path: paths::SEED_SETTINGS, what: "cloud-init" },
    Source::Cidata,
    Source::Guestinfo,
    Source::OvfEnvironment,
    Source::KeyValuePairs,
    Source::OemStrings,
    Source::File { path: paths::KEPT_SETTINGS, what: "kept from an earlier seed" },
];

/// What was entered on the local set-up page.
pub const PAGE: Source = Source::File { path: paths::PAGE_SETTINGS, what: "local set-up page" };

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
    /// VMware's variables `guestinfo.eyot.*`.
    Guestinfo,
    /// The properties of the OVA, as VMware's variable or the platform's volume.
    OvfEnvironment,
    /// Hyper-V key-value pairs.
    KeyValuePairs,
    /// SMBIOS OEM strings, systemd's credentials among them.
    OemStrings,
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
    /// What the platform hands over is damaged. The reason repeats none of it: it may hold secrets.
    #[error("{origin}: {reason}")]
    Document {
        /// Where it came from.
        origin: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A volume that says it carries settings and is not whole.
    #[error("{device}: the {label} volume cannot be read ({reason}); make it again and attach it")]
    Volume {
        /// The block device.
        device: String,
        /// Its label.
        label: String,
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
            Self::Guestinfo => guestinfo::look(host),
            Self::OvfEnvironment => ovf_environment::look(host),
            Self::KeyValuePairs => kvp::look(host),
            Self::OemStrings => smbios::look(host),
        }
    }

    /// Whether this is a seed, which may be gone at the next boot.
    pub fn is_seed(self) -> bool {
        match self {
            Self::File { path, .. } => path == paths::SEED_SETTINGS,
            _ => true,
        }
    }

    /// Whether looking is work: drives are opened, programs are run. Files of the machine's own are not.
    pub fn is_costly(self) -> bool {
        !matches!(self, Self::File { .. })
    }

    /// Whether the platform hands this over, often a few settings beside a seed that has the others.
    pub fn is_platform(self) -> bool {
        matches!(self, Self::Guestinfo | Self::OvfEnvironment | Self::KeyValuePairs | Self::OemStrings)
    }

    /// For people: where this is.
    pub fn place(self) -> &'static str {
        match self {
            Self::File { path, .. } => path,
            Self::Cidata => "cidata volume",
            Self::Guestinfo => "guestinfo.eyot.*",
            Self::OvfEnvironment => "OVF environment",
            Self::KeyValuePairs => paths::KVP_POOL,
            Self::OemStrings => smbios::ORIGIN,
        }
    }
}

fn parse(origin: &str, content: Vec<u8>) -> Result<Layer, SourceError> {
    let text = String::from_utf8(content).map_err(|_| SourceError::Encoding(origin.to_owned()))?;
    Ok(Layer::from_toml(origin, &text)?)
}

/// The setting that goes by this key where dots are not allowed.
fn property(key: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|d| d.property_key() == key)
}
