//! Settings of an appliance: one definition for every way they can arrive.
//!
//! Two shapes. As written, a setting is a dotted key and a text, whatever carried it (seed file, OVF property, Hyper-V
//! key-value pair, debconf answer): a [`Layer`]. As meant, they are one typed [`Settings`] with no options left open
//! but those that are truly optional. [`resolve`] goes from the first to the second: layers are given strongest first
//! and decided key by key; every unknown key and every wrong value is an error that names the layer and the key.
//!
//! [`DEFINITIONS`] is the one list from which the OVF properties, the seed's schema and the documentation are made.

mod azure;
mod definition;
mod error;
mod layer;
mod meant;
mod resolve;
mod value;

pub use azure::{Azure, AzureEventHub, AzureHub, Report};
pub use definition::{definition, Definition, Kind, DEFINITIONS};
pub use error::SettingsError;
pub use layer::Layer;
pub use meant::{Addressing, Proxy, Selection, Selector, Settings, Tunnel};
pub use resolve::{resolve, Resolved};

/// Version of the written form; a file says `version = 1`.
pub const SETTINGS_VERSION: i64 = 1;

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
                "version = 1\n[proxy]\nurl = \"http://h:99999\"\n",
                "proxy.url: \"http://h:99999\" has port \"99999\", which is not from 1 to 65535",
            ),
            ("version = 1\n[proxy]\nurl = \"http://[2001:db8::1]:0/\"\n", "which is not from 1 to 65535"),
            (
                "version = 1\n[capture]\ninterfaces = [\"ens192\"]\n",
                "does not start with mac:, pci:, network:, driver: or name:",
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
    fn a_proxys_port_may_be_left_out() {
        for url in ["http://h", "https://h:1/", "http://[2001:db8::1]", "http://[2001:db8::1]:65535"] {
            resolve(&[layer(&format!("version = 1\n[proxy]\nurl = \"{url}\"\n"))]).unwrap();
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
