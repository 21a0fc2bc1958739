//! No secret leaves the machine in a support bundle: what is known is replaced wherever it stands and however it is spelt,
//! and what merely looks like a secret as well.

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine;
use eyot_contract::settings::definition;

use crate::settings::Gathered;

/// What stands where a secret stood.
pub(super) const MASK: &str = "(masked)";
/// How every activation token begins.
const TOKEN: &str = "eyot1_";

/// Knows the secrets of this machine.
pub struct Mask {
    /// Every spelling, the longest first, so that none is cut by a shorter one inside it.
    needles: Vec<String>,
}

impl Mask {
    /// From every source of settings, overruled ones included, and further secrets as texts.
    pub fn of(gathered: &Gathered, others: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = others.into_iter().collect();
        for (_, layer) in &gathered.layers {
            let secret = layer.values.iter().filter(|(k, _)| definition(k).is_some_and(|d| d.is_secret()));
            secrets.extend(secret.map(|(_, value)| value.trim().to_owned()));
            if let (Some(user), Some(password)) =
                (layer.values.get("proxy.username"), layer.values.get("proxy.password"))
            {
                secrets.push(format!("{}:{}", user.trim(), password.trim()));
            }
        }
        let mut needles: Vec<String> = secrets.iter().flat_map(|s| spellings(s)).collect();
        needles.retain(|n| !n.is_empty());
        needles.sort_by_key(|n| std::cmp::Reverse(n.len()));
        needles.dedup();
        Self { needles }
    }

    /// The text without secrets.
    pub fn cover(&self, text: &str) -> String {
        let mut covered = text.to_owned();
        for needle in &self.needles {
            if covered.contains(needle.as_str()) {
                covered = covered.replace(needle.as_str(), MASK);
            }
        }
        headers(&keys(&tokens(&covered)))
    }
}

/// A secret as programs write it: plain, in JSON, in a URL, in base64.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        percent(secret),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
    .into_iter()
    // a key of several lines is written with other line breaks here and there; its body is one needle a line
    .chain(
        secret.lines().map(str::trim).filter(|l| l.len() > 24 && !l.starts_with("-----")).map(str::to_owned),
    )
    .collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| match b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

/// Anything that begins like an activation token.
fn tokens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN) {
        let (before, token) = rest.split_at(at);
        let end =
            token.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(token.len());
        out.push_str(before);
        out.push_str(MASK);
        rest = &token[end..];
    }
    out + rest
}

/// Private keys in PEM.
fn keys(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----") {
            // all on one line with escaped breaks, or the first of several lines
            inside = !line.contains("-----END");
            out.push_str(MASK);
            out.push('\n');
        } else if inside {
            inside = !line.contains("-----END");
        } else {
            out.push_str(line);
        }
    }
    out
}

/// What follows `Basic` or `Bearer`.
fn headers(text: &str) -> String {
    let mut out = text.to_owned();
    for scheme in ["Basic ", "Bearer "] {
        let mut covered = String::new();
        let mut rest = out.as_str();
        while let Some(at) = rest.find(scheme) {
            let (before, after) = rest.split_at(at + scheme.len());
            let end = after.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(after.len());
            covered.push_str(before);
            // words of a sentence ("Basic authentication") are no credentials
            let looks = end >= 8
                && after[..end].chars().any(|c| c.is_ascii_digit() || c == '=' || c.is_ascii_uppercase());
            covered.push_str(if looks { MASK } else { &after[..end] });
            rest = &after[end..];
        }
        covered.push_str(rest);
        out = covered;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use crate::paths;
    use crate::settings::gather;

    fn mask(settings: &str) -> Mask {
        let host = Double::default();
        host.put(paths::LOCAL_SETTINGS, settings);
        Mask::of(&gather(&host), ["further secret".to_owned()])
    }

    #[test]
    fn every_spelling_is_covered() {
        let mask =
            mask("version = 1\n[proxy]\nurl = \"http://p:1\"\nusername = \"u\"\npassword = \"p@\\\"ss\"\n");
        for text in [
            "password p@\"ss here",
            "{\"password\":\"p@\\\"ss\"}",
            "http://u:p%40%22ss@p:1",
            &format!("Proxy-Authorization: {}", STANDARD.encode("u:p@\"ss")),
            &STANDARD.encode("p@\"ss"),
            "the further secret too",
        ] {
            let covered = mask.cover(text);
            assert!(covered.contains(MASK), "{text} -> {covered}");
            assert!(!covered.contains("ss@p") && !covered.contains("p@"), "{covered}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_covered_though_nobody_knows_it() {
        let mask = mask("version = 1\n");
        assert_eq!(mask.cover("token eyot1_AbC-d_9 end"), "token (masked) end");
        let pem = "a\n-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nb\n";
        assert_eq!(mask.cover(pem), "a\n(masked)\nb\n");
        assert_eq!(mask.cover("Authorization: Basic dTpwYXNz"), "Authorization: Basic (masked)");
        assert_eq!(
            mask.cover("let it accept Basic from this machine"),
            "let it accept Basic from this machine"
        );
        assert_eq!(mask.cover("Basic authentication"), "Basic authentication");
    }
}
