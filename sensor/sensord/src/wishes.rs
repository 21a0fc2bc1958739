//! What the owner wishes in the device twin, laid over the configuration: a wish wins over the file and over the portal's
//! settings, for this machine only.
//!
//! Wishes are kept beside the database, so that they hold after a restart without a connection. One that cannot be
//! fulfilled is answered with the reason and changes nothing; the others hold all the same.

use std::path::Path;

use eyot_capture::live;
use eyot_contract::FindingKind;
use eyot_inventory::{LocalNetworks, Network};
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use crate::beside;
use crate::config::{Config, SNAPSHOT_HOURS};
use crate::snapshots::Plan;

/// Beside the database.
const FILE: &str = "azure-twin.json";
/// Longest text that asks for a file.
const MAX_ASKED: usize = 128;

/// A wish's name, and how it is fulfilled.
type Wish = (&'static str, fn(&Value, &mut Laid) -> Result<(), String>);

/// Everything that can be wished.
const WISHES: [Wish; 5] = [
    ("filter", |value, laid| {
        let filter = value.as_str().ok_or("a text is expected, in libpcap's language")?;
        let filter = Some(filter.trim()).filter(|f| !f.is_empty());
        if let Some(filter) = filter {
            live::check_filter(filter).map_err(|reason| format!("not a capture filter ({reason})"))?;
        }
        laid.config.filter = filter.map(str::to_owned);
        Ok(())
    }),
    ("local_networks", |value, laid| {
        let networks: Vec<Network> =
            texts(value)?.map(|text| text?.parse()).collect::<Result<_, String>>()?;
        laid.config.watched.policy.local = LocalNetworks::new(networks);
        Ok(())
    }),
    ("muted", |value, laid| {
        let kinds: Vec<FindingKind> =
            texts(value)?.map(|text| text?.parse()).collect::<Result<_, String>>()?;
        laid.config.watched.policy.muted = kinds;
        Ok(())
    }),
    ("snapshot_hours", |value, laid| {
        let hours = value.as_u64().filter(|h| SNAPSHOT_HOURS.contains(h));
        laid.plan.hours = hours.ok_or("0 to 744 hours are possible")?;
        Ok(())
    }),
    ("snapshot", |value, laid| {
        let asked = value.as_str().filter(|a| a.len() <= MAX_ASKED);
        let asked =
            asked.ok_or("a text of up to 128 bytes is expected; another one asks for another file")?;
        laid.plan.asked = Some(asked.to_owned());
        Ok(())
    }),
];

/// The desired half of the twin, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wishes {
    /// Counts the owner's changes.
    pub version: i64,
    /// Names and values.
    pub properties: Map<String, Value>,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Laid {
    /// The configuration with the wishes.
    pub config: Config,
    /// When files are wanted.
    pub plan: Plan,
    /// What became of each wish, in the form that the reported half has for that (IoT Plug and Play): `value`, `ac` as
    /// HTTP's status, `av` for the version, `ad` in words.
    pub verdicts: Map<String, Value>,
}

impl Wishes {
    /// What was kept beside this database. Nothing where nothing can be read: the next connection brings it.
    pub fn read(database: &Path) -> Self {
        beside::read(database, FILE)
    }

    /// Keeps them.
    ///
    /// # Errors
    /// When the file cannot be written; the former stays.
    pub fn keep(&self, database: &Path) -> anyhow::Result<()> {
        beside::keep(database, FILE, self)
    }

    /// Lays them over a configuration.
    pub fn over(&self, config: Config) -> Laid {
        let hub = config.azure.as_ref().and_then(|azure| azure.hub.as_ref());
        let plan = Plan { hours: hub.map_or(0, |hub| hub.snapshot_hours), asked: None };
        let mut laid = Laid { config, plan, verdicts: Map::new() };
        for (name, value) in &self.properties {
            let outcome = match WISHES.iter().find(|(known, _)| known == name) {
                Some((_, fulfil)) => fulfil(value, &mut laid),
                None => Err(format!("not a setting of this sensor; {} are", names().join(", "))),
            };
            let (code, words) = match outcome {
                Ok(()) => (200, "in force".to_owned()),
                Err(reason) => (400, reason),
            };
            let verdict = json!({ "value": value, "ac": code, "av": self.version, "ad": words });
            laid.verdicts.insert(name.clone(), verdict);
        }
        laid
    }
}

impl Laid {
    /// The wishes that are in force.
    pub fn fulfilled(&self) -> Vec<&str> {
        let fulfilled = self.verdicts.iter().filter(|(_, verdict)| verdict["ac"] == 200);
        fulfilled.map(|(name, _)| name.as_str()).collect()
    }
}

/// What can be wished.
pub fn names() -> [&'static str; 5] {
    WISHES.map(|(name, _)| name)
}

fn texts(value: &Value) -> Result<impl Iterator<Item = Result<&str, String>>, String> {
    let list = value.as_array().ok_or("a list of texts is expected")?;
    Ok(list.iter().map(|item| item.as_str().ok_or_else(|| "a list of texts is expected".to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn config() -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sensor.toml");
        let text = "version = 1\ninterfaces = [\"eth1\"]\nfilter = \"udp\"\n[azure]\nid_scope = \"0ne\"\n\
                    registration_id = \"r\"\nkey_file = \"/k\"\nsnapshot_hours = 24\ntwin = true\n";
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap()
    }

    fn wishes(value: Value) -> Wishes {
        let Value::Object(properties) = value else { panic!("an object") };
        Wishes { version: 3, properties }
    }

    #[test]
    fn a_wish_wins_over_the_file_and_no_wish_leaves_it() {
        let laid = wishes(json!({
            "filter": "not port 443", "local_networks": ["10.0.0.0/8"], "muted": ["new_device"],
            "snapshot_hours": 1, "snapshot": "today",
        }))
        .over(config());
        assert_eq!(laid.config.filter.as_deref(), Some("not port 443"));
        assert!(laid.config.watched.policy.local.are_configured());
        assert_eq!(laid.config.watched.policy.muted, [FindingKind::NewDevice]);
        assert_eq!(laid.plan, Plan { hours: 1, asked: Some("today".to_owned()) });
        assert!(laid.verdicts.values().all(|v| v["ac"] == 200 && v["av"] == 3), "{:?}", laid.verdicts);
        let plain = Wishes::default().over(config());
        assert_eq!((plain.config, plain.plan.hours), (config(), 24));
        assert_eq!(wishes(json!({ "filter": "" })).over(config()).config.filter, None);
    }

    #[test]
    fn what_cannot_be_is_answered_and_changes_nothing() {
        for (name, value, reason) in [
            ("filter", json!("port ("), "not a capture filter"),
            ("filter", json!(7), "a text is expected"),
            ("local_networks", json!(["10.0.0.0/33"]), "is not a network"),
            ("local_networks", json!("10.0.0.0/8"), "a list of texts"),
            ("muted", json!(["all"]), "is not a kind of finding"),
            ("snapshot_hours", json!(-1), "0 to 744"),
            ("snapshot", json!("x".repeat(129)), "128 bytes"),
            ("bandwidth", json!(1), "not a setting of this sensor; filter, local_networks"),
        ] {
            let laid = wishes(json!({ name: value, "snapshot": "other" })).over(config());
            let verdict = &laid.verdicts[name];
            if name == "snapshot" {
                continue;
            }
            assert_eq!(verdict["ac"], 400, "{name} {value}");
            assert!(verdict["ad"].as_str().unwrap().contains(reason), "{verdict}");
            assert_eq!(laid.config, config());
            assert_eq!(laid.plan.asked.as_deref(), Some("other"), "the other wish holds");
        }
        assert_eq!(
            wishes(json!({ "snapshot": "x".repeat(129) })).over(config()).verdicts["snapshot"]["ac"],
            400
        );
    }

    #[test]
    fn wishes_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("i.sqlite");
        assert_eq!(Wishes::read(&database), Wishes::default());
        let wanted = wishes(json!({ "filter": "udp" }));
        wanted.keep(&database).unwrap();
        assert_eq!(Wishes::read(&database), wanted);
    }
}
