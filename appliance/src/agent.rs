//! The daemon: one round after another, each of which brings the machine closer to healthy and says how it is.
//!
//! A round reads the settings, puts firewall and capture adapters right, activates if there is a token and no identity,
//! keeps the sensor running, and reports. Nothing is remembered that the next process could not find out again, so it may
//! be killed at any moment.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyot_client::ClientError;
use eyot_contract::settings::{Layer, Settings};
use eyot_contract::{path, ActivationToken, ConditionCode, HealthReport, MacAddr, SensorStatus, Timestamp};

use crate::activate::{activate, forget, reserve, ActivationError, Identity, Marks};
use crate::apply::firewall::destinations::Lookup;
use crate::apply::{self, sensor, Listening};
use crate::datasource::Source;
use crate::health::watch::Watch;
use crate::health::{self, Activation, Ledger, Observation, Traffic};
use crate::host::{Access, Host, HostError};
use crate::keeper::Keeper;
use crate::mirror::Mirrors;
use crate::paths;
use crate::settings::{chain, gather_again, Decided, Gathered};

/// Time between rounds.
pub const ROUND: Duration = Duration::from_secs(10);
/// Time between health reports while nothing changes, in seconds.
const REPORT_EVERY_S: i64 = 60;
/// First and longest wait between two attempts to activate, in seconds.
const RETRY_S: (i64, i64) = (5, 60);
/// How long a change that was put back stays visible, in seconds.
const DRIFT_SHOWN_S: i64 = 300;
/// A clock that is so many seconds from where it should be since the last round has been set meanwhile.
const CLOCK_STEP_S: i64 = 30;
const REPORT_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between reports to a portal that does not know this appliance any more, in seconds: it may have been a mistake.
const LOST_CAUSE_S: i64 = 300;
/// How long an activated appliance goes by what the platform's channels said last, in seconds. Before that it looks each
/// round: somebody is waiting.
const PLATFORM_EVERY_S: i64 = 60;
/// Time between two attempts to renew the certificate, in seconds; a third of its life is left for them.
const RENEWAL_RETRY_S: i64 = 3600;

/// What the daemon carries from one round to the next.
pub struct Agent<'h> {
    host: &'h dyn Host,
    keeper: Rc<RefCell<Keeper>>,
    lookup: Lookup,
    mirrors: Mirrors,
    prepared: BTreeSet<(String, MacAddr)>,
    drifted: BTreeMap<String, Timestamp>,
    ledger: Ledger,
    traffic: Traffic,
    sensor: Option<SensorStatus>,
    attempt: Attempt,
    forgotten: Option<(BTreeSet<String>, bool)>,
    acknowledged: Option<Result<(), (ConditionCode, String)>>,
    reported: Option<(Timestamp, Vec<ConditionCode>)>,
    watch: Watch,
    destinations: health::destinations::Watch,
    looked_at_clocks: Option<(Instant, Timestamp)>,
    /// What the platform's channels said last, and when.
    platform: Option<(Timestamp, Vec<(Source, Layer)>)>,
    renewal_after: Timestamp,
    /// The identity belongs to another machine: why.
    cloned: Option<&'static str>,
    told: health::platform::Told,
    page_wanted: Option<Arc<AtomicBool>>,
}

/// How trying to activate goes.
#[derive(Default)]
struct Attempt {
    /// The token last tried, as text.
    token: Option<String>,
    failure: Option<(ConditionCode, String)>,
    /// `None`: not until the token changes.
    next: Option<Timestamp>,
    wait_s: i64,
}

impl<'h> Agent<'h> {
    /// A daemon at its start.
    pub fn new(host: &'h dyn Host) -> Self {
        Self {
            host,
            keeper: Rc::default(),
            lookup: Lookup::default(),
            mirrors: Mirrors::default(),
            prepared: BTreeSet::new(),
            drifted: BTreeMap::new(),
            ledger: Ledger::default(),
            traffic: Traffic::default(),
            sensor: None,
            attempt: Attempt::default(),
            forgotten: None,
            acknowledged: None,
            reported: None,
            watch: Watch::default(),
            destinations: health::destinations::Watch::default(),
            looked_at_clocks: None,
            platform: None,
            renewal_after: Timestamp::from_seconds(0),
            cloned: None,
            told: health::platform::Told::default(),
            page_wanted: None,
        }
    }

    /// What keeps the adapters as they should be, for whoever hears of changes between rounds.
    pub fn keeper(&self) -> Rc<RefCell<Keeper>> {
        Rc::clone(&self.keeper)
    }

    /// Who is told whether the settings want the local page.
    pub fn tell_page(&mut self, wanted: Arc<AtomicBool>) {
        self.page_wanted = Some(wanted);
    }

    /// Whether somebody is activating this machine by hand. The daemon stands aside meanwhile: it knows nothing of that
    /// token's portal and would close the firewall to it.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn stands_aside(&self) -> Result<bool, HostError> {
        match reserve(self.host) {
            Ok(_) => Ok(false),
            Err(ActivationError::Host(error)) => Err(error),
            Err(_) => Ok(true),
        }
    }

    /// One round. The report it returns is also on disk and, once activated, at the portal.
    ///
    /// # Errors
    /// The machine itself failing (disk, kernel); everything else becomes a condition in the report.
    pub async fn round(&mut self) -> Result<HealthReport, HostError> {
        self.notice_clock_step();
        let mut identity = self.own_identity()?;
        let gathered = self.gather(identity.is_some());
        let resolved = gathered.resolve();
        if let Some(wanted) = &self.page_wanted {
            // settings that cannot be used are a reason for a page
            wanted.store(resolved.as_ref().map_or(true, |d| d.settings.page), Ordering::Relaxed);
        }
        let (listening, activation, problem) = match &resolved {
            Err(problem) => (Listening::default(), Activation::Unknown, Some(problem.to_string())),
            Ok(Decided { settings, token_problem, .. }) => {
                let portal = identity
                    .as_ref()
                    .map(|i| i.enrolment.portal.clone())
                    .or_else(|| settings.token.as_ref().map(|t| t.portal.clone()));
                let now = Timestamp::now();
                let unknown = self.lookup.look(self.host, settings, portal.as_deref(), now).await?;
                let reached = matches!(self.acknowledged, Some(Ok(())));
                let mut listening =
                    self.keeper.borrow_mut().round(self.host, settings, portal.as_deref(), reached)?;
                listening.problems.extend(unknown);
                if self.keeper.borrow().has_trial() {
                    // whether the new rules let reports through is asked at once
                    self.reported = None;
                }
                match &identity {
                    None => {
                        if let Some(token) = settings.token.as_ref() {
                            identity = self.try_to_activate(token, settings, &gathered).await;
                        }
                    }
                    // another token than those that did their work here: somebody wants this appliance elsewhere
                    Some(known) => {
                        if let Some((token, _)) = gathered.fresh_token(|t| known.has_used(t)) {
                            let moved = self.try_to_activate(&token, settings, &gathered).await;
                            identity = moved.or(identity);
                        }
                    }
                }
                if let Some(known) = &identity {
                    identity = Some(self.renewed(known.clone(), settings).await);
                }
                let activation = match (&identity, token_problem) {
                    (None, Some(problem)) => {
                        Activation::Failed(ConditionCode::ActivationRefused, problem.clone())
                    }
                    _ => self.standing(identity.as_ref(), settings),
                };
                (listening, activation, None)
            }
        };
        for change in &listening.changes {
            tracing::info!("{change}");
        }
        let mut running = false;
        if let Ok(resolved) = &resolved {
            if apply::apt::apply(self.host, resolved.settings.proxy.as_ref())? {
                tracing::info!("apt's proxy settings written");
            }
        }
        if let (Ok(resolved), Some(identity)) = (&resolved, &identity) {
            // a token that is still to be tried stays where it is
            if gathered.fresh_token(|t| identity.has_used(t)).is_none() {
                self.forget_token(&gathered)?;
            }
            running = self.keep_sensor_running(&resolved.settings, &listening, Some(identity))?;
        }
        if let (Ok(resolved), None, None) = (&resolved, &identity, self.cloned) {
            if sensor::does_without_portal(&resolved.settings) {
                self.keep_settings(&gathered)?;
                running = self.keep_sensor_running(&resolved.settings, &listening, None)?;
            } else if sensor::is_without_portal(self.host)? && sensor::stop(self.host)? {
                tracing::info!("eyot-sensor told to stop");
            }
        }
        let settings = resolved.as_ref().ok().map(|r| &r.settings);
        self.report(settings, &listening, activation, problem, running, identity.as_ref()).await
    }

    /// The identity, if it is this machine's. On a disk that was copied from another machine the sensor must not speak in
    /// that one's name.
    fn own_identity(&mut self) -> Result<Option<Identity>, HostError> {
        let Some(mut identity) = Identity::load(self.host)? else {
            self.cloned = None;
            return Ok(None);
        };
        let marks = Marks::of(self.host)?;
        let moved = identity.enrolment.machine.moved(&marks);
        if let Some(why) = moved {
            if self.cloned != moved {
                tracing::warn!(
                    "this disk was activated on another machine ({why}); its identity is not used"
                );
            }
            self.cloned = moved;
            if sensor::stop(self.host)? {
                tracing::info!("eyot-sensor told to stop");
            }
            return Ok(None);
        }
        self.cloned = None;
        identity.remember(self.host, marks)?;
        Ok(Some(identity))
    }

    fn gather(&mut self, activated: bool) -> Gathered {
        let now = Timestamp::now();
        let known = self
            .platform
            .take()
            .filter(|(at, _)| activated && now.seconds() - at.seconds() < PLATFORM_EVERY_S);
        let gathered = gather_again(self.host, known.as_ref().map(|(_, layers)| layers.as_slice()));
        let at = known.map_or(now, |(at, _)| at);
        self.platform = gathered.costly().map(|layers| (at, layers));
        gathered
    }

    /// The identity with a new certificate if it was time for one and the portal gave it, else as it was.
    async fn renewed(&mut self, identity: Identity, settings: &Settings) -> Identity {
        let now = Timestamp::now();
        if now < self.renewal_after || !identity.is_due_for_renewal(now) {
            return identity;
        }
        self.renewal_after = Timestamp::from_seconds(now.seconds() + RENEWAL_RETRY_S);
        let outcome = match (reserve(self.host), identity.client(settings, REPORT_TIMEOUT)) {
            (Ok(_reserved), Ok(client)) => identity.renew(self.host, &client).await,
            (Err(busy), _) => Err(busy),
            (_, Err(error)) => Err(error.into()),
        };
        match outcome {
            Ok(renewed) => {
                tracing::info!("certificate renewed");
                renewed
            }
            Err(error) => {
                tracing::warn!("certificate not renewed, the present one is used: {}", chain(&error));
                identity
            }
        }
    }

    /// A clock that jumped since the last round, by whose hand ever, makes every moment remembered worthless.
    fn notice_clock_step(&mut self) {
        let (tick, now) = (Instant::now(), Timestamp::now());
        if let Some((before, then)) = self.looked_at_clocks {
            let passed = i64::try_from((tick - before).as_secs()).unwrap_or(i64::MAX);
            if (now.seconds() - then.seconds() - passed).abs() > CLOCK_STEP_S {
                tracing::info!("the clock jumped from {then} to {now}");
                self.forget_moments(now);
            }
        }
        self.looked_at_clocks = Some((tick, now));
    }

    fn forget_moments(&mut self, now: Timestamp) {
        self.attempt.next = self.attempt.next.map(|_| now);
        self.reported = None;
        self.traffic = Traffic::default();
        self.ledger = Ledger::default();
        self.drifted.clear();
    }

    async fn try_to_activate(
        &mut self,
        token: &ActivationToken,
        settings: &Settings,
        gathered: &Gathered,
    ) -> Option<Identity> {
        let now = Timestamp::now();
        let text = gathered.token_texts().find(|t| t.parse().is_ok_and(|t: ActivationToken| t == *token));
        let text = text.map(str::to_owned);
        if self.attempt.token != text {
            self.attempt = Attempt { token: text, next: Some(now), wait_s: RETRY_S.0, failure: None };
        }
        if self.attempt.next.is_none_or(|next| now < next) {
            return None;
        }
        let outcome = match reserve(self.host) {
            Ok(reserved) => activate(self.host, token, settings, &*reserved).await,
            Err(busy) => Err(busy),
        };
        match outcome {
            Ok(identity) => {
                tracing::info!(
                    "activated as {} at {}",
                    identity.enrolment.sensor_name,
                    identity.enrolment.portal
                );
                self.attempt.failure = None;
                self.acknowledged = None;
                self.reported = None;
                Some(identity)
            }
            Err(error) => {
                self.note_failure(&error);
                None
            }
        }
    }

    fn note_failure(&mut self, error: &ActivationError) {
        let line = chain(error);
        if self.attempt.failure.as_ref().map(|f| &f.1) != Some(&line) {
            tracing::warn!("not activated: {line}");
        }
        self.attempt.failure = Some((error.condition(), line));
        self.attempt.next = error.is_passing().then(|| {
            let next = Timestamp::from_seconds(Timestamp::now().seconds() + self.attempt.wait_s);
            self.attempt.wait_s = (self.attempt.wait_s * 2).min(RETRY_S.1);
            next
        });
    }

    fn standing(&self, identity: Option<&Identity>, settings: &Settings) -> Activation {
        match (identity, &self.attempt.failure) {
            (Some(identity), _) => Activation::Active {
                detail: format!("{} at {}", identity.enrolment.sensor_name, identity.enrolment.portal),
                acknowledged: self.acknowledged.clone(),
            },
            (None, Some((code, detail))) if settings.token.is_some() && self.cloned.is_none() => {
                Activation::Failed(*code, detail.clone())
            }
            (None, failure) if self.cloned.is_some() => {
                let why = self.cloned.unwrap_or_default();
                let tried =
                    failure.as_ref().map(|(_, d)| format!("; the token at hand: {d}")).unwrap_or_default();
                Activation::Failed(
                    ConditionCode::PendingActivation,
                    format!("this disk was activated on another machine ({why}) and needs a token of its own{tried}"),
                )
            }
            (None, _) if settings.token.is_some() => {
                Activation::Failed(ConditionCode::Activating, "trying to reach the portal".to_owned())
            }
            (None, _) if sensor::does_without_portal(settings) => {
                Activation::Local { detail: "reports to Azure, without a portal".to_owned(), works: true }
            }
            (None, _) => Activation::Pending,
        }
    }

    /// Keeps what the seed said besides the token, then forgets the token. Does nothing when that is done already.
    fn forget_token(&mut self, gathered: &Gathered) -> Result<(), HostError> {
        let tokens: BTreeSet<String> = gathered.token_texts().map(str::to_owned).collect();
        let done = (tokens, forget::cloud_init_has_ended(self.host)?);
        if self.forgotten.as_ref() == Some(&done) {
            return Ok(());
        }
        self.keep_settings(gathered)?;
        let list: Vec<String> = done.0.iter().cloned().collect();
        let before = forget::Forgotten::load(self.host)?;
        let record = forget::forget(self.host, &list)?;
        if before.as_ref() != Some(&record) {
            tracing::info!("{}", record.text());
        }
        self.forgotten = Some(done);
        Ok(())
    }

    /// What the seed said besides the token outlives it.
    fn keep_settings(&self, gathered: &Gathered) -> Result<(), HostError> {
        if let Some(kept) = gathered.to_keep() {
            self.host.write(paths::KEPT_SETTINGS, kept.to_toml().as_bytes(), Access::Root)?;
        }
        Ok(())
    }

    fn keep_sensor_running(
        &self,
        settings: &Settings,
        listening: &Listening,
        identity: Option<&Identity>,
    ) -> Result<bool, HostError> {
        let name = settings.hostname.clone().unwrap_or_else(|| self.host.hostname());
        let Some(plan) = sensor::plan(settings, &listening.roles, identity, &name) else { return Ok(false) };
        // the service manager may have made it readable by root alone; the sensor must get through to its identity
        self.host.make_dir(paths::STATE_DIR, Access::Everyone)?;
        let changed = sensor::write(self.host, &plan)?;
        match sensor::start(self.host, changed) {
            Ok(true) => tracing::info!("eyot-sensor told to start"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!("{}", chain(&error));
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn report(
        &mut self,
        settings: Option<&Settings>,
        listening: &Listening,
        activation: Activation,
        problem: Option<String>,
        sensor_running: bool,
        identity: Option<&Identity>,
    ) -> Result<HealthReport, HostError> {
        let now = Timestamp::now();
        let adapters = self.host.adapters()?;
        self.note_drift(listening, &adapters, now);
        self.traffic.look(&adapters, now);
        let before = self.sensor.take();
        self.sensor = health::sensor_status(self.host);
        let drifted: Vec<String> = self.drifted.keys().cloned().collect();
        let trouble = match &activation {
            Activation::Failed(code, _) => Some(*code).filter(|c| *c != ConditionCode::Activating),
            Activation::Active { acknowledged: Some(Err((code, _))), .. } => Some(*code),
            Activation::Active { .. }
            | Activation::Local { .. }
            | Activation::Pending
            | Activation::Unknown => None,
        };
        self.mirrors.look(self.host, &adapters, &listening.roles);
        let mut besides = Vec::new();
        if let Some(settings) = settings {
            let place = (adapters.as_slice(), &listening.roles);
            let look = self.watch.look(self.host, settings, identity, place, trouble).await;
            besides = look.conditions;
            if look.clock_set {
                self.forget_moments(Timestamp::now());
            }
        }
        let beyond = match settings {
            Some(settings) => self.destinations.look(self.host, settings)?,
            None => Vec::new(),
        };
        let activation = match activation {
            Activation::Local { detail, .. } => Activation::Local { detail, works: beyond.is_empty() },
            other => other,
        };
        besides.extend(beyond);
        besides.extend(self.mirrors.complaints());
        let mut seen = Observation {
            adapters: &adapters,
            listening,
            settings_problem: problem,
            activation,
            sensor_running,
            sensor: (self.sensor.clone(), before),
            drifted: &drifted,
            traffic: &self.traffic,
            besides: &besides,
            now,
        };
        let counts = self.sensor.clone().unwrap_or_default();
        let put_together = |seen: &Observation<'_>, ledger: &mut Ledger| {
            let conditions = ledger.date(health::conditions(seen), now);
            health::report(self.host, conditions, &adapters, &listening.roles, &counts, now)
        };
        if let (Some(identity), Some(settings)) = (identity, settings) {
            // a report that arrives says of itself that the portal is reached
            let optimistic = with_acknowledgement(&seen, Some(Ok(())));
            let report = put_together(&optimistic, &mut self.ledger);
            if self.is_due(&report) {
                let outcome = send(identity, settings, &report).await;
                if let Err((_, line)) = &outcome {
                    tracing::warn!("health report not delivered: {line}");
                }
                self.reported = Some((now, codes(&report)));
                self.acknowledged = Some(outcome);
            }
            seen = with_acknowledgement(&seen, self.acknowledged.clone());
        }
        if let Some(verdict) =
            self.keeper.borrow_mut().judge(self.host, matches!(self.acknowledged, Some(Ok(()))))?
        {
            tracing::info!("{verdict}");
        }
        let report = put_together(&seen, &mut self.ledger);
        health::publish(self.host, &report)?;
        self.told.tell(self.host, &report);
        Ok(report)
    }

    fn is_due(&self, report: &HealthReport) -> bool {
        match &self.reported {
            None => true,
            Some((at, told)) => {
                let since = report.at.seconds() - at.seconds();
                match &self.acknowledged {
                    Some(Err((ConditionCode::SensorDeleted | ConditionCode::ActivationRefused, _))) => {
                        since >= LOST_CAUSE_S
                    }
                    Some(Err(_)) => true,
                    _ => since >= REPORT_EVERY_S || *told != codes(report),
                }
            }
        }
    }

    fn note_drift(&mut self, listening: &Listening, adapters: &[crate::host::Adapter], now: Timestamp) {
        self.drifted.retain(|_, at| now.seconds() - at.seconds() < DRIFT_SHOWN_S);
        for name in &listening.corrected {
            let known =
                adapters.iter().any(|a| a.name == *name && self.prepared.contains(&(a.name.clone(), a.mac)));
            if known {
                self.drifted.insert(name.clone(), now);
            }
        }
        let captures = adapters.iter().filter(|a| listening.roles.captures(&a.name));
        self.prepared.extend(captures.map(|a| (a.name.clone(), a.mac)));
    }
}

async fn send(
    identity: &Identity,
    settings: &Settings,
    report: &HealthReport,
) -> Result<(), (ConditionCode, String)> {
    let sent = match identity.client(settings, REPORT_TIMEOUT) {
        Ok(client) => match client.post_json::<_, ()>(path::HEALTH, report).await {
            // the sign of life is asked for with more care for why it does not come
            Err(error @ ClientError::Timeout { .. }) => Err(client.alive().await.err().unwrap_or(error)),
            outcome => outcome,
        },
        Err(error) => Err(error),
    };
    sent.map_err(|e| (e.condition(), e.to_string()))
}

fn with_acknowledgement<'a>(
    seen: &Observation<'a>,
    outcome: Option<Result<(), (ConditionCode, String)>>,
) -> Observation<'a> {
    let activation = match seen.activation.clone() {
        Activation::Active { detail, .. } => Activation::Active { detail, acknowledged: outcome },
        other => other,
    };
    Observation {
        activation,
        settings_problem: seen.settings_problem.clone(),
        sensor: seen.sensor.clone(),
        ..*seen
    }
}

fn codes(report: &HealthReport) -> Vec<ConditionCode> {
    report.conditions.iter().map(|c| c.code).collect()
}
