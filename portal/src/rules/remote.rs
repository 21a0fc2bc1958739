//! Which settings hold for a sensor: its own before its zone's before the site's, setting by setting, and where a sensor
//! stands with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::secret;

/// How much of the SHA-256 names a version.
const VERSION: usize = 12;

/// Where a setting holds. The later one is the narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every sensor of the site.
    Site,
    /// Every sensor of a zone, those to come included.
    Zone,
    /// One sensor.
    Sensor,
}

impl Scope {
    /// All of them, the widest first.
    pub const ALL: [Self; 3] = [Self::Site, Self::Zone, Self::Sensor];

    /// Name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Zone => "zone",
            Self::Sensor => "sensor",
        }
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What holds for one sensor: each setting with where it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective(BTreeMap<String, (Scope, Value)>);

impl Effective {
    /// Takes a setting in, unless a narrower one is there.
    pub fn take(&mut self, scope: Scope, name: &str, value: &Value) {
        if self.0.get(name).is_none_or(|(other, _)| *other <= scope) {
            self.0.insert(name.to_owned(), (scope, value.clone()));
        }
    }

    /// Each setting's name, scope and value.
    pub fn each(&self) -> impl Iterator<Item = (&str, Scope, &Value)> {
        self.0.iter().map(|(name, (scope, value))| (name.as_str(), *scope, value))
    }

    /// As sensors are given them.
    pub fn settings(&self) -> Map<String, Value> {
        self.each().map(|(name, _, value)| (name.to_owned(), value.clone())).collect()
    }

    /// Changes with the settings, and only with them.
    pub fn version(&self) -> String {
        let lines: String = self.each().map(|(name, _, value)| format!("{name}\t{value}\n")).collect();
        let mut version = secret::hash(lines.as_bytes());
        version.truncate(VERSION);
        version
    }
}

/// Where a sensor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has never asked: not activated, or of a version before settings.
    NotAsked,
    /// It has not said yet that these settings are in force.
    Pending,
    /// They are, but for what it refuses.
    Refused,
    /// They are.
    Applied,
}

impl Standing {
    /// Of a sensor that says this version is in force.
    pub fn of(version: &str, in_force: Option<&str>, asked: bool, refused: usize) -> Self {
        match in_force {
            _ if !asked => Self::NotAsked,
            Some(has) if has == version && refused > 0 => Self::Refused,
            Some(has) if has == version => Self::Applied,
            _ => Self::Pending,
        }
    }

    /// Name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked_yet",
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Applied => "applied",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::NotAsked => "Not asked yet",
            Self::Pending => "Pending",
            Self::Refused => "Refused in part",
            Self::Applied => "Applied",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_narrower_wins_whatever_the_order_setting_by_setting() {
        let all = [
            (Scope::Site, "filter", json!("site")),
            (Scope::Site, "bandwidth_kbps", json!(1000)),
            (Scope::Zone, "filter", json!("zone")),
            (Scope::Zone, "subnets", json!(["10.0.0.0/8"])),
            (Scope::Sensor, "filter", json!("sensor")),
        ];
        let (mut one, mut other) = (Effective::default(), Effective::default());
        for (scope, name, value) in &all {
            one.take(*scope, name, value);
        }
        for (scope, name, value) in all.iter().rev() {
            other.take(*scope, name, value);
        }
        assert_eq!(one, other);
        let said: Vec<_> = one.each().map(|(name, scope, value)| (name, scope, value.clone())).collect();
        assert_eq!(
            said,
            [
                ("bandwidth_kbps", Scope::Site, json!(1000)),
                ("filter", Scope::Sensor, json!("sensor")),
                ("subnets", Scope::Zone, json!(["10.0.0.0/8"])),
            ]
        );
        assert_eq!(one.version(), other.version());
        assert_ne!(one.version(), Effective::default().version());
    }

    #[test]
    fn a_sensor_is_believed_only_about_the_present_version() {
        assert_eq!(Standing::of("a", None, false, 0), Standing::NotAsked);
        assert_eq!(Standing::of("a", None, true, 0), Standing::Pending);
        assert_eq!(Standing::of("a", Some("b"), true, 1), Standing::Pending);
        assert_eq!(Standing::of("a", Some("a"), true, 1), Standing::Refused);
        assert_eq!(Standing::of("a", Some("a"), true, 0), Standing::Applied);
    }
}
