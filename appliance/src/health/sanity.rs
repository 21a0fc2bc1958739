//! Is the machine itself in order: services, versions, disk, memory, processors, time, monitored interfaces. No question
//! goes out to the network; `validate` asks those.

use eyot_contract::{ConditionCode, Timestamp};

use super::validate::{self, Check, Outcome};
use super::{latest, sensor_status, watch, STALE_S};
use crate::activate::Identity;
use crate::apply::role;
use crate::host::{Host, Resources};
use crate::settings::{chain, Gathered};

/// The agent's unit.
const AGENT: &str = "eyot-appliance.service";
const SENSOR: &str = "eyot-sensor.service";
const FIREWALL: &str = "eyot-firewall.service";
/// Less memory available than one part in so many is worth a word.
const MEMORY_SHARE: u64 = 20;

/// What a machine of this size is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: &'static str,
    /// Mirrored traffic that it keeps up with.
    pub traffic: &'static str,
    processors: u32,
    memory_gib: u64,
    disk_gb: u64,
}

/// Largest first. A kernel sees less memory and a file system less disk than was bought: [`Tier::fits`] allows for that.
pub const TIERS: [Tier; 2] = [
    Tier { name: "large", traffic: "15 Gb/s", processors: 8, memory_gib: 32, disk_gb: 500 },
    Tier { name: "medium", traffic: "1 Gb/s", processors: 4, memory_gib: 16, disk_gb: 250 },
];
/// Share of memory and disk that is really there, in percent.
const REALLY_THERE: u64 = 90;

impl Tier {
    /// The largest tier that a machine reaches.
    pub fn of(resources: &Resources) -> Option<Self> {
        TIERS.into_iter().find(|t| t.fits(resources))
    }

    fn fits(self, resources: &Resources) -> bool {
        resources.processors >= self.processors
            && resources.memory >= (self.memory_gib << 30) / 100 * REALLY_THERE
            && resources.disk >= self.disk_gb * 1_000_000_000 / 100 * REALLY_THERE
    }
}

/// Looks at everything.
pub fn sanity(host: &dyn Host, gathered: &Gathered, now: Timestamp) -> (Vec<Check>, Option<Tier>) {
    let activated = Identity::load(host).ok().flatten().is_some();
    let resources = host.resources();
    let mut checks = vec![service(host, "agent", AGENT, true, resources.as_ref().ok())];
    checks.push(report(host, now));
    checks.push(service(host, "sensor", SENSOR, activated, resources.as_ref().ok()));
    checks.push(service(host, "firewall", FIREWALL, false, resources.as_ref().ok()));
    checks.push(versions(host));
    let tier = match &resources {
        Ok(resources) => {
            checks.push(match watch::disk(resources) {
                Some((code, detail)) => Check::of("disk", code, detail),
                None => Check::passed(
                    "disk",
                    format!("{} MiB of {} MiB are free", resources.disk_free >> 20, resources.disk >> 20),
                ),
            });
            checks.push(memory(resources));
            checks.push(size(resources));
            Tier::of(resources)
        }
        Err(error) => {
            checks.push(Check::of("disk", ConditionCode::SanityFailed, chain(error)));
            None
        }
    };
    checks.push(clock(host));
    checks.push(interfaces(host, gathered));
    (checks, tier)
}

fn service(
    host: &dyn Host,
    name: &'static str,
    unit: &str,
    wanted: bool,
    resources: Option<&Resources>,
) -> Check {
    let said = match host
        .run("systemctl", &["show", unit, "--property=ActiveState,ActiveEnterTimestampMonotonic"])
    {
        Ok(said) => said,
        Err(error) => return Check::of(name, ConditionCode::SanityFailed, chain(&error)),
    };
    let value = |key: &str| said.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    let state = value("ActiveState").unwrap_or("unknown");
    match (state, wanted) {
        ("active", _) => {
            let since_us = value("ActiveEnterTimestampMonotonic").and_then(|v| v.parse::<u64>().ok());
            let running = since_us
                .zip(resources)
                .map(|(since_us, r)| duration(r.uptime_s.saturating_sub(since_us / 1_000_000)));
            Check::passed(name, running.map_or_else(|| "running".to_owned(), |d| format!("running for {d}")))
        }
        (state, false) => Check::not_tried(name, format!("{unit} is {state}")),
        (state, true) if unit == SENSOR => {
            Check::of(name, ConditionCode::SensorStopped, format!("{unit} is {state}"))
        }
        (state, true) => Check::of(name, ConditionCode::SanityFailed, format!("{unit} is {state}")),
    }
}

fn duration(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn report(host: &dyn Host, now: Timestamp) -> Check {
    const NAME: &str = "health report";
    match latest(host) {
        Ok(Some(report)) if now.seconds() - report.at.seconds() <= STALE_S => {
            Check::passed(NAME, format!("of {}", report.at))
        }
        Ok(Some(report)) => {
            Check::of(NAME, ConditionCode::SanityFailed, format!("the latest is of {}", report.at))
        }
        Ok(None) => Check::of(NAME, ConditionCode::SanityFailed, "there is none"),
        Err(error) => Check::of(NAME, ConditionCode::SanityFailed, chain(&error)),
    }
}

/// Agent and sensor come from one package; two versions mean that one of them was not restarted.
fn versions(host: &dyn Host) -> Check {
    const NAME: &str = "versions";
    match sensor_status(host).map(|s| s.version).filter(|v| !v.is_empty()) {
        None => Check::passed(NAME, format!("agent {}", crate::VERSION)),
        Some(sensor) if sensor == crate::VERSION => Check::passed(NAME, format!("agent and sensor {sensor}")),
        Some(sensor) => Check::plain(
            NAME,
            Outcome::Warning,
            format!("the agent is {} and the sensor {sensor}", crate::VERSION),
            "restart both: `systemctl restart eyot-appliance eyot-sensor`",
        ),
    }
}

fn memory(resources: &Resources) -> Check {
    const NAME: &str = "memory";
    let words =
        format!("{} MiB of {} MiB are available", resources.memory_available >> 20, resources.memory >> 20);
    match resources.memory_available < resources.memory / MEMORY_SHARE {
        false => Check::passed(NAME, words),
        true => Check::plain(NAME, Outcome::Warning, words, "give the appliance more memory"),
    }
}

fn size(resources: &Resources) -> Check {
    const NAME: &str = "size";
    let frequency = match resources.megahertz {
        0 => String::new(),
        mhz => format!(" at {:.1} GHz", mhz as f64 / 1000.0),
    };
    let words = format!(
        "{} processors{frequency}, {} GiB of memory, {} GB of disk",
        resources.processors,
        resources.memory >> 30,
        resources.disk / 1_000_000_000
    );
    match Tier::of(resources) {
        Some(tier) => Check::passed(NAME, format!("{words}: {}, up to {}", tier.name, tier.traffic)),
        None => {
            let [_, least] = TIERS;
            Check::plain(
                NAME,
                Outcome::Warning,
                format!("{words}: less than the smallest supported size"),
                format!(
                    "give it {} processors, {} GiB of memory and {} GB of disk for up to {}",
                    least.processors, least.memory_gib, least.disk_gb, least.traffic
                ),
            )
        }
    }
}

fn clock(host: &dyn Host) -> Check {
    const NAME: &str = "time";
    match host.clock_is_kept() {
        Ok(true) => Check::passed(NAME, "a time service keeps the clock"),
        Ok(false) => Check::plain(
            NAME,
            Outcome::Warning,
            "no time service keeps the clock yet",
            "let the appliance reach an NTP server (UDP 123), or set time.servers; until then the agent sets the clock from the portal when it is far off",
        ),
        Err(error) => Check::of(NAME, ConditionCode::SanityFailed, chain(&error)),
    }
}

fn interfaces(host: &dyn Host, gathered: &Gathered) -> Check {
    const NAME: &str = "monitoring";
    let settings = match gathered.resolve() {
        Ok(decided) => decided.settings,
        Err(problem) => return Check::of(NAME, ConditionCode::SettingsInvalid, problem.to_string()),
    };
    match host.adapters() {
        Ok(adapters) => validate::capture(&adapters, &role::assign(&settings, &adapters)),
        Err(error) => Check::of(NAME, ConditionCode::SanityFailed, chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use crate::settings::gather;

    fn resources(processors: u32, memory_gib: u64, disk_gb: u64) -> Resources {
        Resources {
            processors,
            memory: memory_gib << 30,
            disk: disk_gb * 1_000_000_000,
            ..Resources::default()
        }
    }

    #[test]
    fn sizes_are_those_of_the_documentation() {
        let name = |r| Tier::of(&r).map(|t| t.name);
        assert_eq!(name(resources(8, 32, 500)), Some("large"));
        assert_eq!(name(resources(8, 31, 480)), Some("large"), "what a kernel sees of it");
        assert_eq!(name(resources(8, 24, 500)), Some("medium"));
        assert_eq!(name(resources(4, 16, 250)), Some("medium"));
        assert_eq!(name(resources(2, 16, 250)), None);
        let check = size(&resources(2, 4, 20));
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.remedy.contains("4 processors, 16 GiB of memory and 250 GB of disk"));
    }

    #[test]
    fn what_runs_says_since_when_and_what_does_not_is_named() {
        let host = Double::default();
        host.says(
            "systemctl show eyot-appliance.service --property=ActiveState,ActiveEnterTimestampMonotonic",
            "ActiveState=active\nActiveEnterTimestampMonotonic=4000000\n",
        );
        let up = Resources { uptime_s: 3_665, ..Resources::default() };
        let check = service(&host, "agent", AGENT, true, Some(&up));
        assert_eq!((check.outcome, check.detail.as_str()), (Outcome::Passed, "running for 01:01:01"));
        host.says(
            "systemctl show eyot-sensor.service --property=ActiveState,ActiveEnterTimestampMonotonic",
            "ActiveState=failed\n",
        );
        let check = service(&host, "sensor", SENSOR, true, Some(&up));
        assert_eq!((check.outcome, check.code), (Outcome::Failed, Some(ConditionCode::SensorStopped)));
        assert_eq!(service(&host, "sensor", SENSOR, false, Some(&up)).outcome, Outcome::NotTried);
    }

    #[test]
    fn p21_two_versions_side_by_side_are_told() {
        let host = Double::default();
        assert_eq!(versions(&host).outcome, Outcome::Passed);
        host.put(crate::paths::SENSOR_STATUS, r#"{"version":"0.0.1"}"#);
        let check = versions(&host);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.detail.contains("the sensor 0.0.1"));
    }

    #[test]
    fn a_machine_that_says_nothing_is_down() {
        let (checks, tier) = sanity(&Double::default(), &gather(&Double::default()), Timestamp::now());
        assert_eq!(tier, None);
        assert_eq!(validate::exit_code(&checks), 2);
        assert!(checks.iter().any(|c| c.name == "health report" && c.outcome == Outcome::Failed));
    }
}
