//! From what the sources offer to what holds.
//!
//! A source that cannot be read is reported and stops nothing but itself where the rest suffices; contradictory settings
//! are an error, and then nothing on the machine is changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eyot_contract::settings::{resolve, Layer, Settings, SettingsError};
use eyot_contract::ActivationToken;

use crate::datasource::{Source, SourceError, PRECEDENCE};
use crate::host::Host;

/// How long a seed volume is waited for on a machine that has no token and no identity: virtual CD drives can appear
/// seconds after the disks (cloud-init issue 3897).
pub const SEED_PATIENCE: Duration = Duration::from_secs(8);
const TOKEN_KEY: &str = "activation.token";
const SEED_POLL: Duration = Duration::from_millis(500);

/// What every source said.
pub struct Gathered {
    /// Layers, strongest first.
    pub layers: Vec<(Source, Layer)>,
    /// Sources that could not be read.
    pub failures: Vec<(Source, SourceError)>,
}

/// Asks every source once.
pub fn gather(host: &dyn Host) -> Gathered {
    gather_again(host, None)
}

/// Asks every source; those that are work to ask are not asked if it is `known` what they said.
pub fn gather_again(host: &dyn Host, known: Option<&[(Source, Layer)]>) -> Gathered {
    let mut gathered = Gathered { layers: Vec::new(), failures: Vec::new() };
    for source in PRECEDENCE {
        if let Some(known) = known.filter(|_| source.is_costly()) {
            gathered.layers.extend(known.iter().filter(|(s, _)| *s == source).cloned());
            continue;
        }
        match source.look(host) {
            Ok(Some(layer)) => gathered.layers.push((source, layer)),
            Ok(None) => {}
            Err(error) => gathered.failures.push((source, error)),
        }
    }
    gathered
}

/// Asks every source, again and again until one offers a token or patience ends.
pub fn gather_patiently(host: &dyn Host, patience: Duration) -> Gathered {
    let started = Instant::now();
    loop {
        let gathered = gather(host);
        if gathered.offers_token() || !gathered.failures.is_empty() || started.elapsed() >= patience {
            return gathered;
        }
        std::thread::sleep(SEED_POLL.min(patience));
    }
}

impl Gathered {
    /// Whether any source carries an activation token, right or wrong.
    pub fn offers_token(&self) -> bool {
        self.token_texts().next().is_some()
    }

    /// The same if this source said this.
    pub fn replacing(mut self, source: Source, layer: Layer) -> Self {
        let rank = |wanted: Source| PRECEDENCE.iter().position(|s| *s == wanted);
        self.layers.retain(|(s, _)| *s != source);
        self.failures.retain(|(s, _)| *s != source);
        let place = self.layers.iter().position(|(s, _)| rank(*s) > rank(source));
        self.layers.insert(place.unwrap_or(self.layers.len()), (source, layer));
        self
    }

    /// What the sources said that are work to ask; `None` if one could not be read and should be asked again.
    pub fn costly(&self) -> Option<Vec<(Source, Layer)>> {
        let costly = self.layers.iter().filter(|(source, _)| source.is_costly());
        self.failures.is_empty().then(|| costly.cloned().collect())
    }

    /// The strongest token that is one and that `is_spent` does not know.
    pub fn fresh_token(
        &self,
        is_spent: impl Fn(&ActivationToken) -> bool,
    ) -> Option<(ActivationToken, String)> {
        self.token_texts()
            .filter_map(|text| Some((text.parse().ok()?, text.to_owned())))
            .find(|(token, _)| !is_spent(token))
    }

    /// Every token text offered: what must be nowhere after activation.
    pub fn token_texts(&self) -> impl Iterator<Item = &str> {
        self.layers
            .iter()
            .filter_map(|(_, l)| l.values.get(TOKEN_KEY).map(|t| t.trim()))
            .filter(|t| !t.is_empty())
    }

    /// Decides. A token that is damaged does not stop the rest: the machine must be reachable to be given another.
    ///
    /// # Errors
    /// The first source that could not be read, else contradictory or wrong settings.
    pub fn resolve(&self) -> Result<Decided, SettingsProblem> {
        if let Some((_, error)) = self.failures.first() {
            return Err(SettingsProblem(chain(error)));
        }
        let mut layers: Vec<Layer> = self.layers.iter().map(|(_, l)| l.clone()).collect();
        let (resolved, token_problem) = match resolve(&layers) {
            Ok(resolved) => (resolved, None),
            Err(error) if is_about_token(&error) => {
                for layer in &mut layers {
                    layer.values.remove(TOKEN_KEY);
                }
                (resolve(&layers).map_err(|e| SettingsProblem(e.to_string()))?, Some(error.to_string()))
            }
            Err(error) => return Err(SettingsProblem(error.to_string())),
        };
        Ok(Decided { settings: resolved.settings, origins: resolved.origins, token_problem })
    }

    /// What the seed says besides the token, decided key by key: this must outlive the seed. The operator's own file is
    /// not copied, it stays. A seed file or volume takes the place of what was kept before; what a platform hands over
    /// is added to it: it may say less than it did, its secrets having been erased. `None` when there is no seed now;
    /// then what was kept before holds.
    pub fn to_keep(&self) -> Option<Layer> {
        let mut kept = Layer::new(crate::paths::KEPT_SETTINGS);
        if self.layers.iter().any(|(source, _)| source.is_platform()) {
            let before = self.layers.iter().find(|(source, _)| source.place() == crate::paths::KEPT_SETTINGS);
            kept.values.extend(before.map(|(_, l)| l.values.clone()).unwrap_or_default());
        }
        let seeds = self.layers.iter().filter(|(source, _)| source.is_seed());
        for (_, layer) in seeds.rev() {
            for (key, value) in layer.values.iter().filter(|(key, _)| **key != TOKEN_KEY) {
                kept.values.insert(key, value.clone());
            }
        }
        self.layers.iter().any(|(source, _)| source.is_seed()).then_some(kept)
    }
}

fn is_about_token(error: &SettingsError) -> bool {
    matches!(error, SettingsError::Value { key, .. } if *key == TOKEN_KEY)
}

/// What holds.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The settings.
    pub settings: Settings,
    /// For each key that somebody set: who won.
    pub origins: BTreeMap<&'static str, String>,
    /// A token was given and cannot be one: why, in one line.
    pub token_problem: Option<String>,
}

/// Settings that cannot be used: one line, where and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsProblem(pub String);

/// An error and its sources in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line.push_str(&format!(": {source}"));
        next = source.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use crate::paths;

    const DHCP: &str = "version = 1\n[host]\nname = \"one\"\n";

    fn volume(toml: &str) -> Vec<u8> {
        eyot_iso::Volume::new("cidata", 1_700_000_000)
            .unwrap()
            .file(eyot_contract::SEED_FILE, toml.as_bytes().to_vec())
            .unwrap()
            .to_bytes()
    }

    #[test]
    fn every_source_gives_the_same_settings() {
        for path in [paths::LOCAL_SETTINGS, paths::SEED_SETTINGS, paths::KEPT_SETTINGS] {
            let host = Double::default();
            host.put(path, DHCP);
            let resolved = gather(&host).resolve().unwrap();
            assert_eq!(resolved.settings.hostname.as_deref(), Some("one"), "{path}");
            assert_eq!(resolved.origins["host.name"], path);
        }
        let host = Double::default();
        host.insert_disc("/dev/sr0", volume(DHCP));
        let resolved = gather(&host).resolve().unwrap();
        assert_eq!(resolved.settings.hostname.as_deref(), Some("one"));
        assert_eq!(resolved.origins["host.name"], "cidata volume /dev/sr0");
    }

    #[test]
    fn p2_precedence_is_the_written_one() {
        let host = Double::default();
        let named = |n: &str| format!("version = 1\n[host]\nname = \"{n}\"\n");
        host.put(paths::KEPT_SETTINGS, &named("kept"));
        let name = || gather(&host).resolve().unwrap().settings.hostname.unwrap();
        assert_eq!(name(), "kept");
        host.put(paths::KVP_POOL, &format!("{:\0<512}{:\0<2048}", "host_name", "pair"));
        assert_eq!(name(), "pair");
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        host.set_guestinfo(
            "<Environment xmlns='http://schemas.dmtf.org/ovf/environment/1' \
             xmlns:oe='http://schemas.dmtf.org/ovf/environment/1'><PropertySection>\
             <Property oe:key='host_name' oe:value='property'/></PropertySection></Environment>",
        );
        assert_eq!(name(), "property");
        host.insert_disc("/dev/sr0", volume(&named("disc")));
        assert_eq!(name(), "disc");
        host.put(paths::SEED_SETTINGS, &named("cloud-init"));
        assert_eq!(name(), "cloud-init");
        host.put(paths::PAGE_SETTINGS, &named("page"));
        assert_eq!(name(), "page");
        host.put(paths::LOCAL_SETTINGS, &named("operator"));
        assert_eq!(name(), "operator");
        let replaced = |s, n| gather(&host).replacing(s, Layer::from_toml("x", &named(n)).unwrap()).resolve();
        assert_eq!(replaced(crate::datasource::PAGE, "new").unwrap().settings.hostname.unwrap(), "operator");
        host.remove(paths::LOCAL_SETTINGS).unwrap();
        assert_eq!(replaced(crate::datasource::PAGE, "new").unwrap().settings.hostname.unwrap(), "new");
    }

    #[test]
    fn other_discs_and_disks_are_passed_over() {
        let host = Double::default();
        host.insert_disc("/dev/vda", vec![0; 1 << 16]);
        let other =
            eyot_iso::Volume::new("tools", 0).unwrap().file("eyot.toml", b"x".to_vec()).unwrap().to_bytes();
        host.insert_disc("/dev/sr0", other);
        host.insert_disc("/dev/sr1", volume(DHCP));
        assert_eq!(gather(&host).layers.len(), 1);
    }

    #[test]
    fn a_seed_that_is_damaged_names_itself() {
        let host = Double::default();
        host.insert_disc("/dev/sr0", volume("version = 1\n[host\n"));
        let problem = gather(&host).resolve().unwrap_err().to_string();
        assert!(problem.contains("cidata volume /dev/sr0: line 2: not valid TOML"), "{problem}");
    }

    #[test]
    fn p3_a_disc_that_comes_late_is_found() {
        let host = std::sync::Arc::new(Double::default());
        let later = std::sync::Arc::clone(&host);
        let text = "version = 1\n[activation]\ntoken = \"eyot1_x\"\n";
        let inserting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            later.insert_disc("/dev/sr0", volume(text));
        });
        assert!(gather_patiently(&*host, Duration::from_secs(20)).offers_token());
        inserting.join().unwrap();
    }

    #[test]
    fn a_damaged_token_stops_only_the_activation() {
        let host = Double::default();
        host.put(
            paths::SEED_SETTINGS,
            "version = 1\n[activation]\ntoken = \"eyot1_AAAA\"\n[host]\nname = \"one\"\n",
        );
        let decided = gather(&host).resolve().unwrap();
        assert_eq!(decided.settings.hostname.as_deref(), Some("one"));
        assert!(decided.token_problem.unwrap().contains("the activation token is damaged"));
    }

    #[test]
    fn what_is_kept_has_no_token() {
        let host = Double::default();
        host.put(
            paths::SEED_SETTINGS,
            "version = 1\n[activation]\ntoken = \"eyot1_x\"\n[proxy]\nurl = \"http://p:1\"\n",
        );
        host.put(paths::LOCAL_SETTINGS, DHCP);
        let kept = gather(&host).to_keep().unwrap();
        assert_eq!(kept.values.keys().copied().collect::<Vec<_>>(), ["proxy.url"]);
    }

    #[test]
    fn what_a_platform_hands_over_is_kept_besides_what_a_seed_said_before() {
        let host = Double::default();
        host.put(
            paths::KEPT_SETTINGS,
            "version = 1\n[host]\nname = \"one\"\n[proxy]\nurl = \"http://p:1\"\n",
        );
        host.put(paths::KVP_POOL, &format!("{:\0<512}{:\0<2048}", "host_name", "pair"));
        let kept = gather(&host).to_keep().unwrap();
        assert_eq!((&*kept.values["host.name"], &*kept.values["proxy.url"]), ("pair", "http://p:1"));
        host.remove(paths::KVP_POOL).unwrap();
        host.put(paths::SEED_SETTINGS, DHCP);
        let kept = gather(&host).to_keep().unwrap();
        assert_eq!(kept.values.into_iter().collect::<Vec<_>>(), [("host.name", "one".to_owned())]);
    }
}
