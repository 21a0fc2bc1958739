//! What a person may say about a device, checked.

use eyot_contract::DeviceType;

/// Longest name, vendor, model, location or tag, in characters.
pub const MAX_TEXT: usize = 120;
/// Longest note, in characters.
pub const MAX_NOTES: usize = 2_000;
/// Most tags of a device.
pub const MAX_TAGS: usize = 20;
/// The importances, least first.
pub const IMPORTANCES: [&str; 3] = ["low", "normal", "high"];

/// A change. `None` leaves a field as it is; of name, type, vendor and model, an empty text gives it back to the sensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Name.
    pub name: Option<String>,
    /// Type's name.
    pub device_type: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Where it stands.
    pub location: Option<String>,
    /// Importance.
    pub importance: Option<String>,
    /// These tags and no others.
    pub tags: Option<Vec<String>>,
    /// These beside those it has.
    pub add_tags: Vec<String>,
    /// Notes.
    pub notes: Option<String>,
    /// Whether it may be here; `Some(None)` takes the decision back.
    pub authorized: Option<Option<bool>>,
}

impl Edit {
    /// The same with every value checked and trimmed.
    ///
    /// # Errors
    /// Which value cannot be taken.
    pub fn checked(mut self) -> Result<Self, String> {
        let texts = [
            ("name", &mut self.name, MAX_TEXT),
            ("vendor", &mut self.vendor, MAX_TEXT),
            ("model", &mut self.model, MAX_TEXT),
            ("location", &mut self.location, MAX_TEXT),
            ("notes", &mut self.notes, MAX_NOTES),
        ];
        for (field, value, longest) in texts {
            let Some(text) = value.as_mut() else { continue };
            *text = text.trim().to_owned();
            let wrong = |c: char| c.is_control() && !(field == "notes" && matches!(c, '\n' | '\r' | '\t'));
            if text.chars().count() > longest || text.chars().any(wrong) {
                return Err(format!("{field}: at most {longest} characters, no control characters"));
            }
        }
        if let Some(name) = self.device_type.as_deref().filter(|t| !t.is_empty()) {
            name.parse::<DeviceType>()?;
        }
        if let Some(name) = self.importance.as_deref().filter(|i| !IMPORTANCES.contains(i)) {
            return Err(format!("importance: \"{name}\" is not one of {}", IMPORTANCES.join(", ")));
        }
        for tags in [self.tags.as_mut(), Some(&mut self.add_tags)].into_iter().flatten() {
            *tags = tags.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
            // they are searched for as JSON texts, quotes and all
            let wrong = |c: char| c.is_control() || matches!(c, '"' | '\\' | ',');
            if tags.len() > MAX_TAGS || tags.iter().any(|t| t.chars().count() > MAX_TEXT || t.contains(wrong))
            {
                return Err(format!(
                    "tags: at most {MAX_TAGS} of at most {MAX_TEXT} characters, without commas, quotes and backslashes"
                ));
            }
        }
        match self.fields().is_empty() {
            true => Err("nothing to change".to_owned()),
            false => Ok(self),
        }
    }

    /// Names of the fields it changes.
    pub fn fields(&self) -> Vec<&'static str> {
        let all = [
            ("hostname", self.name.is_some()),
            ("type", self.device_type.is_some()),
            ("vendor", self.vendor.is_some()),
            ("model", self.model.is_some()),
            ("location", self.location.is_some()),
            ("importance", self.importance.is_some()),
            ("tags", self.tags.is_some() || !self.add_tags.is_empty()),
            ("notes", self.notes.is_some()),
            ("authorized", self.authorized.is_some()),
        ];
        all.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_checked_and_trimmed() {
        let given = Edit { name: Some(" a ".to_owned()), add_tags: vec![" x".to_owned()], ..Edit::default() };
        let checked = given.checked().unwrap();
        assert_eq!(
            (checked.name.as_deref(), checked.add_tags.as_slice()),
            (Some("a"), &["x".to_owned()][..])
        );
        for wrong in [
            Edit::default(),
            Edit { device_type: Some("teleporter".to_owned()), ..Edit::default() },
            Edit { importance: Some("huge".to_owned()), ..Edit::default() },
            Edit { vendor: Some("a\nb".to_owned()), ..Edit::default() },
            Edit { tags: Some(vec!["a\"b".to_owned()]), ..Edit::default() },
            Edit { notes: Some("n".repeat(MAX_NOTES + 1)), ..Edit::default() },
        ] {
            assert!(wrong.clone().checked().is_err(), "{wrong:?}");
        }
    }
}
