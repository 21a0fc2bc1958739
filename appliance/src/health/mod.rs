//! How things stand: observations in, conditions out.
//!
//! [`conditions`] is pure; the words come from the contract. [`Ledger`] remembers since when each condition holds,
//! [`Traffic`] since when each capture adapter has been quiet. The rooms beside it show the outcome: [`banner`] on the
//! console, [`validate`] step by step.

pub mod banner;
pub mod connection;
pub mod destinations;
pub mod management;
pub mod platform;
pub mod sanity;
pub mod validate;
pub mod watch;

use std::collections::BTreeMap;

use eyot_contract::{
    Condition, ConditionCode, HealthReport, InterfaceHealth, InterfaceRole, SensorStatus, Timestamp,
};

use crate::apply::{Listening, Roles};
use crate::host::{Access, Adapter, Host, HostError};
use crate::paths;

/// A capture adapter without a frame for this long is said to have no traffic, in seconds. Mirrors are rarely silent
/// for more than the 60 s of ARP and announcements.
pub const QUIET_S: i64 = 120;
/// Records that wait longer than this for the portal are worth a word, in seconds; the sensor reports every 60 s.
const UPLOAD_LATE_S: i64 = 300;
/// Share of frames lost between two looks that is worth a word.
const LOSS_WORTH_TELLING: f64 = 0.01;
/// A health report older than this, in seconds, means that nobody is writing it.
pub const STALE_S: i64 = 180;

/// The sensor's latest account of itself, if there is one.
pub fn sensor_status(host: &dyn Host) -> Option<SensorStatus> {
    serde_json::from_slice(&host.read(paths::SENSOR_STATUS).ok()??).ok()
}

/// How far the activation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// No token and no identity.
    Pending,
    /// The settings cannot be used, so nothing is known about a token.
    Unknown,
    /// Tried and failed.
    Failed(ConditionCode, String),
    /// No portal is meant to know of it: whom it reports to instead, and whether that works.
    Local {
        /// For people.
        detail: String,
        /// Whether nothing is wrong there.
        works: bool,
    },
    /// Activated; what the portal says now.
    Active {
        /// Name at the portal, and its address.
        detail: String,
        /// What came of the last report; `None` before the first.
        acknowledged: Option<Result<(), (ConditionCode, String)>>,
    },
}

/// Everything that bears on health, at one moment.
pub struct Observation<'a> {
    /// Adapters.
    pub adapters: &'a [Adapter],
    /// What applying the settings came to.
    pub listening: &'a Listening,
    /// Settings that cannot be used.
    pub settings_problem: Option<String>,
    /// Activation.
    pub activation: Activation,
    /// Whether the sensor's service runs.
    pub sensor_running: bool,
    /// What it says of itself now, and what it said at the last look.
    pub sensor: (Option<SensorStatus>, Option<SensorStatus>),
    /// Capture adapters that something else changed.
    pub drifted: &'a [String],
    /// Since when each capture adapter has been quiet.
    pub traffic: &'a Traffic,
    /// What else was found: management network, proxy, time, disk.
    pub besides: &'a [(ConditionCode, String)],
    /// The moment.
    pub now: Timestamp,
}

/// What holds, in no order.
pub fn conditions(seen: &Observation<'_>) -> Vec<(ConditionCode, String)> {
    use ConditionCode as C;
    let mut found = seen.listening.problems.clone();
    found.extend_from_slice(seen.besides);
    if let Some(problem) = &seen.settings_problem {
        found.push((C::SettingsInvalid, problem.clone()));
    }
    match &seen.activation {
        Activation::Pending => {
            found.push((C::PendingActivation, "no activation token was given yet".to_owned()))
        }
        Activation::Unknown => {}
        Activation::Failed(code, detail) => found.push((*code, detail.clone())),
        Activation::Local { detail, works } => {
            if !seen.sensor_running && !seen.listening.roles.capture.is_empty() {
                found.push((C::SensorStopped, "eyot-sensor.service is not active".to_owned()));
            }
            if *works {
                found.push((C::Connected, detail.clone()));
            }
        }
        Activation::Active { detail, acknowledged } => {
            // with nothing to listen on it is not meant to run, and that is told already
            if !seen.sensor_running && !seen.listening.roles.capture.is_empty() {
                found.push((C::SensorStopped, "eyot-sensor.service is not active".to_owned()));
            }
            match acknowledged {
                None => found.push((C::Activating, format!("{detail}; first report under way"))),
                Some(Ok(())) => found.push((C::Connected, detail.clone())),
                Some(Err((code, detail))) => found.push((*code, detail.clone())),
            }
        }
    }
    if !seen.drifted.is_empty() {
        found.push((C::InterfaceDrift, format!("{} was put back", seen.drifted.join(", "))));
    }
    if let Some(detail) = seen.traffic.silence(&seen.listening.roles, seen.adapters, seen.now) {
        found.push((C::NoTraffic, detail));
    }
    if let (Some(now), Some(before)) = &seen.sensor {
        found.extend(loss(now, before).map(|detail| (C::CaptureLoss, detail)));
    }
    if let (Some(sensor), _) = &seen.sensor {
        if let Some(oldest) = sensor.spool.oldest.filter(|o| seen.now.seconds() - o.seconds() > UPLOAD_LATE_S)
        {
            found.push((
                C::UploadDelayed,
                format!("{} records wait, the oldest since {oldest}", sensor.spool.waiting),
            ));
        }
        if let Some(error) = &sensor.last_error {
            found.push((C::SanityFailed, error.clone()));
        }
    }
    found
}

fn loss(now: &SensorStatus, before: &SensorStatus) -> Option<String> {
    // counters begin anew with the sensor
    let lost = now.dropped.checked_sub(before.dropped)?;
    let read = now.frames.checked_sub(before.frames)?;
    let share = lost as f64 / (lost + read).max(1) as f64;
    (share >= LOSS_WORTH_TELLING).then(|| format!("{:.1} % of the frames of the last minute", share * 100.0))
}

/// Since when each condition has held.
#[derive(Debug, Default)]
pub struct Ledger {
    since: BTreeMap<ConditionCode, Timestamp>,
}

impl Ledger {
    /// Dates the conditions and puts the worst first. One code appears once, with all its details.
    pub fn date(&mut self, found: Vec<(ConditionCode, String)>, now: Timestamp) -> Vec<Condition> {
        let mut details: BTreeMap<ConditionCode, String> = BTreeMap::new();
        for (code, detail) in found {
            details.entry(code).and_modify(|d| *d = format!("{d}; {detail}")).or_insert(detail);
        }
        self.since.retain(|code, _| details.contains_key(code));
        let mut dated: Vec<Condition> = details
            .into_iter()
            .map(|(code, detail)| Condition::new(code, detail, *self.since.entry(code).or_insert(now)))
            .collect();
        dated.sort_by_key(|c| std::cmp::Reverse(c.code.level()));
        dated
    }
}

/// Since when each adapter's counter of received frames has stood still.
#[derive(Debug, Default)]
pub struct Traffic {
    last: BTreeMap<String, (u64, Timestamp)>,
}

impl Traffic {
    /// Takes a look.
    pub fn look(&mut self, adapters: &[Adapter], now: Timestamp) {
        for adapter in adapters {
            let entry = self.last.entry(adapter.name.clone()).or_insert((adapter.rx_frames, now));
            if entry.0 != adapter.rx_frames {
                *entry = (adapter.rx_frames, now);
            }
        }
    }

    /// What to say when no capture adapter hears anything.
    fn silence(&self, roles: &Roles, adapters: &[Adapter], now: Timestamp) -> Option<String> {
        let captures: Vec<&Adapter> = adapters.iter().filter(|a| roles.captures(&a.name)).collect();
        let quiet = |a: &&Adapter| {
            self.last.get(&a.name).is_some_and(|(_, since)| now.seconds() - since.seconds() >= QUIET_S)
        };
        if captures.is_empty() || !captures.iter().all(quiet) {
            return None;
        }
        let words = captures.iter().map(|a| match a.link {
            true => format!("{} has a link but received nothing for {QUIET_S} s", a.name),
            false => format!("{} has no link", a.name),
        });
        Some(words.collect::<Vec<_>>().join("; "))
    }
}

/// The report.
pub fn report(
    host: &dyn Host,
    conditions: Vec<Condition>,
    adapters: &[Adapter],
    roles: &Roles,
    sensor: &SensorStatus,
    now: Timestamp,
) -> HealthReport {
    HealthReport {
        at: now,
        version: crate::VERSION.to_owned(),
        hostname: host.hostname(),
        conditions,
        interfaces: adapters
            .iter()
            .map(|a| InterfaceHealth {
                name: a.name.clone(),
                mac: a.mac,
                role: roles.of(&a.name),
                link: a.link,
                rx_frames: a.rx_frames,
                tx_frames: a.tx_frames,
            })
            .collect(),
        frames_captured: sensor.frames,
        frames_dropped: sensor.dropped,
        devices: sensor.devices,
    }
}

/// Writes the report and the console's text.
pub fn publish(host: &dyn Host, report: &HealthReport) -> Result<(), HostError> {
    let text = serde_json::to_vec_pretty(report).unwrap_or_default();
    host.write(paths::HEALTH, &text, Access::Everyone)?;
    if host.write(paths::BANNER, banner::text(report).as_bytes(), Access::Everyone)? {
        // a console that shows the old text is a blemish, not a fault: older agettys cannot reload
        if let Err(error) = host.run("agetty", &["--reload"]) {
            tracing::debug!("console not refreshed: {}", crate::settings::chain(&error));
        }
    }
    host.link(paths::BANNER_LINK, paths::BANNER).map(drop)
}

/// The latest report, if one was written.
pub fn latest(host: &dyn Host) -> Result<Option<HealthReport>, HostError> {
    Ok(host.read(paths::HEALTH)?.and_then(|c| serde_json::from_slice(&c).ok()))
}

/// The report with what it cannot say itself: that nobody writes it any more.
pub fn current(report: Option<HealthReport>, now: Timestamp) -> (Option<HealthReport>, Vec<Condition>) {
    let stopped = |detail: String| {
        Condition::new(
            ConditionCode::SanityFailed,
            format!("{detail}; `systemctl restart eyot-appliance` starts the agent"),
            now,
        )
    };
    match report {
        None => (None, vec![stopped("the agent has not reported since the machine started".to_owned())]),
        Some(report) if now.seconds() - report.at.seconds() > STALE_S => {
            let detail = stopped(format!("the agent's latest report is of {}", report.at));
            let conditions = std::iter::once(detail).chain(report.conditions.clone()).collect();
            (Some(report), conditions)
        }
        Some(report) => {
            let conditions = report.conditions.clone();
            (Some(report), conditions)
        }
    }
}

/// The role as people read it.
pub fn role_word(role: InterfaceRole) -> &'static str {
    match role {
        InterfaceRole::Management => "management",
        InterfaceRole::Capture => "monitoring",
        InterfaceRole::Unused => "unused",
    }
}

#[cfg(test)]
mod tests;
