//! Settings as one carrier wrote them: dotted keys and texts, read from and written to TOML.

use std::collections::BTreeMap;
use std::fmt;

use super::{definition, Definition, SettingsError, SETTINGS_VERSION};

/// Settings as one carrier wrote them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// Who offered them, for people: `/etc/eyot/seed.toml`, `cidata volume /dev/sr0`.
    pub origin: String,
    /// Key to text. Only keys that have a definition.
    pub values: BTreeMap<&'static str, String>,
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
