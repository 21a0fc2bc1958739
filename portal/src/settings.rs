//! The server's settings: as written (a TOML file and the command line, every one optional, unknown keys refused) and as
//! meant (nothing left open). The command line wins over the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::address::PortalAddress;
use crate::files::{self, FileError};
use crate::outlets::{self, Destination};
use crate::portal::DATA;
use crate::rules::software;

/// Where the server listens unless told otherwise: every address, the port that networks let through.
pub const LISTEN: &str = "0.0.0.0:443";

/// The configuration file, unless another is named.
pub const CONFIG: &str = "/etc/eyot/portal.toml";

/// Settings as written.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Data folder.
    pub data: Option<PathBuf>,
    /// `address:port` to listen on.
    pub listen: Option<String>,
    /// The portal's address, `https://host[:port]`.
    pub address: Option<String>,
    /// Further names or IP addresses for the server's certificate.
    pub names: Option<Vec<String>>,
    /// Folder of the sensor's packages, for machines of people's own.
    pub packages: Option<PathBuf>,
    /// The minisign public key that software for sensors is signed with.
    pub software_key: Option<String>,
    /// `postgres://user[:password]@host[:port]/database`, instead of SQLite in the data folder.
    pub database: Option<String>,
    /// Who is told what changes.
    pub outlets: Option<Vec<outlets::Written>>,
    /// An OpenID provider for people to sign in with.
    #[cfg(feature = "oidc")]
    pub oidc: Option<crate::oidc::Written>,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("address", &self.address)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Settings as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The portal's address, if it is said here; else the one the data folder remembers.
    pub address: Option<PortalAddress>,
    /// Further names or IP addresses for the server's certificate.
    pub names: Vec<String>,
    /// Folder of the sensor's packages; else `packages` below the data folder.
    pub packages: Option<PathBuf>,
    /// The minisign public key that software for sensors is signed with.
    pub software_key: Option<String>,
    /// Who is told what changes.
    pub outlets: Vec<Destination>,
    /// An OpenID provider for people to sign in with.
    #[cfg(feature = "oidc")]
    pub oidc: Option<crate::oidc::Settings>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no configuration file {}", .0.display())]
    NotThere(PathBuf),
    /// The file is not what is expected.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// One setting cannot be used.
    #[error("{key}: {reason}")]
    Value {
        /// Which.
        key: &'static str,
        /// Why.
        reason: String,
    },
}

impl Written {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not what is expected.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = files::read_if_there(path)?.ok_or_else(|| SettingsError::NotThere(path.to_owned()))?;
        Self::parse(path, &text)
    }

    /// Reads a file that need not be there.
    ///
    /// # Errors
    /// It is there and cannot be read, or is not what is expected.
    pub fn read_if_there(path: &Path) -> Result<Self, SettingsError> {
        files::read_if_there(path)?.map_or(Ok(Self::default()), |text| Self::parse(path, &text))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(|e| SettingsError::Syntax {
            path: path.to_owned(),
            // its own words would repeat the line, which may hold a secret
            reason: format!("line {}: {}", line_of(text, e.span().map_or(0, |span| span.start)), e.message()),
        })
    }

    /// These settings where they say something, else the weaker ones.
    pub fn over(self, weaker: Self) -> Self {
        Self {
            data: self.data.or(weaker.data),
            listen: self.listen.or(weaker.listen),
            address: self.address.or(weaker.address),
            names: self.names.or(weaker.names),
            packages: self.packages.or(weaker.packages),
            software_key: self.software_key.or(weaker.software_key),
            database: self.database.or(weaker.database),
            outlets: self.outlets.or(weaker.outlets),
            #[cfg(feature = "oidc")]
            oidc: self.oidc.or(weaker.oidc),
        }
    }

    /// Decides what is left open.
    ///
    /// # Errors
    /// A value cannot be used.
    pub fn mean(self) -> Result<Settings, SettingsError> {
        let value = |key| move |reason| SettingsError::Value { key, reason };
        let listen = self.listen.unwrap_or_else(|| LISTEN.to_owned());
        let listen = listen.parse().map_err(|_| {
            value("listen")(format!("\"{listen}\" is not address:port, such as 0.0.0.0:443 or [::]:443"))
        })?;
        let address = self.address.filter(|a| !a.is_empty()).map(|a| a.parse::<PortalAddress>());
        let address = address.transpose().map_err(|e| value("address")(e.to_string()))?;
        let mut names = Vec::new();
        for name in self.names.unwrap_or_default() {
            // an address is checked the same way as the portal's own host
            let bracketed = if name.contains(':') { format!("[{name}]") } else { name.clone() };
            let host = format!("https://{bracketed}").parse::<PortalAddress>().map(|a| a.host().to_owned());
            names.push(host.map_err(|_| {
                value("names")(format!("\"{name}\" is neither a host name nor an IP address"))
            })?);
        }
        let mut outlets: Vec<Destination> = Vec::new();
        for written in self.outlets.unwrap_or_default() {
            let destination = written.mean().map_err(value("outlets"))?;
            if outlets.iter().any(|other| other.name == destination.name) {
                return Err(value("outlets")(format!("two destinations are named \"{}\"", destination.name)));
            }
            outlets.push(destination);
        }
        if let Some(key) = &self.software_key {
            software::key(key).map_err(|e| value("software_key")(e.to_string()))?;
        }
        Ok(Settings {
            data: self.data.unwrap_or_else(|| DATA.into()),
            listen,
            address,
            names,
            packages: self.packages,
            software_key: self.software_key,
            outlets,
            #[cfg(feature = "oidc")]
            oidc: self.oidc.map(|written| written.mean().map_err(value("oidc"))).transpose()?,
        })
    }
}

/// The line, from 1, that holds this byte.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_command_line_wins_and_the_rest_has_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portal.toml");
        std::fs::write(
            &path,
            "listen = \"127.0.0.1:1\"\naddress = \"https://a\"\nnames = [\"B\", \"::1\"]\n",
        )
        .unwrap();
        let line = Written { listen: Some("[::]:2".to_owned()), ..Written::default() };
        let meant = line.over(Written::read(&path).unwrap()).mean().unwrap();
        assert_eq!(meant.listen, "[::]:2".parse().unwrap());
        assert_eq!(meant.address.unwrap().to_string(), "https://a");
        assert_eq!(meant.names, ["b", "::1"]);
        assert_eq!(meant.data, PathBuf::from(DATA));
        assert_eq!(Written::default().mean().unwrap().listen, LISTEN.parse().unwrap());
    }

    #[test]
    fn wrong_settings_name_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portal.toml");
        assert!(Written::read(&path).unwrap_err().to_string().contains("no configuration file"));
        for (text, expected) in [
            ("lissten = \"x\"", "unknown field `lissten`"),
            ("listen = 7", "invalid type"),
            ("listen = \"x\"", "listen: \"x\" is not address:port"),
            ("address = \"http://x\"", "address: \"http://x\" is not a portal address"),
            ("names = [\"a b\"]", "names: \"a b\" is neither"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Written::read(&path).and_then(Written::mean).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
