//! A change of the network that was entered over the network: made after the answer is out, and taken back unless somebody
//! reaches the machine afterwards.
//!
//! What the network's settings were before is on disk first, so a power cut in between ends in the same question: is this
//! machine reached? Any request over the page's TLS that was accepted after the change says yes, and so does an activation.

use std::time::{Duration, Instant};

use eyot_contract::settings::{Layer, DEFINITIONS};

use super::form::is_network;
use super::Page;
use crate::apply::{network, role};
use crate::host::{Access, Host, HostError};
use crate::paths;
use crate::settings::{chain, gather};

/// Between the answer and the change: the answer must get out.
const PAUSE: Duration = Duration::from_secs(2);
/// How long somebody has to reach the machine at its new address.
pub(super) const TRIAL: Duration = Duration::from_secs(180);

/// Where a change stands.
#[derive(Debug, Default)]
pub(super) enum Change {
    /// There is none.
    #[default]
    None,
    /// To be made.
    Due(Instant),
    /// Made then; not confirmed.
    Made(Instant),
    /// Somebody has reached the machine since.
    Confirmed,
}

impl Change {
    /// One that was not confirmed when the agent ended is on trial again.
    pub(super) fn resume(host: &dyn Host) -> Self {
        match host.read(paths::PAGE_BEFORE) {
            Ok(Some(_)) => Self::Made(Instant::now()),
            _ => Self::None,
        }
    }

    /// A request on a connection that was accepted at this moment.
    pub(super) fn reached(&mut self, accepted: Instant) {
        if matches!(self, Self::Made(at) if accepted > *at) {
            *self = Self::Confirmed;
        }
    }
}

/// Remembers what the network's settings were before they become `next`. Says whether that is a change. To be called
/// before `next` is stored.
///
/// # Errors
/// The machine does not keep it.
pub(super) fn begin(page: &Page, before: &Layer, next: &Layer) -> Result<bool, HostError> {
    let (before, next) = (only_network(before), only_network(next));
    if !page.owns_network || before.values == next.values {
        return Ok(false);
    }
    // an earlier change that nobody has confirmed: what was before it is what is known to work
    if page.host.read(paths::PAGE_BEFORE)?.is_none() {
        page.host.write(paths::PAGE_BEFORE, before.to_toml().as_bytes(), Access::Root)?;
    }
    *page.network() = Change::Due(Instant::now() + PAUSE);
    Ok(true)
}

/// Does what is due: the change, its end, or the way back. What was done, for the log.
pub(super) fn tick(page: &Page, now: Instant) -> Option<String> {
    let mut change = page.network();
    let host = &*page.host;
    let outcome = match *change {
        Change::Due(at) if now >= at => {
            let done = apply(host);
            *change = Change::Made(now);
            done.map(|()| "the network was changed, on trial until somebody reaches this machine".to_owned())
        }
        Change::Made(_) if page.is_activated() => {
            *change = Change::None;
            host.remove(paths::PAGE_BEFORE)
                .map_err(|e| chain(&e))
                .map(|()| "the network stays as it is".to_owned())
        }
        Change::Confirmed => {
            *change = Change::None;
            host.remove(paths::PAGE_BEFORE)
                .map_err(|e| chain(&e))
                .map(|()| "the network stays as it is".to_owned())
        }
        Change::Made(at) if now.duration_since(at) >= TRIAL => {
            let done = take_back(host);
            *change = if done.is_ok() { Change::None } else { Change::Made(now) };
            done.map(|()| "nobody reached this machine: the network is as it was before".to_owned())
        }
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|why| format!("the network could not be changed: {why}")))
}

/// Makes the network as the settings say.
fn apply(host: &dyn Host) -> Result<(), String> {
    let settings = gather(host).resolve().map_err(|e| e.to_string())?.settings;
    let adapters = host.adapters().map_err(|e| chain(&e))?;
    let roles = role::decide(host, &settings, &adapters).map_err(|e| chain(&e))?;
    network::apply(host, &network::plan(&settings, &roles, &adapters)).map_err(|e| chain(&e))?;
    host.run("netplan", &["apply"]).map_err(|e| chain(&e)).map(drop)
}

fn take_back(host: &dyn Host) -> Result<(), String> {
    let read = |path: &str| -> Result<Layer, String> {
        let text = host.read(path).map_err(|e| chain(&e))?.and_then(|c| String::from_utf8(c).ok());
        text.map_or(Ok(Layer::new(path)), |t| Layer::from_toml(path, &t).map_err(|e| e.to_string()))
    };
    let (before, mut now) = (read(paths::PAGE_BEFORE)?, read(paths::PAGE_SETTINGS)?);
    for definition in DEFINITIONS.iter().filter(|d| is_network(d)) {
        now.values.remove(definition.key);
    }
    now.values.extend(before.values);
    host.write(paths::PAGE_SETTINGS, now.to_toml().as_bytes(), Access::Root).map_err(|e| chain(&e))?;
    apply(host)?;
    host.remove(paths::PAGE_BEFORE).map_err(|e| chain(&e))
}

fn only_network(layer: &Layer) -> Layer {
    let mut only = Layer::new(layer.origin.clone());
    let keys = DEFINITIONS.iter().filter(|d| is_network(d)).map(|d| d.key);
    only.values.extend(keys.filter_map(|k| Some((k, layer.values.get(k)?.clone()))));
    only
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::host::double::{adapter, Double};

    const AFTER: &str = "version = 1\n[management]\naddress = \"192.0.2.20/24\"\nmode = \"static\"\n[time]\nservers = \"ntp.example\"\n";

    /// An appliance on which a change was stored and made.
    fn changed() -> (Arc<Double>, Page, Instant) {
        let host = Arc::new(Double::with_adapters(vec![adapter("ens160", 3, Some("0000:03:00.0"))]));
        host.put(paths::NETWORK_ENABLED, "[Unit]\n");
        host.put(paths::NETWORKD_GENERATED, "[Match]\n");
        let page = Page::new(Arc::clone(&host) as _, Arc::default(), Arc::default()).unwrap();
        let (before, after) = (Layer::new("x"), Layer::from_toml("x", AFTER).unwrap());
        assert!(begin(&page, &before, &after).unwrap());
        host.put(paths::PAGE_SETTINGS, AFTER);
        let now = Instant::now();
        assert_eq!(tick(&page, now), None, "the answer must get out first");
        let made = now + PAUSE;
        assert!(tick(&page, made).unwrap().contains("on trial"));
        assert!(host.text(paths::NETPLAN).unwrap().contains("192.0.2.20/24"));
        assert!(host.take_log().iter().any(|l| l.contains("netplan apply")));
        (host, page, made)
    }

    #[test]
    fn a_network_that_nobody_reaches_is_put_back_and_the_rest_stays() {
        let (host, page, made) = changed();
        // a connection that was there before proves nothing
        page.network().reached(made - PAUSE);
        assert_eq!(tick(&page, made + TRIAL / 2), None);
        assert!(tick(&page, made + TRIAL).unwrap().contains("as it was before"));
        assert!(host.text(paths::NETPLAN).unwrap().contains("dhcp4: true"));
        let kept = Layer::from_toml("x", &host.text(paths::PAGE_SETTINGS).unwrap()).unwrap();
        assert_eq!(kept.values.into_iter().collect::<Vec<_>>(), [("time.servers", "ntp.example".to_owned())]);
        assert_eq!(host.text(paths::PAGE_BEFORE), None);
        assert_eq!(tick(&page, made + 2 * TRIAL), None);
    }

    #[test]
    fn a_network_that_somebody_reaches_stays() {
        let (host, page, made) = changed();
        page.network().reached(made + PAUSE);
        assert!(tick(&page, made + PAUSE).unwrap().contains("stays"));
        assert_eq!(host.text(paths::PAGE_BEFORE), None);
        assert_eq!(tick(&page, made + TRIAL), None);
        assert!(host.text(paths::NETPLAN).unwrap().contains("192.0.2.20/24"));
    }

    #[test]
    fn a_change_that_was_on_trial_when_the_agent_was_killed_is_on_trial_again() {
        let (host, _, made) = changed();
        let page = Page::new(Arc::clone(&host) as _, Arc::default(), Arc::default()).unwrap();
        assert!(tick(&page, made + 2 * TRIAL).unwrap().contains("as it was before"));
        assert!(host.text(paths::NETPLAN).unwrap().contains("dhcp4: true"));
    }

    #[test]
    fn other_settings_are_no_change_of_the_network() {
        let (_, page, _) = changed();
        let layer = Layer::from_toml("x", AFTER).unwrap();
        let mut other = layer.clone();
        other.set("proxy.url", "http://p:1").unwrap();
        assert!(!begin(&page, &layer, &other).unwrap());
    }
}
