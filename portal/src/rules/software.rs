//! Software for sensors: which upload is one of ours, and how far a sensor is on the way to a version.
//!
//! A package is believed for a minisign signature by the key that the configuration names (`software_key`): of the package
//! itself, or of the `SHA256SUMS` that a release comes with. Nothing of an upload is a path: its name is of a fixed form.

use minisign_verify::{PublicKey, Signature};
use ring::digest::{digest, SHA256};

/// Longest signature or list of sums, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// How every Debian package begins: an `ar` archive whose first member has this name (deb(5)).
const MAGIC: &[u8] = b"!<arch>\ndebian-binary";

/// Why an upload is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SoftwareError {
    /// There is no key to check it with.
    #[error("no key for software is configured: put the publisher's minisign key into portal.toml as software_key")]
    NoKey,
    /// The key in the configuration is none.
    #[error("this is not a minisign public key")]
    Key,
    /// Its name.
    #[error("a package is named eyot-sensor_VERSION_ARCHITECTURE.deb")]
    Name,
    /// It is no package.
    #[error("{0} is not a Debian package")]
    Package(String),
    /// The signature.
    #[error("the signature is not one by the publisher's key: {0}")]
    Signature(String),
    /// The sums do not name it, or with another digest.
    #[error("SHA256SUMS has no line for {0} with the digest {1}")]
    Sums(String, String),
}

/// A package that is believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Believed {
    /// Its version.
    pub version: String,
    /// Debian's name for the machines it is for.
    pub architecture: String,
    /// Its SHA-256.
    pub sha256: String,
    /// What the signature says besides.
    pub comment: String,
}

/// Version and architecture that a package's name says.
pub fn named(file: &str) -> Option<(&str, &str)> {
    let plain = |t: &str| {
        !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | '-'))
    };
    let parts: Vec<_> = file.strip_suffix(".deb")?.split('_').collect();
    match parts[..] {
        ["eyot-sensor", version, architecture]
            if plain(version) && plain(architecture) && file.len() < 200 =>
        {
            Some((version, architecture))
        }
        _ => None,
    }
}

/// Whether this is a minisign public key.
///
/// # Errors
/// It is none.
pub fn key(text: &str) -> Result<PublicKey, SoftwareError> {
    PublicKey::from_base64(text.trim()).map_err(|_| SoftwareError::Key)
}

/// Believes an upload, or not.
///
/// # Errors
/// Why not.
pub fn believe(
    key: Option<&str>,
    file: &str,
    package: &[u8],
    sums: Option<&str>,
    signature: &str,
) -> Result<Believed, SoftwareError> {
    let key = self::key(key.ok_or(SoftwareError::NoKey)?)?;
    let (version, architecture) = named(file).ok_or(SoftwareError::Name)?;
    if !package.starts_with(MAGIC) {
        return Err(SoftwareError::Package(file.to_owned()));
    }
    if signature.len() > MAX_TEXT || sums.is_some_and(|sums| sums.len() > MAX_TEXT) {
        return Err(SoftwareError::Signature("it is too long".to_owned()));
    }
    let refused = |e: minisign_verify::Error| SoftwareError::Signature(e.to_string());
    let signature = Signature::decode(signature).map_err(refused)?;
    key.verify(sums.map_or(package, str::as_bytes), &signature, false).map_err(refused)?;
    let sha256 = hex::encode(digest(&SHA256, package));
    if let Some(sums) = sums {
        let has = sums
            .lines()
            .filter_map(|line| line.split_once("  "))
            .any(|(sum, name)| sum == sha256 && name.trim() == file);
        if !has {
            return Err(SoftwareError::Sums(file.to_owned(), sha256));
        }
    }
    Ok(Believed {
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        sha256,
        comment: signature.trusted_comment().chars().filter(|c| !c.is_control()).take(200).collect(),
    })
}

/// How far a sensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its zone is to have no particular version.
    Free,
    /// It has not begun.
    Waiting,
    /// It has.
    Downloading,
    /// It has the version.
    Installed,
    /// It could not.
    Failed,
    /// It had it and went back.
    RolledBack,
}

impl Progress {
    /// Of a sensor that has `version` and says it attempted another.
    pub fn of(wanted: Option<&str>, version: Option<&str>, attempt: Option<(&str, &str)>) -> Self {
        let Some(wanted) = wanted else { return Self::Free };
        if version == Some(wanted) {
            return Self::Installed;
        }
        match attempt.filter(|(version, _)| *version == wanted) {
            Some((_, "downloading")) => Self::Downloading,
            Some((_, "failed")) => Self::Failed,
            Some((_, "rolled_back")) => Self::RolledBack,
            // it says so, and then reports another version: it waits for what comes next
            _ => Self::Waiting,
        }
    }

    /// Name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Waiting => "waiting",
            Self::Downloading => "downloading",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Free => "No version wanted",
            Self::Waiting => "Waiting",
            Self::Downloading => "Downloading",
            Self::Installed => "Installed",
            Self::Failed => "Failed",
            Self::RolledBack => "Rolled back",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_form() {
        assert_eq!(named("eyot-sensor_1.0~rc1+b2-1_arm64.deb"), Some(("1.0~rc1+b2-1", "arm64")));
        for bad in [
            "eyot-portal_1.0_amd64.deb",
            "eyot-sensor_1.0_amd64.deb.tmp",
            "eyot-sensor_../x_amd64.deb",
            "../eyot-sensor_1.0_amd64.deb",
            "eyot-sensor_1.0.deb",
            "eyot-sensor__amd64.deb",
            "",
        ] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_sensor_has_goes_before_what_it_says() {
        use Progress as P;
        let of = |version, attempt| P::of(Some("2"), Some(version), attempt);
        assert_eq!(P::of(None, Some("1"), None), P::Free);
        assert_eq!(of("1", None), P::Waiting);
        assert_eq!(of("1", Some(("2", "downloading"))), P::Downloading);
        assert_eq!(of("1", Some(("2", "failed"))), P::Failed);
        assert_eq!(of("1", Some(("2", "rolled_back"))), P::RolledBack);
        assert_eq!(of("1", Some(("1.5", "failed"))), P::Waiting, "another attempt");
        assert_eq!(of("2", Some(("2", "failed"))), P::Installed);
        assert_eq!(of("1", Some(("2", "installed"))), P::Waiting);
    }
}
