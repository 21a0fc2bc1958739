//! A capture adapter: silent, promiscuous, up, and with nothing between the wire and the capture.
//!
//! Order matters: IPv6, ARP and multicast are off before the adapter comes up, else the kernel announces itself on the
//! mirrored network (duplicate address detection, router solicitation, group membership). Nothing persists in the
//! kernel, netplan 0.99 and systemd 237 have no words for any of it, so it is done at every boot and put back whenever
//! something changed it.

use std::collections::{BTreeMap, BTreeSet};

use super::{ApplyError, Cause};
use crate::host::{Adapter, Flags, Host, HostError, Offload};

/// MTUs to try, largest first, in bytes. 9216 is the jumbo frame of most switches; mirrored frames can carry tags on
/// top of the network's own MTU, hence the odd ones.
const MTUS: [u32; 5] = [9216, 9000, 4096, 1600, 1518];

/// One thing to do to an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Keep the IPv6 stack off it.
    NoIpv6,
    /// No ARP, no multicast.
    Silence,
    /// Turn an offload off.
    NoOffload(Offload),
    /// The receive ring at its largest.
    LargestRing(u32),
    /// One receive queue: several give the two directions of a conversation to different processors, and what was one
    /// exchange reaches the capture out of order.
    OneQueue,
    /// The largest MTU up to this one that it takes.
    LargestMtu(u32),
    /// Promiscuous and up.
    Listen,
}

/// What drivers have said they cannot do, so that they are not asked every minute.
#[derive(Debug, Default)]
pub struct Refusals {
    steps: BTreeSet<(String, Step)>,
    largest_mtu: BTreeMap<String, u32>,
}

/// What needs doing, in order; nothing when the adapter is as it should be.
pub fn plan(adapter: &Adapter, refusals: &Refusals) -> Vec<Step> {
    let mut steps = Vec::new();
    let flags = adapter.flags;
    if adapter.ipv6 {
        steps.push(Step::NoIpv6);
    }
    if flags.arp || flags.multicast {
        steps.push(Step::Silence);
    }
    for offload in Offload::ALL {
        if adapter.offloads.get(&offload) == Some(&true) {
            steps.push(Step::NoOffload(offload));
        }
    }
    if let Some(rings) = adapter.rings.filter(|r| r.rx < r.rx_max) {
        steps.push(Step::LargestRing(rings.rx_max));
    }
    if adapter.queues.is_some_and(|q| q > 1) {
        steps.push(Step::OneQueue);
    }
    let mtu = refusals.largest_mtu.get(&adapter.name).copied().unwrap_or(MTUS[0]);
    if adapter.mtu < mtu {
        steps.push(Step::LargestMtu(mtu));
    }
    if !flags.up || !flags.promiscuous {
        steps.push(Step::Listen);
    }
    steps.retain(|s| !refusals.steps.contains(&(adapter.name.clone(), *s)));
    steps
}

/// What needs doing to an adapter where tunnels end: it has an address and answers ARP, and is otherwise as little in the
/// way as one that listens.
pub fn plan_tunnel(adapter: &Adapter, refusals: &Refusals) -> Vec<Step> {
    let mut steps = plan(adapter, refusals);
    steps.retain(|s| s.is_optional());
    steps
}

/// Plans, does, verifies, and undoes it all if anything fails. Returns what was done, for people.
///
/// # Errors
/// A step that failed for another reason than that the driver does not know it.
pub fn prepare(
    host: &dyn Host,
    before: &Adapter,
    refusals: &mut Refusals,
) -> Result<Vec<String>, ApplyError> {
    prepare_by(plan, host, before, refusals)
}

/// The same for an adapter where tunnels end.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_tunnel(
    host: &dyn Host,
    before: &Adapter,
    refusals: &mut Refusals,
) -> Result<Vec<String>, ApplyError> {
    prepare_by(plan_tunnel, host, before, refusals)
}

fn prepare_by(
    plan: fn(&Adapter, &Refusals) -> Vec<Step>,
    host: &dyn Host,
    before: &Adapter,
    refusals: &mut Refusals,
) -> Result<Vec<String>, ApplyError> {
    let mut done = Vec::new();
    let outcome = plan(before, refusals)
        .into_iter()
        .try_for_each(|step| carry_out(host, before, step, refusals, &mut done))
        .and_then(|()| verify(plan, host, before, refusals));
    match outcome {
        Ok(()) => Ok(done.into_iter().map(words).collect()),
        Err(cause) => Err(ApplyError::after("the monitoring interface", cause, undo(host, before, &done))),
    }
}

/// Takes an adapter out of service.
pub fn take_down(host: &dyn Host, adapter: &Adapter) -> Result<(), HostError> {
    host.set_flags(&adapter.name, Flags { up: false, ..adapter.flags })
}

fn carry_out(
    host: &dyn Host,
    before: &Adapter,
    step: Step,
    refusals: &mut Refusals,
    done: &mut Vec<Step>,
) -> Result<(), Cause> {
    let name = before.name.as_str();
    let silent = Flags { arp: false, multicast: false, ..before.flags };
    let result = match step {
        Step::NoIpv6 => host.set_ipv6(name, false),
        Step::Silence => host.set_flags(name, silent),
        Step::NoOffload(offload) => host.set_offload(name, offload, false),
        Step::LargestRing(rx) => host.set_rings(name, rx),
        Step::OneQueue => host.set_queues(name, 1),
        Step::LargestMtu(most) => {
            let accepted = largest_mtu(host, before, most)?;
            refusals.largest_mtu.insert(name.to_owned(), accepted);
            if accepted > before.mtu {
                done.push(Step::LargestMtu(accepted));
            }
            return Ok(());
        }
        Step::Listen => host.set_flags(name, Flags { up: true, promiscuous: true, ..silent }),
    };
    match result {
        Ok(()) => done.push(step),
        Err(e) if step.is_optional() && e.is_unsupported() => {
            refusals.steps.insert((name.to_owned(), step));
        }
        Err(e) => return Err(e.into()),
    }
    Ok(())
}

fn largest_mtu(host: &dyn Host, before: &Adapter, most: u32) -> Result<u32, HostError> {
    for mtu in MTUS.into_iter().filter(|m| *m <= most && *m > before.mtu) {
        match host.set_mtu(&before.name, mtu) {
            Ok(()) => return Ok(mtu),
            Err(e) if e.is_unsupported() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(before.mtu)
}

fn verify(
    plan: fn(&Adapter, &Refusals) -> Vec<Step>,
    host: &dyn Host,
    before: &Adapter,
    refusals: &Refusals,
) -> Result<(), Cause> {
    let now = host.adapters()?;
    let now = now
        .iter()
        .find(|a| a.name == before.name)
        .ok_or_else(|| Cause::Verify(format!("{} is gone", before.name)))?;
    match plan(now, refusals).into_iter().find(|s| !s.is_optional()) {
        None => Ok(()),
        Some(step) => Err(Cause::Verify(format!("{} is not as asked: {}", before.name, words(step)))),
    }
}

/// Last done, first undone; all of it is tried even if a part fails.
fn undo(host: &dyn Host, before: &Adapter, done: &[Step]) -> Result<(), HostError> {
    let name = before.name.as_str();
    let mut result = Ok(());
    for step in done.iter().rev() {
        let undone = match step {
            Step::NoIpv6 => host.set_ipv6(name, before.ipv6),
            Step::Silence => host.set_flags(name, before.flags),
            Step::NoOffload(offload) => host.set_offload(name, *offload, true),
            Step::LargestRing(_) => match before.rings {
                Some(rings) => host.set_rings(name, rings.rx),
                None => Ok(()),
            },
            Step::OneQueue => match before.queues {
                Some(queues) => host.set_queues(name, queues),
                None => Ok(()),
            },
            Step::LargestMtu(_) => host.set_mtu(name, before.mtu),
            Step::Listen => host.set_flags(name, Flags { arp: false, multicast: false, ..before.flags }),
        };
        result = result.and(undone);
    }
    result
}

impl Step {
    /// Whether a driver may say that it does not know this.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::NoOffload(_) | Self::LargestRing(_) | Self::OneQueue | Self::LargestMtu(_))
    }
}

/// The step, for people.
pub fn words(step: Step) -> String {
    match step {
        Step::NoIpv6 => "IPv6 off".to_owned(),
        Step::Silence => "ARP and multicast off".to_owned(),
        Step::NoOffload(offload) => format!("{offload:?} offload off"),
        Step::LargestRing(rx) => format!("receive ring {rx}"),
        Step::OneQueue => "one receive queue".to_owned(),
        Step::LargestMtu(mtu) => format!("MTU {mtu}"),
        Step::Listen => "promiscuous and up".to_owned(),
    }
}
