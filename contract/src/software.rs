//! The software that the portal wants on a sensor's machine, and how far that machine is.
//!
//! The machine says what it has; the portal answers what its zone is to have, or that nothing is to change. A package is
//! fetched from [`path::SOFTWARE`](crate::path::SOFTWARE)`/FILE` with the sensor's certificate and is installed only if its
//! digest and its signature (minisign) are right. No version is turned away: what one side does not know it says.

use serde::{Deserialize, Serialize};

/// Largest package, in bytes; the sensor's has some ten million.
pub const MAX_PACKAGE: usize = 64 << 20;

/// `POST` to [`path::SOFTWARE`](crate::path::SOFTWARE).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftwareRequest {
    /// Version of the installed package.
    pub version: String,
    /// Debian's name for the machine's kind: `amd64`, `arm64`.
    pub architecture: String,
    /// The latest attempt at another version.
    pub attempt: Option<SoftwareAttempt>,
}

/// An attempt at another version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftwareAttempt {
    /// Which.
    pub version: String,
    /// How far it is: `downloading`, `installed`, `failed` or `rolled_back`.
    pub step: String,
    /// Why it failed or was taken back.
    pub reason: Option<String>,
}

/// What the portal wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftwareAnswer {
    /// Version of the portal.
    pub portal: String,
    /// What is to be installed. None: nothing is to change.
    pub wanted: Option<SoftwareOffer>,
    /// Why nothing is offered although something should be, or what the two versions make of each other.
    pub note: Option<String>,
}

/// A package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftwareOffer {
    /// Its version.
    pub version: String,
    /// Name to fetch it by.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// What is signed: `SHA256SUMS` with a line for the package. None: the package itself is.
    pub sums: Option<String>,
    /// The signature, as minisign writes it.
    pub signature: String,
}
