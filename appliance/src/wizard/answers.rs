//! The operator's file as the wizard sees it: what was answered, checked as a whole before it is written.

use eyot_contract::settings::{resolve, Layer, Settings};

use crate::host::{Access, Host, HostError};
use crate::paths;

const HEAD: &str =
    "# Written by the console wizard; an operator may edit it. Strongest source of settings:\n\
                    # \"eyot-appliance settings\" lists every key.\n";

/// What was answered so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers(Layer);

impl Answers {
    /// What the file says already. One that cannot be read is an operator's mistake that the wizard may correct: it begins
    /// with nothing.
    ///
    /// # Errors
    /// The file is there and the machine does not give it.
    pub fn load(host: &dyn Host) -> Result<Self, HostError> {
        let text = host.read(paths::LOCAL_SETTINGS)?.and_then(|c| String::from_utf8(c).ok());
        let layer = text.and_then(|t| Layer::from_toml(paths::LOCAL_SETTINGS, &t).ok());
        Ok(Self(layer.unwrap_or_else(|| Layer::new(paths::LOCAL_SETTINGS))))
    }

    /// What is answered for a key, or its default.
    pub fn get(&self, key: &str) -> String {
        let default = eyot_contract::settings::definition(key).map_or("", |d| d.default);
        self.0.values.get(key).map_or(default, String::as_str).trim().to_owned()
    }

    /// The same with these answers; an empty one takes an earlier one back. Why not, for people, if they cannot be.
    ///
    /// # Errors
    /// One line.
    pub fn with(&self, answers: &[(&str, &str)]) -> Result<Self, String> {
        let mut next = self.0.clone();
        for (key, value) in answers {
            next.set(key, value.trim()).map_err(|e| e.to_string())?;
        }
        next.values.retain(|_, value| !value.is_empty());
        resolve(std::slice::from_ref(&next)).map_err(|e| e.to_string())?;
        Ok(Self(next))
    }

    /// The settings they mean.
    pub fn settings(&self) -> Option<Settings> {
        resolve(std::slice::from_ref(&self.0)).ok().map(|r| r.settings)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The machine does not take it.
    pub fn keep(&self, host: &dyn Host) -> Result<(), HostError> {
        let text = format!("{HEAD}{}", self.0.to_toml());
        host.write(paths::LOCAL_SETTINGS, text.as_bytes(), Access::Root).map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    #[test]
    fn answers_are_kept_beside_what_the_operator_wrote() {
        let host = Double::default();
        host.put(
            paths::LOCAL_SETTINGS,
            "version = 1\n[host]\nname = \"one\"\n[proxy]\nurl = \"http://p:1\"\n",
        );
        let answers = Answers::load(&host).unwrap();
        assert_eq!(
            (answers.get("proxy.url").as_str(), answers.get("management.mode").as_str()),
            ("http://p:1", "dhcp")
        );
        let answers = answers.with(&[("proxy.url", ""), ("time.servers", "ntp.example")]).unwrap();
        answers.keep(&host).unwrap();
        let kept = host.text(paths::LOCAL_SETTINGS).unwrap();
        assert!(kept.contains("one") && kept.contains("ntp.example") && !kept.contains("p:1"), "{kept}");
        assert_eq!(host.state().files[paths::LOCAL_SETTINGS].1, Access::Root);
        assert_eq!(Answers::load(&host).unwrap(), answers);
    }

    #[test]
    fn what_cannot_be_is_refused_in_one_line_and_changes_nothing() {
        let answers = Answers::load(&Double::default()).unwrap();
        for wrong in [
            &[("management.mode", "static")][..],
            &[("management.mode", "static"), ("management.address", "192.0.2.10")],
            &[("proxy.url", "proxy.example")],
            &[("proxy.password", "x")],
        ] {
            let reason = answers.with(wrong).unwrap_err();
            assert!(!reason.contains('\n'), "{reason}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_may_be_corrected() {
        let host = Double::default();
        host.put(paths::LOCAL_SETTINGS, "version = 1\n[host\n");
        assert_eq!(Answers::load(&host).unwrap().get("host.name"), "");
    }
}
