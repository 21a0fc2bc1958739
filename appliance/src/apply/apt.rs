//! apt's way to the outside: the same proxy, in apt's own words, so that updates arrive where everything else does.
//!
//! One file of apt.conf(5) grammar. With a password in it, it is root's alone: apt reads it as root and hands what is
//! needed to its helpers. Without a proxy there is no file.

use std::fmt::Write as _;

use eyot_contract::settings::Proxy;

use crate::host::{Access, Host, HostError};
use crate::paths;

/// Makes apt's proxy what the settings say; says whether anything changed.
pub fn apply(host: &dyn Host, proxy: Option<&Proxy>) -> Result<bool, HostError> {
    match proxy {
        Some(proxy) => {
            let access = if proxy.credentials.is_some() { Access::Root } else { Access::Everyone };
            host.write(paths::APT_PROXY, text(proxy).as_bytes(), access)
        }
        None => match host.read(paths::APT_PROXY)? {
            Some(_) => host.remove(paths::APT_PROXY).map(|()| true),
            None => Ok(false),
        },
    }
}

fn text(proxy: &Proxy) -> String {
    let url = url(proxy);
    let mut text = String::from("// Written by eyot-appliance from proxy.*; changes here are overwritten.\n");
    // writing to a String cannot fail
    for scheme in ["http", "https"] {
        let _ = writeln!(text, "Acquire::{scheme}::Proxy \"{url}\";");
        // apt knows names only, no networks and no patterns
        for name in proxy.exceptions.iter().filter_map(|e| plain_name(e)) {
            let _ = writeln!(text, "Acquire::{scheme}::Proxy::{name} \"DIRECT\";");
        }
    }
    text
}

fn url(proxy: &Proxy) -> String {
    let url = proxy.url.trim_end_matches('/');
    match (&proxy.credentials, url.split_once("://")) {
        (Some((user, password)), Some((scheme, rest))) => {
            format!("{scheme}://{}:{}@{rest}", escaped(user), escaped(password))
        }
        _ => url.to_owned(),
    }
}

/// Percent-encoded but for the characters that never need it (RFC 3986 §2.3); nothing is left that apt.conf would read as
/// its own.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(byte.into()),
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn plain_name(exception: &str) -> Option<&str> {
    let name = exception.trim_start_matches('.');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    (plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    fn proxy(credentials: Option<(&str, &str)>) -> Proxy {
        Proxy {
            url: "http://proxy.example:3128/".to_owned(),
            credentials: credentials.map(|(u, p)| (u.to_owned(), p.to_owned())),
            identity: None,
            exceptions: ["mirror.example", ".intern.example", "10.0.0.0/8", "*"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn apt_itself_reads_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("proxy.conf");
        std::fs::write(&file, text(&proxy(Some(("an\"na", "p@ss:/;{}%\u{e4}"))))).unwrap();
        let output = std::process::Command::new("apt-config")
            .env("APT_CONFIG", &file)
            .args(["dump", "--format", "%F=%v%n", "Acquire"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in [
            "Acquire::http::Proxy=http://an%22na:p%40ss%3A%2F%3B%7B%7D%25%C3%A4@proxy.example:3128",
            "Acquire::https::Proxy=http://an%22na:p%40ss%3A%2F%3B%7B%7D%25%C3%A4@proxy.example:3128",
            "Acquire::http::Proxy::mirror.example=DIRECT",
            "Acquire::https::Proxy::intern.example=DIRECT",
        ] {
            assert!(said.lines().any(|l| l == line), "{line} is not in:\n{said}");
        }
        assert!(!said.contains("10.0.0.0"));
    }

    #[test]
    fn p15_the_file_comes_and_goes_with_the_proxy_and_a_password_makes_it_roots() {
        let host = Double::default();
        assert!(!apply(&host, None).unwrap());
        assert!(apply(&host, Some(&proxy(None))).unwrap());
        assert_eq!(host.access(paths::APT_PROXY), Some(Access::Everyone));
        assert!(apply(&host, Some(&proxy(Some(("u", "s3cret"))))).unwrap());
        assert_eq!(host.access(paths::APT_PROXY), Some(Access::Root));
        assert!(!apply(&host, Some(&proxy(Some(("u", "s3cret"))))).unwrap());
        assert!(apply(&host, None).unwrap());
        assert_eq!(host.text(paths::APT_PROXY), None);
    }
}
