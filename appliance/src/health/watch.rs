//! What the daemon looks at besides every round's own work: the management network, the proxy, the time, the disk.
//!
//! Looks that cost something (a request, a question to the network) are repeated every few minutes and, while the portal
//! is not reached, every minute; in between, what was found last holds.

use std::time::{Duration, Instant};

use eyot_contract::settings::Settings;
use eyot_contract::{ConditionCode, Timestamp};

use super::connection::PortalAddress;
use super::management;
use crate::activate::Identity;
use crate::apply::Roles;
use crate::clock;
use crate::host::{Adapter, Host, Resources};
use crate::settings::chain;

/// Time between two looks while all is well, and while the portal is not reached.
const EVERY: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(60));
/// Time limit of a request to the portal.
const PATIENCE: Duration = Duration::from_secs(15);
/// A disk with less free than this share and this many bytes is nearly full.
const DISK_SHARE: u64 = 20;
const DISK_BYTES: u64 = 1 << 30;

/// What was found, and when.
#[derive(Default)]
pub struct Watch {
    looked: Option<(Instant, Settings, Trouble)>,
    found: Vec<(ConditionCode, String)>,
}

/// Why the portal was asked for something and did not give it, if so.
pub type Trouble = Option<ConditionCode>;

/// What came of a look.
#[derive(Default)]
pub struct Look {
    /// What holds.
    pub conditions: Vec<(ConditionCode, String)>,
    /// Whether the clock was set: times remembered before are worth nothing now.
    pub clock_set: bool,
}

impl Watch {
    /// Looks at what is due.
    pub async fn look(
        &mut self,
        host: &dyn Host,
        settings: &Settings,
        identity: Option<&Identity>,
        (adapters, roles): (&[Adapter], &Roles),
        trouble: Trouble,
    ) -> Look {
        let every = if trouble.is_some() { EVERY.1 } else { EVERY.0 };
        let due = match &self.looked {
            None => true,
            Some((at, with, before)) => at.elapsed() >= every || with != settings || *before != trouble,
        };
        if !due {
            return Look { conditions: self.found.clone(), clock_set: false };
        }
        let mut look = Look::default();
        match management::look(host, adapters, roles, trouble.is_none()) {
            Ok(found) => look.conditions.extend(found.complaints),
            Err(error) => look.conditions.push((ConditionCode::SanityFailed, chain(&error))),
        }
        match host.resources() {
            Ok(resources) => look.conditions.extend(disk(&resources)),
            Err(error) => look.conditions.push((ConditionCode::SanityFailed, chain(&error))),
        }
        let portal = PortalAddress::of(settings, identity, PATIENCE);
        if trouble.is_none() {
            if let (Some(portal), Some(proxy)) = (&portal, &settings.proxy) {
                if portal.credentials_are_needless().await {
                    look.conditions.push((ConditionCode::ProxyNeedlessCredentials, proxy.url.clone()));
                }
            }
        }
        // a portal that does not answer has no time either
        let tells_time = matches!(trouble, None | Some(ConditionCode::ClockDrift));
        self.look_at_time(host, settings, portal.as_ref().filter(|_| tells_time), &mut look).await;
        self.looked = Some((Instant::now(), settings.clone(), trouble));
        self.found = look.conditions.clone();
        look
    }

    async fn look_at_time(
        &self,
        host: &dyn Host,
        settings: &Settings,
        portal: Option<&PortalAddress>,
        look: &mut Look,
    ) {
        // settings that make no client are told by whoever tries to activate or to report
        let client = portal.and_then(|p| p.client().ok());
        let time = clock::measure(client.as_ref(), &settings.time_servers).await;
        let mut complaints = time.complaints();
        match clock::put_right(host, &time, Timestamp::now()) {
            Some(Ok(done)) => {
                tracing::warn!("{done}");
                look.clock_set = true;
                complaints.retain(|(code, _)| *code != ConditionCode::ClockDrift);
            }
            Some(Err(why)) => {
                tracing::warn!("the clock was not set: {why}");
                for (_, detail) in complaints.iter_mut().filter(|(c, _)| *c == ConditionCode::ClockDrift) {
                    *detail = format!("{detail}; {why}");
                }
            }
            None => {}
        }
        look.conditions.extend(complaints);
    }
}

/// The complaint about a disk that is nearly full.
pub(super) fn disk(resources: &Resources) -> Option<(ConditionCode, String)> {
    let nearly_full = resources.disk_free < DISK_BYTES.min(resources.disk / 2)
        || resources.disk_free < resources.disk / DISK_SHARE;
    (nearly_full && resources.disk > 0).then(|| {
        let mib = |bytes: u64| bytes >> 20;
        (
            ConditionCode::DiskFull,
            format!("{} MiB of {} MiB are free", mib(resources.disk_free), mib(resources.disk)),
        )
    })
}
