//! How things stand, told to the platform, where the owner of the machine looks before anywhere else.
//!
//! VMware: `guestinfo.eyot.state` and `guestinfo.eyot.detail`, shown by `govc vm.info -e`. Hyper-V: the pairs `EyotState`
//! and `EyotDetail` in pool 1, shown by `Msvm_KvpExchangeComponent.GuestExchangeItems`. The words are the report's own
//! and hold no secret. A platform that does not listen is no news.

use eyot_contract::HealthReport;

use crate::datasource::{guestinfo, kvp};
use crate::host::Host;
use crate::settings::chain;

/// What was told last; only changes are told.
#[derive(Debug, Default)]
pub struct Told(Option<(String, String)>);

impl Told {
    /// Tells the platform the worst condition of a report.
    pub fn tell(&mut self, host: &dyn Host, report: &HealthReport) {
        let Some(worst) = report.worst() else { return };
        let state = worst.code.title().to_owned();
        let detail = worst.detail.replace(['\n', '\0'], " ");
        if self.0.as_ref() == Some(&(state.clone(), detail.clone())) {
            return;
        }
        for failure in [pool(host, &state, &detail), variables(host, &state, &detail)].into_iter().flatten() {
            tracing::debug!("the platform was not told: {failure}");
        }
        self.0 = Some((state, detail));
    }
}

fn pool(host: &dyn Host, state: &str, detail: &str) -> Option<String> {
    kvp::tell(host, &[("EyotState", state), ("EyotDetail", detail)]).err().map(|e| chain(&e))
}

fn variables(host: &dyn Host, state: &str, detail: &str) -> Option<String> {
    match guestinfo::is_vmware(host) {
        Ok(false) => None,
        Ok(true) => [("state", state), ("detail", detail)].iter().find_map(|(key, value)| {
            guestinfo::set(host, &format!("{}{key}", guestinfo::PREFIX), value).err()
        }),
        Err(error) => Some(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use crate::paths;
    use eyot_contract::{Condition, ConditionCode, Timestamp};

    fn report(code: ConditionCode, detail: &str) -> HealthReport {
        HealthReport {
            at: Timestamp::from_seconds(0),
            version: String::new(),
            hostname: String::new(),
            conditions: vec![Condition::new(code, detail, Timestamp::from_seconds(0))],
            interfaces: Vec::new(),
            frames_captured: 0,
            frames_dropped: 0,
            devices: 0,
        }
    }

    #[test]
    fn changes_are_told_to_whoever_listens() {
        let host = Double::default();
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        host.put(paths::KVP_POOL_TO_HOST, "");
        let mut told = Told::default();
        told.tell(&host, &report(ConditionCode::PendingActivation, "no token"));
        assert_eq!(host.variable("guestinfo.eyot.state").unwrap(), "Pending activation");
        assert!(host.text(paths::KVP_POOL_TO_HOST).unwrap().contains("Pending activation"));
        told.tell(&host, &report(ConditionCode::Connected, "lobby"));
        assert_eq!(host.variable("guestinfo.eyot.detail").unwrap(), "lobby");
        host.take_log();
        told.tell(&host, &report(ConditionCode::Connected, "lobby"));
        assert!(host.take_log().is_empty(), "told twice");
        let deaf = Double::default();
        Told::default().tell(&deaf, &report(ConditionCode::Connected, "lobby"));
        assert!(deaf.take_log().is_empty());
    }
}
