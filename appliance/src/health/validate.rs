//! Step by step: what works and what does not, each in one plain line with its remedy.
//!
//! The same questions the daemon asks, put once and all of them answered: a step that cannot be tried because an earlier
//! one failed says so instead of failing too.

use std::time::Duration;

use eyot_client::{Alive, ClientError};
use eyot_contract::settings::Settings;
use eyot_contract::{path, ConditionCode, HealthReport, Level, Timestamp};
use serde::Serialize;

use super::connection::PortalAddress;
use crate::activate::{Identity, MAX_DRIFT_S};

use crate::apply::firewall::trial::Trial;
use crate::apply::{firewall, nic, role, sensor, Roles};
use crate::clock;
use crate::host::{Adapter, Host};
use crate::paths;
use crate::settings::{chain, Gathered};

/// Longest wait for one answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// One line of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// The condition it makes, as health names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ConditionCode>,
    /// That condition's phrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// The particulars.
    pub detail: String,
    /// What to do; empty where nothing is wrong.
    pub remedy: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It works.
    Passed,
    /// It could not be tried.
    NotTried,
    /// It works, but not as it should.
    Warning,
    /// It does not work.
    Failed,
}

impl Check {
    pub(super) fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::plain(name, Outcome::Passed, detail, "")
    }

    pub(super) fn not_tried(name: &'static str, detail: impl Into<String>) -> Self {
        Self::plain(name, Outcome::NotTried, detail, "")
    }

    pub(super) fn of(name: &'static str, code: ConditionCode, detail: impl Into<String>) -> Self {
        let outcome = match code.level() {
            Level::Critical => Outcome::Failed,
            Level::Warning => Outcome::Warning,
            Level::Healthy => Outcome::Passed,
        };
        let plain = Self::plain(name, outcome, detail, code.remedy());
        Self { code: Some(code), title: Some(code.title()), ..plain }
    }

    fn failing(self) -> Self {
        Self { outcome: Outcome::Failed, ..self }
    }

    pub(super) fn plain(
        name: &'static str,
        outcome: Outcome,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, outcome, code: None, title: None, detail: detail.into(), remedy: remedy.into() }
    }

    fn failed(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::plain(name, Outcome::Failed, detail, remedy)
    }
}

/// The exit code for a set of checks: 0 all passed, 1 warnings or something not tried, 2 something failed.
pub fn exit_code(checks: &[Check]) -> u8 {
    match checks.iter().map(|c| c.outcome).max() {
        Some(Outcome::Failed) => 2,
        Some(Outcome::Warning | Outcome::NotTried) => 1,
        Some(Outcome::Passed) | None => 0,
    }
}

/// Asks everything. Changes nothing; the portal gets one health report if the appliance is activated.
pub async fn validate(host: &dyn Host, gathered: &Gathered) -> Vec<Check> {
    let mut checks = Vec::new();
    let settings = match gathered.resolve() {
        Ok(decided) => {
            let detail = match decided.origins.len() {
                0 => "none given, defaults hold".to_owned(),
                n => format!("{n} given"),
            };
            checks.push(match decided.token_problem {
                None => Check::passed("settings", detail),
                Some(problem) => Check::of("settings", ConditionCode::ActivationRefused, problem),
            });
            decided.settings
        }
        Err(problem) => {
            checks.push(Check::of("settings", ConditionCode::SettingsInvalid, problem.to_string()));
            return checks;
        }
    };
    let adapters = match host.adapters() {
        Ok(adapters) => adapters,
        Err(error) => {
            checks.push(Check::of("management", ConditionCode::SanityFailed, chain(&error)));
            return checks;
        }
    };
    let roles = match role::decide(host, &settings, &adapters) {
        Ok(roles) => roles,
        Err(error) => {
            checks.push(Check::of("management", ConditionCode::SanityFailed, chain(&error)));
            return checks;
        }
    };
    let identity = Identity::load(host).ok().flatten();
    let portal = PortalAddress::of(&settings, identity.as_ref(), TIMEOUT);
    let alone = portal.is_none() && sensor::does_without_portal(&settings);
    let steps = match alone {
        true => vec![Check::passed("portal", "none is needed, reports go to Azure")],
        false => connection(&settings, portal.as_ref()).await,
    };
    let reached = !steps.iter().any(|s| s.outcome == Outcome::Failed);
    checks.push(management(host, &adapters, &roles, reached));
    checks.extend(steps);
    checks.push(time_servers(&settings, portal.as_ref()).await);
    let address = portal.as_ref().map(|p| p.address.clone());
    checks.push(rules(host, &settings, &roles, address.as_deref()));
    checks.push(capture(&adapters, &roles));
    checks.push(sensor_service(host, identity.is_some() || alone));
    checks.extend(super::destinations::checks(host, &settings));
    if alone {
        return checks;
    }
    checks.push(acknowledgement(host, &settings, identity.as_ref()).await);
    checks
}

fn management(host: &dyn Host, adapters: &[Adapter], roles: &Roles, reached: bool) -> Check {
    const NAME: &str = "management";
    match super::management::look(host, adapters, roles, reached) {
        Err(error) => Check::of(NAME, ConditionCode::SanityFailed, chain(&error)),
        Ok(found) => match (found.complaints.into_iter().next(), found.adapter) {
            (Some((code, detail)), _) => Check::of(NAME, code, detail),
            (None, Some(adapter)) => {
                Check::passed(NAME, format!("{adapter} has {}", found.addresses.join(", ")))
            }
            (None, None) => {
                Check::failed(NAME, "the machine has no network adapter", "add one and restart the appliance")
            }
        },
    }
}

/// The steps to the portal, in the order in which they happen.
const STEPS: [&str; 5] = ["name", "proxy", "connection", "certificate", "clock"];

pub(crate) async fn connection(settings: &Settings, portal: Option<&PortalAddress>) -> Vec<Check> {
    let Some(portal) = portal else {
        return STEPS.map(|s| Check::not_tried(s, "no activation token names a portal yet")).to_vec();
    };
    let failure = match portal.client() {
        Err(error) => Some(error),
        Ok(client) => match client.alive().await {
            Ok(alive) if alive.drift_seconds().abs() > MAX_DRIFT_S => {
                Some(ClientError::ClockDrift { local: alive.local_date, portal: alive.server_date })
            }
            Ok(alive) => {
                return passed_steps(settings, portal, &alive).await;
            }
            Err(error) => Some(error),
        },
    };
    let Some(error) = failure else { return Vec::new() };
    let failed_at = match &error {
        ClientError::Dns { .. } => 0,
        ClientError::ProxyUnreachable { .. }
        | ClientError::ProxyAuthentication { .. }
        | ClientError::ProxyCertificate { .. }
        | ClientError::ProxyTls { .. }
        | ClientError::ProxyRefused { .. } => 1,
        ClientError::Unreachable { .. }
        | ClientError::Timeout { .. }
        | ClientError::BehindProxy { .. }
        | ClientError::CaptivePortal { .. }
        | ClientError::LargePackets { .. }
        | ClientError::Address(_) => 2,
        ClientError::ClockDrift { .. } => 4,
        _ => 3,
    };
    let outcome = |index: usize, name: &'static str| match index.cmp(&failed_at) {
        std::cmp::Ordering::Less => Check::passed(name, "works"),
        std::cmp::Ordering::Equal => {
            // without the portal the appliance does not do its job, however mild the condition's own level
            Check::of(name, error.condition(), error.to_string()).failing()
        }
        std::cmp::Ordering::Greater => Check::not_tried(name, format!("{} comes first", STEPS[failed_at])),
    };
    STEPS.iter().enumerate().map(|(i, s)| outcome(i, s)).collect()
}

async fn passed_steps(settings: &Settings, portal: &PortalAddress, alive: &Alive) -> Vec<Check> {
    let proxy = match &settings.proxy {
        None => Check::passed("proxy", "none is set"),
        Some(proxy) => match portal.credentials_are_needless().await {
            true => Check::of("proxy", ConditionCode::ProxyNeedlessCredentials, proxy.url.clone()),
            false => Check::passed("proxy", format!("{} lets us through", proxy.url)),
        },
    };
    let certificate = match &alive.admitted {
        None => Check::passed("certificate", "it is the portal's own"),
        Some(issuer) => Check::of(
            "certificate",
            ConditionCode::TlsInspected,
            format!("portal.ca lets {issuer} in; the portal cannot see this appliance's certificate there"),
        ),
    };
    vec![
        Check::passed("name", format!("{} resolves", portal.address)),
        proxy,
        Check::passed("connection", format!("{} answers", portal.address)),
        certificate,
        Check::passed("clock", format!("{} s from the portal's", alive.drift_seconds().abs())),
    ]
}

async fn time_servers(settings: &Settings, portal: Option<&PortalAddress>) -> Check {
    const NAME: &str = "time servers";
    if settings.time_servers.is_empty() {
        return Check::passed(NAME, "none are set; DHCP's or the system's own serve");
    }
    let client = portal.and_then(|p| p.client().ok());
    let time = clock::measure(client.as_ref(), &settings.time_servers).await;
    match clock::server_complaint(&time.servers, time.portal_ahead_s) {
        Some((code, detail)) => Check::of(NAME, code, detail),
        None => Check::passed(
            NAME,
            time.servers
                .iter()
                .filter_map(|(name, answer)| {
                    let answer = answer.as_ref().ok()?;
                    Some(format!("{name} answers, {:.1} s from this clock", answer.ahead_s.abs()))
                })
                .collect::<Vec<_>>()
                .join("; "),
        ),
    }
}

pub(super) fn rules(host: &dyn Host, settings: &Settings, roles: &Roles, portal: Option<&str>) -> Check {
    const NAME: &str = "firewall";
    match Trial::under_way(host).and_then(|t| t.map(|t| Ok((t.in_force(host)?, t))).transpose()) {
        Ok(None) => {}
        Ok(Some((true, trial))) => {
            let detail =
                format!("new rules are in force on trial until {}; then those of before return", trial.until);
            let remedy = "they stay once the portal is reached, or by `eyot-appliance firewall confirm` when they were put in force by hand";
            return Check::plain(NAME, Outcome::Warning, detail, remedy);
        }
        Ok(Some((false, _))) => {
            return Check::of(NAME, ConditionCode::FirewallFailed, "rules are on trial and not in force")
        }
        Err(error) => return Check::of(NAME, ConditionCode::FirewallFailed, chain(&error)),
    }
    let planned = firewall::wanted(host, settings, roles, portal);
    match planned.and_then(|rules| firewall::in_force(host, &rules)) {
        Ok(true) => Check::passed(NAME, "the appliance's rules are in force"),
        Ok(false) => {
            Check::of(NAME, ConditionCode::FirewallFailed, "the rules in force are not the appliance's")
        }
        Err(error) => Check::of(NAME, ConditionCode::FirewallFailed, chain(&error)),
    }
}

pub(super) fn capture(adapters: &[Adapter], roles: &Roles) -> Check {
    const NAME: &str = "monitoring";
    if let Some((code, detail)) = roles.complaints.first() {
        return Check::of(NAME, *code, detail.clone());
    }
    let mut words = Vec::new();
    for adapter in adapters.iter().filter(|a| roles.captures(&a.name)) {
        let missing = nic::plan(adapter, &nic::Refusals::default());
        if let Some(step) = missing.iter().find(|s| !s.is_optional()) {
            return Check::of(
                NAME,
                ConditionCode::InterfaceDrift,
                format!("{} needs: {}", adapter.name, nic::words(*step)),
            );
        }
        if !adapter.link {
            return Check::of(NAME, ConditionCode::NoTraffic, format!("{} has no link", adapter.name));
        }
        if adapter.rx_frames == 0 {
            return Check::of(
                NAME,
                ConditionCode::NoTraffic,
                format!("{} has received nothing", adapter.name),
            );
        }
        words.push(format!("{} listens, {} frames received", adapter.name, adapter.rx_frames));
    }
    Check::passed(NAME, words.join("; "))
}

fn sensor_service(host: &dyn Host, activated: bool) -> Check {
    const NAME: &str = "sensor";
    match (activated, sensor::is_running(host)) {
        (_, true) => Check::passed(NAME, "eyot-sensor.service runs"),
        (true, false) => Check::of(NAME, ConditionCode::SensorStopped, "eyot-sensor.service is not active"),
        (false, false) => Check::not_tried(NAME, "it starts after activation"),
    }
}

async fn acknowledgement(host: &dyn Host, settings: &Settings, identity: Option<&Identity>) -> Check {
    const NAME: &str = "portal";
    let latest = super::latest(host).ok().flatten();
    let Some(identity) = identity else {
        // a token is not tried twice to find out: the agent has been told already
        let refused = latest.and_then(|r| r.conditions.into_iter().find(|c| is_the_portals_word(c.code)));
        return match refused {
            Some(condition) => Check::of(NAME, condition.code, condition.detail).failing(),
            None => Check::not_tried(NAME, "the appliance is not activated"),
        };
    };
    let report = latest.unwrap_or_else(|| HealthReport {
        at: Timestamp::now(),
        version: crate::VERSION.to_owned(),
        hostname: host.hostname(),
        conditions: Vec::new(),
        interfaces: Vec::new(),
        frames_captured: 0,
        frames_dropped: 0,
        devices: 0,
    });
    let sent = match identity.client(settings, TIMEOUT) {
        Ok(client) => client.post_json::<_, ()>(path::HEALTH, &report).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Check::passed(NAME, format!("knows this sensor as {}", identity.enrolment.sensor_name)),
        Err(error) => Check::of(NAME, error.condition(), error.to_string()).failing(),
    }
}

/// Whether only the portal can have said this about a token.
fn is_the_portals_word(code: ConditionCode) -> bool {
    use ConditionCode as C;
    matches!(code, C::ActivationRefused | C::SensorDeleted | C::Unsupported)
}

/// Whether there is a ruleset file at all; for `firewall show`.
pub fn firewall_file(host: &dyn Host) -> Option<String> {
    host.read(paths::FIREWALL).ok().flatten().and_then(|c| String::from_utf8(c).ok())
}
