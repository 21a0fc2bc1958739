//! Keeps firewall and adapters as the settings want them, at every round and whenever the kernel has news of adapters.
//!
//! The daemon's round waits for a portal that may not answer; a monitored adapter that flapped, was renamed, or came back
//! with its driver must not wait that long. So this part of the round is here, remembers what was last wanted, and can be
//! called between two waits. It also watches over rules on trial.

use std::time::Instant;

use eyot_contract::settings::Settings;

use crate::apply::firewall::trial::{self, Trial};
use crate::apply::{self, nic, Caution, Listening};
use crate::host::{Host, HostError};

/// What it takes to put things right again.
#[derive(Default)]
pub struct Keeper {
    refusals: nic::Refusals,
    wanted: Option<(Settings, Option<String>)>,
    /// What was put back between rounds, for the next round to tell.
    corrected: Vec<String>,
    changes: Vec<String>,
    /// Since when rules of ours are on trial.
    trial: Option<Instant>,
}

impl Keeper {
    /// Makes things as the settings want them. `reached`: the portal acknowledged the latest report, so it would be
    /// noticed if new rules cut it off.
    ///
    /// # Errors
    /// The machine itself failing.
    pub fn round(
        &mut self,
        host: &dyn Host,
        settings: &Settings,
        portal: Option<&str>,
        reached: bool,
    ) -> Result<Listening, HostError> {
        self.look_after_trials(host)?;
        let caution = match reached {
            true => Caution::Trial(std::process::id()),
            false => Caution::None,
        };
        let mut state = apply::listen_by(host, None, settings, portal, &mut self.refusals, caution)?;
        self.wanted = Some((settings.clone(), portal.map(str::to_owned)));
        if self.trial.is_none() && self.own_trial(host)?.is_some() {
            self.trial = Some(Instant::now());
        }
        state.changes.splice(0..0, self.changes.drain(..));
        state.corrected.append(&mut self.corrected);
        state.corrected.sort_unstable();
        state.corrected.dedup();
        Ok(state)
    }

    /// Puts things right between rounds. Nothing is done before the first round.
    ///
    /// # Errors
    /// The machine itself failing.
    pub fn tend(&mut self, host: &dyn Host) -> Result<(), HostError> {
        let Some((settings, portal)) = self.wanted.clone() else { return Ok(()) };
        let state = apply::listen(host, &settings, portal.as_deref(), &mut self.refusals)?;
        self.changes.extend(state.changes);
        self.corrected.extend(state.corrected);
        Ok(())
    }

    /// Whether rules of ours are on trial.
    pub fn has_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Ends a trial of ours, one way or the other, when its outcome is known. Says what came of it.
    ///
    /// # Errors
    /// nft or the disk.
    pub fn judge(&mut self, host: &dyn Host, reached: bool) -> Result<Option<String>, HostError> {
        let Some(since) = self.trial else { return Ok(None) };
        let Some(trial) = self.own_trial(host)? else {
            self.trial = None;
            return Ok(None);
        };
        if reached {
            trial.confirm(host)?;
            self.trial = None;
            return Ok(Some("the portal is reached with the new firewall rules; they stay".to_owned()));
        }
        if since.elapsed() < trial::PATIENCE {
            return Ok(None);
        }
        trial.take_back(host, "the portal was not reached with them")?;
        self.trial = None;
        Ok(Some("the portal is not reached with the new firewall rules; they were taken back".to_owned()))
    }

    /// A trial whose watcher is gone ends here: nobody else will take the rules back.
    fn look_after_trials(&self, host: &dyn Host) -> Result<(), HostError> {
        let Some(trial) = Trial::under_way(host)? else { return Ok(()) };
        let ours_from_before = trial.watcher == std::process::id() && self.trial.is_none();
        if ours_from_before || !trial.is_watched() {
            tracing::warn!("firewall rules on trial are taken back: whoever tried them is gone");
            trial.take_back(host, "nobody confirmed them")?;
        }
        Ok(())
    }

    fn own_trial(&self, host: &dyn Host) -> Result<Option<Trial>, HostError> {
        Ok(Trial::under_way(host)?.filter(|t| t.watcher == std::process::id()))
    }
}
