//! The seed: what a `cidata` volume carries to a new appliance.
//!
//! One set of settings in two coats. `eyot.toml` is read by the agent straight from the volume; `user-data` makes
//! cloud-init (NoCloud datasource) write the same settings, but for the secrets, to [`SEED_PATH`], mode 0600. So it
//! works whether or not cloud-init ran. `meta-data` carries the instance id and the host name.
//!
//! Secrets stay out of `user-data` because cloud-init keeps what it is given: raw, pickled and logged, rewritten at every
//! stage, in blocks that the file system frees and no disk promises to erase. Read from the volume, the token never
//! touches the appliance's disk at all.

use uuid::Uuid;

use crate::settings::{definition, Definition, Layer};

/// Volume label that NoCloud looks for. Lower case: releases before 19.1 know no other.
pub const VOLUME_LABEL: &str = "cidata";
/// The settings on the volume.
pub const SEED_FILE: &str = "eyot.toml";
/// Where cloud-init puts them.
pub const SEED_PATH: &str = "/etc/eyot/seed.toml";

/// The documents of a seed volume.
pub struct Seed {
    settings: Layer,
    instance: Uuid,
}

impl Seed {
    /// A seed for one appliance. `instance` tells cloud-init that this is a new machine; the sensor's id serves.
    pub fn new(settings: Layer, instance: Uuid) -> Self {
        Self { settings, instance }
    }

    /// Name and content of every file, in the order they go onto the volume.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let mut open = self.settings.clone();
        open.values.retain(|key, _| !definition(key).is_some_and(Definition::is_secret));
        vec![
            ("meta-data", self.meta_data()),
            ("user-data", user_data(&open.to_toml())),
            (SEED_FILE, self.settings.to_toml()),
        ]
    }

    fn meta_data(&self) -> String {
        let mut text = format!("instance-id: eyot-{}\n", self.instance);
        if let Some(name) = self.settings.values.get("host.name") {
            text.push_str(&format!("local-hostname: {name}\n"));
        }
        text
    }
}

/// Cloud-config that writes the settings. The content goes as base64, so no value can break out of the YAML.
fn user_data(toml: &str) -> String {
    use base64::Engine;
    let content = base64::engine::general_purpose::STANDARD.encode(toml);
    format!(
        "#cloud-config\n\
         # Secrets are in {SEED_FILE} on this volume and not here: cloud-init leaves copies of this on the disk.\n\
         write_files:\n\
         - path: {SEED_PATH}\n  \
           owner: root:root\n  \
           permissions: '0600'\n  \
           encoding: b64\n  \
           content: {content}\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_coats_carry_the_same_settings_and_one_of_them_the_secrets() {
        use base64::Engine;
        let mut open = Layer::new("portal");
        open.set("host.name", "eyot-1").unwrap();
        open.set("proxy.url", "http://p:3128").unwrap();
        let mut whole = open.clone();
        whole.set("activation.token", "eyot1_secret").unwrap();
        whole.set("proxy.password", "secret").unwrap();

        let files = Seed::new(whole.clone(), Uuid::from_u128(1)).files();
        let names: Vec<_> = files.iter().map(|f| f.0).collect();
        assert_eq!(names, ["meta-data", "user-data", "eyot.toml"]);
        assert!(files[0].1.contains("local-hostname: eyot-1\n"));
        assert_eq!(Layer::from_toml("portal", &files[2].1).unwrap(), whole);
        let content = files[1].1.lines().find_map(|l| l.trim().strip_prefix("content: ")).unwrap();
        let decoded = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
        assert_eq!(Layer::from_toml("portal", &String::from_utf8(decoded).unwrap()).unwrap(), open);
    }
}
