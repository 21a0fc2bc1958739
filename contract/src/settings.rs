//! Settings of an appliance: one definition for every way they can arrive.
//!
//! Two shapes. As written, a setting is a dotted key and a text, whatever carried it (seed file, OVF property, Hyper-V
//! key-value pair, debconf answer): a [`Layer`]. As meant, they are one typed [`Settings`] with no options left open
//! but those that are truly optional. [`resolve`] goes from the first to the second: layers are given strongest first
//! and decided key by key; every unknown key and every wrong value is an error that names the layer and the key.
//!
//! [`DEFINITIONS`] is the one list from which the OVF properties, the seed's schema and the documentation are made.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::{ActivationToken, MacAddr};

/// Version of the written form; a file says `version = 1`.
pub const SETTINGS_VERSION: i64 = 1;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text up to so many characters.
    Text(usize),
    /// A secret up to so many characters: masked wherever settings are shown.
    Secret(usize),
    /// One of these.
    Choice(&'static [&'static str]),
    /// `192.0.2.10/24` or `2001:db8::10/64`.
    AddressWithPrefix,
    /// An IP address.
    Address,
    /// IP addresses, joined by commas.
    Addresses,
    /// Names or addresses, joined by commas.
    Names,
    /// `http://host:port` or `https://host:port`.
    ProxyUrl,
    /// `auto`, or selectors joined by commas: `mac:…`, `pci:…`, `driver:…`, `name:…`.
    Interfaces,
    /// PEM certificates.
    Pem,
}

/// One setting, as every carrier and every document describes it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Dotted key, `section.name`.
    pub key: &'static str,
    /// Section heading for wizards.
    pub category: &'static str,
    /// Short label.
    pub label: &'static str,
    /// One or two sentences.
    pub description: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// What holds when nobody says anything; empty means "not set".
    pub default: &'static str,
}

impl Definition {
    /// The key as an OVF property or a KVP key, where dots are not allowed (DSP0243 §9.5.1).
    pub fn property_key(&self) -> String {
        self.key.replace('.', "_")
    }

    /// Whether the value must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }
}

const fn define(
    key: &'static str,
    category: &'static str,
    label: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { key, category, label, description, kind, default }
}

/// Every setting there is.
pub static DEFINITIONS: &[Definition] = &[
    define("activation.token", "Activation", "Activation token", Kind::Secret(crate::MAX_TOKEN_CHARS), "",
        "The token that the portal showed when the sensor was registered. It works once."),
    define("host.name", "Management", "Host name", Kind::Text(63), "",
        "Host name of the appliance. Left empty, the image's own name stays."),
    define("management.interface", "Management", "Management interface", Kind::Interfaces, "auto",
        "Which adapter reaches the portal: auto, or mac:, pci:, driver: or name: and a value. Auto takes the first adapter in PCI order."),
    define("management.mode", "Management", "Address mode", Kind::Choice(&["dhcp", "static"]), "dhcp",
        "How the management interface gets its address."),
    define("management.address", "Management", "Address with prefix", Kind::AddressWithPrefix, "",
        "Static address and prefix length, for example 192.0.2.10/24."),
    define("management.gateway", "Management", "Gateway", Kind::Address, "",
        "Default gateway for a static address."),
    define("management.dns", "Management", "DNS servers", Kind::Addresses, "",
        "DNS servers for a static address, joined by commas."),
    define("capture.interfaces", "Capture", "Monitoring interfaces", Kind::Interfaces, "auto",
        "Which adapters receive mirrored traffic: auto, or selectors joined by commas. Auto takes every adapter but the management one."),
    define("proxy.url", "Proxy", "Proxy address", Kind::ProxyUrl, "",
        "HTTP proxy that reaches the portal by CONNECT, for example http://proxy.example:3128. Empty: no proxy."),
    define("proxy.username", "Proxy", "Proxy user name", Kind::Text(255), "",
        "User name, if the proxy asks for one (Basic)."),
    define("proxy.password", "Proxy", "Proxy password", Kind::Secret(255), "",
        "Password that goes with the user name."),
    define("proxy.exceptions", "Proxy", "No proxy for", Kind::Names, "",
        "Names and addresses reached without the proxy, joined by commas."),
    define("time.servers", "Time", "NTP servers", Kind::Names, "",
        "NTP servers, joined by commas. Empty: those that DHCP offers, else the image's own."),
    define("portal.ca", "Activation", "Additional CA certificates", Kind::Pem, "",
        "PEM certificates to trust besides the portal's own CA, for networks whose proxy inspects TLS."),
];

/// The definition of a key.
pub fn definition(key: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|d| d.key == key)
}

/// Settings as one carrier wrote them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// Who offered them, for people: `/etc/eyot/seed.toml`, `cidata volume /dev/sr0`.
    pub origin: String,
    /// Key to text. Only keys that have a definition.
    pub values: BTreeMap<&'static str, String>,
}

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

impl Layer {
    /// An empty layer.
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), values: BTreeMap::new() }
    }

    /// Adds one setting by its dotted key, as a flat carrier gives it.
    ///
    /// # Errors
    /// [`SettingsError::UnknownKey`].
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> Result<(), SettingsError> {
        let known = definition(key)
            .ok_or_else(|| SettingsError::UnknownKey { origin: self.origin.clone(), key: key.to_owned() })?;
        self.values.insert(known.key, value.into());
        Ok(())
    }

    /// Reads the written form: TOML with `version = 1` and a table per section.
    ///
    /// # Errors
    /// Syntax, version, an unknown key, or a value that is neither text nor a list of texts.
    pub fn from_toml(origin: impl Into<String>, text: &str) -> Result<Self, SettingsError> {
        let mut layer = Self::new(origin);
        let root: toml::Table = text.parse().map_err(|e: toml::de::Error| SettingsError::Syntax {
            origin: layer.origin.clone(),
            line: e.span().map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1),
            reason: e.message().to_owned(),
        })?;
        match root.get("version") {
            Some(toml::Value::Integer(SETTINGS_VERSION)) => {}
            other => {
                return Err(SettingsError::Version {
                    origin: layer.origin,
                    found: other.map_or("none".to_owned(), ToString::to_string),
                })
            }
        }
        for (section, value) in root.iter().filter(|(name, _)| *name != "version") {
            let toml::Value::Table(table) = value else {
                return Err(SettingsError::UnknownKey { origin: layer.origin, key: section.clone() });
            };
            for (name, value) in table {
                let key = format!("{section}.{name}");
                let text = match value {
                    toml::Value::String(s) => Some(s.clone()),
                    toml::Value::Array(items) => {
                        items.iter().map(|i| i.as_str()).collect::<Option<Vec<_>>>().map(|v| v.join(","))
                    }
                    _ => None,
                };
                let Some(text) = text else {
                    let key = definition(&key).map(|d| d.key).ok_or_else(|| SettingsError::UnknownKey {
                        origin: layer.origin.clone(),
                        key: key.clone(),
                    })?;
                    return Err(SettingsError::Value {
                        origin: layer.origin,
                        key,
                        reason: "a text or a list of texts is expected".to_owned(),
                    });
                };
                layer.set(&key, text)?;
            }
        }
        Ok(layer)
    }

    /// The written form of this layer.
    pub fn to_toml(&self) -> String {
        let mut root = toml::Table::new();
        root.insert("version".to_owned(), SETTINGS_VERSION.into());
        for (key, value) in &self.values {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let table = root.entry(section.to_owned()).or_insert_with(|| toml::Table::new().into());
            if let toml::Value::Table(table) = table {
                table.insert(name.to_owned(), value.clone().into());
            }
        }
        root.to_string()
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"origin", &self.origin);
        for (key, value) in &self.values {
            let hidden = definition(key).is_some_and(Definition::is_secret);
            map.entry(key, if hidden { &"hidden" } else { value });
        }
        map.finish()
    }
}

/// Settings as meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Token to activate with, if one was given.
    pub token: Option<ActivationToken>,
    /// Host name to take, if one was given.
    pub hostname: Option<String>,
    /// Which NIC is the management one.
    pub management_interface: Selection,
    /// How it is addressed.
    pub addressing: Addressing,
    /// Which NICs are monitored.
    pub capture_interfaces: Selection,
    /// How the portal is reached.
    pub proxy: Option<Proxy>,
    /// NTP servers; empty means DHCP's or the image's.
    pub time_servers: Vec<String>,
    /// PEM certificates to trust besides the portal's CA.
    pub extra_ca_pem: Option<String>,
}

/// How the management interface gets its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// By DHCP.
    Dhcp,
    /// As given.
    Static {
        /// Address.
        address: IpAddr,
        /// Prefix length in bits.
        prefix: u8,
        /// Default gateway.
        gateway: Option<IpAddr>,
        /// DNS servers.
        dns: Vec<IpAddr>,
    },
}

/// An HTTP proxy that does CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// Basic credentials: user name and password.
    pub credentials: Option<(String, String)>,
    /// Names and addresses reached directly.
    pub exceptions: Vec<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &self.url)
            .field("username", &self.credentials.as_ref().map(|c| &c.0))
            .field("exceptions", &self.exceptions)
            .finish_non_exhaustive()
    }
}

/// Which network interfaces are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The agent decides.
    Auto,
    /// These.
    These(Vec<Selector>),
}

/// One way to point at a NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By its address.
    Mac(MacAddr),
    /// By its PCI address, `0000:0b:00.0` or the end of it.
    Pci(String),
    /// By its driver, `vmxnet3`.
    Driver(String),
    /// By its kernel name. Names change between boots and hypervisors: the last resort.
    Name(String),
}

/// What [`resolve`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// For each key that somebody set: which layer won.
    pub origins: BTreeMap<&'static str, String>,
}

/// Decides every setting, strongest layer first.
///
/// # Errors
/// A value of the wrong kind in a layer that wins, or settings that contradict one another. A wrong value in a layer
/// that is overruled does no harm and is not reported.
pub fn resolve(layers: &[Layer]) -> Result<Resolved, SettingsError> {
    let pick = |key: &'static str| -> Option<(&Layer, &str)> {
        layers.iter().find_map(|l| l.values.get(key).map(|v| (l, v.trim()))).filter(|(_, v)| !v.is_empty())
    };
    let mut origins = BTreeMap::new();
    for d in DEFINITIONS {
        if let Some((layer, value)) = pick(d.key) {
            check(d, value).map_err(|reason| SettingsError::Value {
                origin: layer.origin.clone(),
                key: d.key,
                reason,
            })?;
            origins.insert(d.key, layer.origin.clone());
        }
    }
    let text = |key: &'static str| -> Option<String> {
        let default = definition(key).map_or("", |d| d.default);
        pick(key).map(|(_, v)| v.to_owned()).or_else(|| Some(default.to_owned()).filter(|d| !d.is_empty()))
    };
    let token = match pick("activation.token") {
        Some((layer, v)) => Some(v.parse().map_err(|e: crate::TokenError| SettingsError::Value {
            origin: layer.origin.clone(),
            key: "activation.token",
            reason: e.to_string(),
        })?),
        None => None,
    };
    let addressing = match text("management.mode").as_deref() {
        Some("static") => {
            let written = text("management.address").ok_or_else(|| SettingsError::Combination {
                key: "management.address",
                reason: "management.mode is static, so an address with prefix is needed (192.0.2.10/24)"
                    .to_owned(),
            })?;
            let (address, prefix) = address_with_prefix(&written)
                .map_err(|reason| SettingsError::Combination { key: "management.address", reason })?;
            Addressing::Static {
                address,
                prefix,
                gateway: text("management.gateway").and_then(|g| g.parse().ok()),
                dns: text("management.dns")
                    .map(|d| list(&d).filter_map(|a| a.parse().ok()).collect())
                    .unwrap_or_default(),
            }
        }
        _ => Addressing::Dhcp,
    };
    let credentials = match (text("proxy.username"), text("proxy.password")) {
        (Some(user), password) => Some((user, password.unwrap_or_default())),
        (None, Some(_)) => {
            return Err(SettingsError::Combination {
                key: "proxy.username",
                reason: "proxy.password is set without a user name".to_owned(),
            })
        }
        (None, None) => None,
    };
    let exceptions =
        text("proxy.exceptions").map(|v| list(&v).map(str::to_owned).collect()).unwrap_or_default();
    let proxy = match (text("proxy.url"), credentials) {
        (Some(url), credentials) => Some(Proxy { url, credentials, exceptions }),
        (None, Some(_)) => {
            return Err(SettingsError::Combination {
                key: "proxy.url",
                reason: "proxy credentials are set without a proxy address".to_owned(),
            })
        }
        (None, None) => None,
    };
    let selection = |key| text(key).map_or(Ok(Selection::Auto), |v| selection(&v));
    let combine = |key: &'static str| move |reason: String| SettingsError::Combination { key, reason };
    let settings = Settings {
        token,
        hostname: text("host.name"),
        management_interface: selection("management.interface").map_err(combine("management.interface"))?,
        addressing,
        capture_interfaces: selection("capture.interfaces").map_err(combine("capture.interfaces"))?,
        proxy,
        time_servers: text("time.servers").map(|v| list(&v).map(str::to_owned).collect()).unwrap_or_default(),
        extra_ca_pem: text("portal.ca"),
    };
    Ok(Resolved { settings, origins })
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|v| !v.is_empty())
}

/// Checks one value against its kind; the reason never repeats a secret.
fn check(d: &Definition, value: &str) -> Result<(), String> {
    match d.kind {
        Kind::Text(max) | Kind::Secret(max) => {
            let length = value.chars().count();
            if length > max {
                return Err(format!("has {length} characters, at most {max} are allowed"));
            }
            if value.chars().any(char::is_control) {
                return Err("has a control character or a line break".to_owned());
            }
            Ok(())
        }
        Kind::Choice(options) => match options.contains(&value) {
            true => Ok(()),
            false => Err(format!("\"{value}\" is not one of {}", options.join(", "))),
        },
        Kind::AddressWithPrefix => address_with_prefix(value).map(drop),
        Kind::Address => address(value).map(drop),
        Kind::Addresses => list(value).try_for_each(|v| address(v).map(drop)),
        Kind::Names => list(value).try_for_each(|v| {
            let plain = v.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:*/[]".contains(c));
            if plain {
                Ok(())
            } else {
                Err(format!("\"{v}\" is not a host name or address"))
            }
        }),
        Kind::ProxyUrl => {
            let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
            match rest {
                // credentials have settings of their own so that they can be masked
                Some(rest) if rest.contains('@') => {
                    Err("carries credentials; give them as proxy.username and proxy.password".to_owned())
                }
                Some(rest) if !rest.trim_end_matches('/').is_empty() => Ok(()),
                _ => Err(format!("\"{value}\" is not http://host:port or https://host:port")),
            }
        }
        Kind::Interfaces => selection(value).map(drop),
        Kind::Pem => match value.contains("-----BEGIN CERTIFICATE-----") {
            true => Ok(()),
            false => Err("is not a PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned()),
        },
    }
}

fn address(value: &str) -> Result<IpAddr, String> {
    value.parse().map_err(|_| format!("\"{value}\" is not an IP address"))
}

fn address_with_prefix(value: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("\"{value}\" is not an address with prefix, such as 192.0.2.10/24");
    let (ip, prefix) = value.split_once('/').ok_or_else(wrong)?;
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    if prefix == 0 || prefix > most {
        return Err(format!("prefix length {prefix} is not between 1 and {most}"));
    }
    Ok((ip, prefix))
}

fn selection(value: &str) -> Result<Selection, String> {
    if value == "auto" {
        return Ok(Selection::Auto);
    }
    let selectors = list(value).map(selector).collect::<Result<Vec<_>, _>>()?;
    if selectors.is_empty() {
        return Err("is empty; write auto, or selectors such as mac:00:50:56:01:02:03".to_owned());
    }
    Ok(Selection::These(selectors))
}

fn selector(value: &str) -> Result<Selector, String> {
    let (kind, rest) = value.split_once(':').unwrap_or(("", value));
    let plain = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    match kind {
        "mac" => rest.parse().map(Selector::Mac).map_err(|e: crate::mac::MacError| e.to_string()),
        "pci" if plain => Ok(Selector::Pci(rest.to_ascii_lowercase())),
        "driver" if plain => Ok(Selector::Driver(rest.to_owned())),
        "name" if plain => Ok(Selector::Name(rest.to_owned())),
        _ => Err(format!("\"{value}\" does not start with mac:, pci:, driver: or name:")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn layer(text: &str) -> Layer {
        Layer::from_toml("seed.toml", text).unwrap()
    }

    #[test]
    fn nothing_written_means_the_defaults() {
        let resolved = resolve(&[]).unwrap();
        assert_eq!(resolved.settings.addressing, Addressing::Dhcp);
        assert_eq!(resolved.settings.capture_interfaces, Selection::Auto);
        assert!(resolved.settings.token.is_none() && resolved.origins.is_empty());
    }

    #[test]
    fn the_stronger_layer_wins_key_by_key() {
        let mut strong = Layer::new("console");
        strong.set("host.name", "one").unwrap();
        let weak =
            layer("version = 1\n[host]\nname = \"two\"\n[time]\nservers = [\"a.example\", \"b.example\"]\n");
        let resolved = resolve(&[strong, weak]).unwrap();
        assert_eq!(resolved.settings.hostname.as_deref(), Some("one"));
        assert_eq!(resolved.settings.time_servers, ["a.example", "b.example"]);
        assert_eq!(resolved.origins["host.name"], "console");
        assert_eq!(resolved.origins["time.servers"], "seed.toml");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut one = Layer::new("seed.toml");
        one.set("proxy.url", "http://proxy.example:3128").unwrap();
        one.set("proxy.password", "p\"ass\\word\u{e9}").unwrap();
        assert_eq!(layer(&one.to_toml()), one);
    }

    #[test]
    fn wrong_input_names_the_place_and_the_remedy() {
        let cases = [
            ("version = 1\n[host]\nnom = \"x\"\n", "seed.toml: unknown setting \"host.nom\""),
            ("version = 2\n", "needs `version = 1` (found 2)"),
            ("[host]\nname = \"x\"\n", "needs `version = 1` (found none)"),
            ("version = 1\n[host\n", "line 2: not valid TOML"),
            ("version = 1\n[host]\nname = 7\n", "host.name: a text or a list of texts is expected"),
            ("version = 1\n[management]\nmode = \"bootp\"\n", "\"bootp\" is not one of dhcp, static"),
            (
                "version = 1\n[management]\nmode = \"static\"\n",
                "management.address: management.mode is static",
            ),
            ("version = 1\n[management]\naddress = \"10.0.0.1\"\n", "is not an address with prefix"),
            ("version = 1\n[proxy]\nusername = \"u\"\n", "proxy.url: proxy credentials are set without"),
            ("version = 1\n[proxy]\nurl = \"http://u:p@h:1\"\n", "carries credentials"),
            (
                "version = 1\n[capture]\ninterfaces = [\"ens192\"]\n",
                "does not start with mac:, pci:, driver: or name:",
            ),
            (
                "version = 1\n[activation]\ntoken = \"eyot1_AAAA\"\n",
                "activation.token: the activation token is damaged",
            ),
        ];
        for (text, expected) in cases {
            let error =
                Layer::from_toml("seed.toml", text).and_then(|l| resolve(&[l])).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}\n said {error}\n expected {expected}");
        }
    }

    #[test]
    fn secrets_are_neither_shown_nor_repeated_in_errors() {
        let secret = "s3cret".repeat(100);
        let text = format!(
            "version = 1\n[proxy]\nurl = \"http://p:1\"\nusername = \"u\"\npassword = \"{secret}\"\n"
        );
        let layer = layer(&text);
        assert!(!format!("{layer:?}").contains("s3cret"));
        assert!(!resolve(&[layer]).unwrap_err().to_string().contains("s3cret"));
        let broken =
            Layer::from_toml("seed.toml", "version = 1\n[proxy]\npassword = \"s3cret\n").unwrap_err();
        assert!(!broken.to_string().contains("s3cret"), "{broken}");
    }

    #[test]
    fn every_key_is_section_dot_name_and_once() {
        let mut seen = std::collections::BTreeSet::new();
        for d in DEFINITIONS {
            assert_eq!(d.key.matches('.').count(), 1, "{}", d.key);
            assert!(seen.insert(d.key));
            assert!(!d.property_key().contains('.'));
        }
    }
}
