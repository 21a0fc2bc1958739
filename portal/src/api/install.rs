//! The sensor's package for machines of people's own, and the script that installs it. Open to anybody: neither holds a
//! secret, and who runs the script is not known yet.
//!
//! The script carries the digests of the packages; the command that fetches it pins this server's key. So one look at the
//! portal's page vouches for everything that follows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::{Path as InPath, State};
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use crate::ca::ServerCertificate;
use crate::rules::software::named;

const SCRIPT: &str = include_str!("../../assets/install.sh");
/// Largest package kept in memory, in bytes; the sensor's has some ten million.
const MAX_PACKAGE_BYTES: u64 = 128 << 20;
/// Most packages offered: every architecture in a few versions.
const MAX_PACKAGES: usize = 32;

/// A package of the folder, as it was read last.
#[derive(Clone)]
struct Package {
    /// Length and date: another one is another file.
    version: (u64, Option<SystemTime>),
    sha256: String,
    content: Bytes,
}

/// Packages that were read, by name. One copy serves every download.
#[derive(Default)]
pub struct Packages(Mutex<BTreeMap<String, Package>>);

/// `GET /install`.
pub async fn script(State(portal): App) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        let offered = portal.offered.of(&portal.packages);
        let lines: Vec<String> = offered.iter().map(|(name, p)| format!("{name} {}", p.sha256)).collect();
        let pin = ServerCertificate::key_pin(&portal.folder).unwrap_or_default();
        // addresses, names of ours and digests: nothing that a shell's single quotes could not hold
        SCRIPT
            .replace("@PORTAL@", &portal.identity.address.to_string())
            .replace("@PACKAGES@", &lines.join("\n"))
            .replace("@PIN@", &pin)
    });
    match made.await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the install script could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /install/{file}`.
pub async fn package(State(portal): App, InPath(name): InPath<String>) -> Response {
    let found = tokio::task::spawn_blocking(move || {
        let offered = portal.offered.of(&portal.packages);
        offered.into_iter().find(|(n, _)| *n == name).map(|(_, p)| p.content)
    });
    match found.await {
        Ok(Some(content)) => {
            ([(header::CONTENT_TYPE, "application/vnd.debian.binary-package")], Body::from(content))
                .into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "there is no such package\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "a package could not be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Packages {
    /// What the folder offers now, newest version first. A folder that is not there offers nothing.
    fn of(&self, folder: &Path) -> Vec<(String, Package)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(about) = entry.metadata() else { continue };
            if named(&name).is_none() || !about.is_file() || about.len() > MAX_PACKAGE_BYTES {
                continue;
            }
            let version = (about.len(), about.modified().ok());
            let package = match known.get(&name).filter(|p| p.version == version) {
                Some(package) => package.clone(),
                None => match std::fs::read(entry.path()) {
                    Ok(content) => {
                        let sha256 = hex::encode(ring::digest::digest(&ring::digest::SHA256, &content));
                        Package { version, sha256, content: content.into() }
                    }
                    Err(error) => {
                        tracing::warn!(package = name, %error, "a package cannot be read and is not offered");
                        continue;
                    }
                },
            };
            found.insert(name, package);
        }
        let mut offered: Vec<_> = found.into_iter().collect();
        offered.sort_by_cached_key(|(name, _)| std::cmp::Reverse(order(name)));
        offered.truncate(MAX_PACKAGES);
        *known = offered.iter().cloned().collect();
        offered
    }
}

/// Sorts versions as people count: 0.9 before 0.10, and 1.0~rc1 before 1.0.
fn order(name: &str) -> Vec<(i8, u64, String)> {
    let mut parts: Vec<(i8, u64, String)> = Vec::new();
    let version = name.split('_').nth(1).unwrap_or_default();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits || c == '~').unwrap_or(rest.len()).max(1);
        let (part, after) = rest.split_at(end);
        parts.push(match (part, digits) {
            ("~", _) => (-1, 0, String::new()),
            (_, true) => (1, part.parse().unwrap_or(u64::MAX), String::new()),
            _ => (1, 0, part.to_owned()),
        });
        rest = after;
    }
    parts.push((0, 0, String::new()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_peoples_order() {
        let sorted = ["0.9.0", "0.10.0~rc1", "0.10.0", "0.10.0+b1", "1.0"];
        let names = sorted.map(|v| format!("eyot-sensor_{v}_amd64.deb"));
        assert!(names.windows(2).all(|w| order(&w[0]) < order(&w[1])), "{names:?}");
    }
}
