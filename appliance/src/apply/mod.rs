//! Making the machine as the settings say: plan, do, verify, undo.
//!
//! Plans are pure and say nothing when nothing needs doing, so a second run changes nothing. Each part of the work is
//! undone as a whole when one of its steps fails or when the machine afterwards is not as planned; the management
//! interface stays reachable throughout.

pub mod apt;
pub mod data_volume;
pub mod firewall;
pub mod network;
pub mod nic;
pub mod role;
pub mod sensor;

use eyot_contract::settings::Settings;
use eyot_contract::ConditionCode;

use crate::host::{Host, HostError};
use crate::settings::chain;

pub use role::Roles;

/// Why a part of the work did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It failed, and all is as before.
    #[error("{what} could not be applied and was put back as it was")]
    Undone {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// It failed, and so did putting it back.
    #[error("{what} could not be applied, and putting it back failed too ({undo}); restart the appliance")]
    Stuck {
        /// Which part.
        what: &'static str,
        /// Why putting back failed.
        undo: String,
        /// Why.
        #[source]
        cause: Cause,
    },
}

/// The first thing that went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A step failed.
    #[error(transparent)]
    Step(#[from] HostError),
    /// Every step worked, and yet the machine is not as planned.
    #[error("afterwards {0}")]
    Verify(String),
}

impl ApplyError {
    fn after(what: &'static str, cause: Cause, undone: Result<(), HostError>) -> Self {
        match undone {
            Ok(()) => Self::Undone { what, cause },
            Err(e) => Self::Stuck { what, undo: chain(&e), cause },
        }
    }
}

/// How the machine stands after [`listen`].
#[derive(Debug, Default)]
pub struct Listening {
    /// Which adapter does what.
    pub roles: Roles,
    /// What is wrong, for health.
    pub problems: Vec<(ConditionCode, String)>,
    /// What had to be changed, for people; empty on a second run.
    pub changes: Vec<String>,
    /// Capture adapters that were not as they should be.
    pub corrected: Vec<String>,
}

/// How new rules are put in force when the machine has others already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// At once: nobody could say whether the machine is still reached.
    None,
    /// On trial, watched over by this process.
    Trial(u32),
}

/// Puts the firewall in force and then brings the capture adapters up. Never touches the management adapter.
///
/// Without rules in force no capture adapter is brought up, and one that is up is taken down.
pub fn listen(
    host: &dyn Host,
    settings: &Settings,
    portal: Option<&str>,
    refusals: &mut nic::Refusals,
) -> Result<Listening, HostError> {
    listen_by(host, None, settings, portal, refusals, Caution::None)
}

/// The same with roles that were decided already, and with new rules put on trial where `caution` says so.
///
/// # Errors
/// As [`listen`].
pub fn listen_by(
    host: &dyn Host,
    roles: Option<Roles>,
    settings: &Settings,
    portal: Option<&str>,
    refusals: &mut nic::Refusals,
    caution: Caution,
) -> Result<Listening, HostError> {
    let adapters = host.adapters()?;
    let roles = match roles {
        Some(roles) => roles,
        None => role::decide(host, settings, &adapters)?,
    };
    let mut state = Listening { roles, ..Listening::default() };
    state.problems.extend(state.roles.complaints.iter().cloned());
    let data_volume = data_volume::Record::load(host)?.and_then(|record| record.problem);
    state.problems.extend(data_volume.map(|problem| (ConditionCode::DataVolume, problem)));

    let rules = firewall::wanted(host, settings, &state.roles, portal)?;
    let in_force = match firewall::apply_with(host, &rules, state.roles.management.as_deref(), caution) {
        Ok(firewall::Applied::Already) => true,
        Ok(firewall::Applied::Loaded) => {
            state.changes.push("firewall rules loaded".to_owned());
            true
        }
        Ok(firewall::Applied::OnTrial { begun }) => {
            if begun {
                state.changes.push("firewall rules loaded, on trial until the portal is reached".to_owned());
            }
            true
        }
        Ok(firewall::Applied::Refused(why)) => {
            let detail = format!("new rules were taken back: {why}; those of before are in force. Change the settings, or try again with `eyot-appliance firewall apply`");
            state.problems.push((ConditionCode::FirewallFailed, detail));
            true
        }
        Err(error) => {
            state.problems.push((ConditionCode::FirewallFailed, chain(&error)));
            false
        }
    };
    for adapter in adapters.iter().filter(|a| state.roles.captures(&a.name)) {
        if !in_force {
            if adapter.flags.up {
                nic::take_down(host, adapter)?;
                state.changes.push(format!("{} taken down", adapter.name));
            }
            continue;
        }
        match nic::prepare(host, adapter, refusals) {
            Ok(done) if done.is_empty() => {}
            Ok(done) => {
                state.changes.push(format!("{}: {}", adapter.name, done.join(", ")));
                state.corrected.push(adapter.name.clone());
            }
            Err(error) => state.problems.push((ConditionCode::SanityFailed, chain(&error))),
        }
    }
    if in_force {
        for adapter in adapters.iter().filter(|a| state.roles.ends_tunnels(&a.name)) {
            match nic::prepare_tunnel(host, adapter, refusals) {
                Ok(done) if done.is_empty() => {}
                Ok(done) => state.changes.push(format!("{}: {}", adapter.name, done.join(", "))),
                Err(error) => state.problems.push((ConditionCode::SanityFailed, chain(&error))),
            }
        }
    }
    role::Memory::keep(host, &state.roles, &adapters)?;
    Ok(state)
}

#[cfg(test)]
mod tests;
