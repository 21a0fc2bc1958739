//! Rules on trial: in force, not on disk, and taken back unless somebody confirms that the machine is still reached.
//!
//! Everything about a trial lies in volatile files, so a machine that is switched off meanwhile boots with the old rules.
//! Who watches over it is written there too. By hand (`firewall apply`) it is a process of its own that sleeps until the
//! time is up: it needs neither the terminal nor the network that the new rules may have cut. The daemon watches over its
//! own trials, and finds one whose watcher is gone.

use std::path::Path;
use std::time::Duration;

use eyot_contract::Timestamp;
use serde::{Deserialize, Serialize};

use super::{early, is_up, load, undo, verify, Ruleset, WHAT};
use crate::apply::ApplyError;
use crate::host::{Access, Host, HostError};
use crate::paths;

/// How long rules on trial may keep the portal from being reached.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A trial under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The rules' mark.
    pub mark: String,
    /// The process that takes them back.
    pub watcher: u32,
    /// When that process started, as the kernel counts: another one may get its number.
    #[serde(default)]
    started: Option<String>,
    /// When they are taken back if nobody confirms them, for people: the watcher counts seconds, whatever the clock does.
    #[serde(default = "Timestamp::now")]
    pub until: Timestamp,
    /// The rules' text.
    text: String,
    /// What was in force before.
    before: String,
}

/// What is to be told of rules that were taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The rules' mark.
    pub mark: String,
    /// Why.
    pub why: String,
}

impl Trial {
    /// Puts rules in force and leaves those on disk as they are. `None` if these very rules are in force already.
    ///
    /// # Errors
    /// Rules the kernel refuses; then the old rules are back.
    pub fn begin(
        host: &dyn Host,
        rules: &Ruleset,
        management: Option<&str>,
        watcher: u32,
    ) -> Result<Option<Self>, ApplyError> {
        let before = host.run("nft", &["list", "ruleset"]).map_err(early)?;
        if before.contains(&rules.mark) {
            return Ok(None);
        }
        let saved = host.read(paths::FIREWALL).map_err(early)?;
        let reachable = is_up(host, management).map_err(early)?;
        let started = started(watcher);
        let trial = Self {
            mark: rules.mark.clone(),
            watcher,
            started,
            until: after(PATIENCE),
            text: rules.text.clone(),
            before,
        };
        // written first: whoever dies after the loading leaves the way back behind
        trial.save(host).map_err(early)?;
        let mut loaded = false;
        let outcome = load(host, rules, &mut loaded)
            .and_then(|()| verify(host, rules, management, reachable))
            .and_then(|()| Ok(host.remove(paths::FIREWALL_CANDIDATE)?));
        match outcome {
            Ok(()) => Ok(Some(trial)),
            Err(cause) => {
                let undone = undo(host, loaded.then_some(&trial.before), saved.as_deref());
                let undone = undone.and(host.remove(paths::FIREWALL_TRIAL));
                Err(ApplyError::after(WHAT, cause, undone))
            }
        }
    }

    /// Says who watches and for how long, once that process is there.
    ///
    /// # Errors
    /// The disk.
    pub fn watched_by(self, host: &dyn Host, watcher: u32, patience: Duration) -> Result<Self, HostError> {
        let trial = Self { watcher, started: started(watcher), until: after(patience), ..self };
        trial.save(host)?;
        Ok(trial)
    }

    /// The trial under way, if there is one.
    ///
    /// # Errors
    /// The disk.
    pub fn under_way(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(paths::FIREWALL_TRIAL)?.and_then(|t| serde_json::from_slice(&t).ok()))
    }

    /// Whether its rules are those in force.
    ///
    /// # Errors
    /// nft.
    pub fn in_force(&self, host: &dyn Host) -> Result<bool, HostError> {
        Ok(host.run("nft", &["list", "ruleset"])?.contains(&self.mark))
    }

    /// Whether its watcher still lives.
    pub fn is_watched(&self) -> bool {
        self.started.is_some() && started(self.watcher) == self.started
    }

    /// The machine is reached: the rules stay, also after the next boot.
    ///
    /// # Errors
    /// The disk.
    pub fn confirm(self, host: &dyn Host) -> Result<(), HostError> {
        host.write(paths::FIREWALL, self.text.as_bytes(), Access::Root)?;
        host.remove(paths::FIREWALL_REFUSED)?;
        host.remove(paths::FIREWALL_TRIAL)
    }

    /// The old rules again. These will not be tried anew until the settings ask for others or somebody confirms them.
    ///
    /// # Errors
    /// nft or the disk.
    pub fn take_back(self, host: &dyn Host, why: &str) -> Result<(), HostError> {
        let text = format!("flush ruleset\n{}", self.before);
        host.write(paths::FIREWALL_BEFORE, text.as_bytes(), Access::Root)?;
        host.run("nft", &["-f", paths::FIREWALL_BEFORE])?;
        host.remove(paths::FIREWALL_BEFORE)?;
        let refused = Refused { mark: self.mark, why: why.to_owned() };
        let text = serde_json::to_vec(&refused).unwrap_or_default();
        host.write(paths::FIREWALL_REFUSED, &text, Access::Root)?;
        host.remove(paths::FIREWALL_TRIAL)
    }

    fn save(&self, host: &dyn Host) -> Result<bool, HostError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        host.write(paths::FIREWALL_TRIAL, &text, Access::Root)
    }
}

impl Refused {
    /// The rules that were taken back last, since the machine started.
    ///
    /// # Errors
    /// The disk.
    pub fn last(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(paths::FIREWALL_REFUSED)?.and_then(|t| serde_json::from_slice(&t).ok()))
    }
}

fn after(patience: Duration) -> Timestamp {
    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_seconds(Timestamp::now().seconds().saturating_add(seconds))
}

/// When a living process started, in the kernel's ticks since boot (proc(5), /proc/PID/stat); `None` for one that has ended
/// and only waits for its parent.
fn started(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // the second field is a name that may hold blanks and brackets
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::started;

    #[test]
    fn a_process_is_told_from_another_of_its_number() {
        let own = started(std::process::id()).unwrap();
        assert!(own.parse::<u64>().unwrap() > 0);
        assert_eq!(started(std::process::id()), Some(own));
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let id = ended.id();
        while started(id).is_some() {
            std::thread::yield_now();
        }
        ended.wait().unwrap();
        assert_eq!(started(id), None);
    }
}
