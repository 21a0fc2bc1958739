//! Whether a monitored adapter really receives a mirror: nothing, only what is flooded to everybody, one direction, frames
//! without their tags, or good.
//!
//! The agent looks for itself, at a sample of frames, and does not ask the sensor: the question comes up before the
//! activation, when the sensor does not run yet, and when it does, a wrong mirror is none of its business. Verdicts are
//! pure; they need enough frames and say "not enough yet" before that.

mod shape;
mod words;

use std::collections::{BTreeMap, VecDeque};

use eyot_contract::{ConditionCode, MacAddr};

pub use shape::Shape;
pub use words::{Platform, REMEDIES};

use crate::apply::Roles;
use crate::host::{Adapter, Flags, FrameTap, Host, HostError};

/// Fewest frames for a verdict.
const ENOUGH_FRAMES: u64 = 30;
/// Share of frames between others below which a port is no mirror. On a port that is none, a few such frames are flooded
/// while a switch learns; on a mirror they are nearly all.
const MIRRORED_SHARE: f64 = 0.05;
/// Share of ARP above which a port is no mirror, whatever else there is.
const ARP_SHARE: f64 = 0.5;
/// Fewest conversations for a verdict on directions, and the share answered below which one direction is missing.
const ENOUGH_CONVERSATIONS: usize = 3;
const ANSWERED_SHARE: f64 = 0.2;
/// Fewest networks without a tag, of so many stations each, for saying that tags are missing.
const NETWORKS: usize = 2;
const STATIONS: usize = 2;
/// How long adapters are overheard at boot, and the fewest frames between others that tell a mirror: a bridge that is still
/// learning floods one or two.
const OVERHEARING: std::time::Duration = std::time::Duration::from_secs(2);
const OVERHEARD_FRAMES: u64 = 10;
/// Frames looked at each time, most.
const MOST: usize = 2000;
/// Looks that a verdict covers; the agent looks every ten seconds.
const LOOKS: usize = 30;

/// What a port delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not one frame.
    NoFrames,
    /// Frames, too few to tell.
    NotEnough,
    /// Broadcasts, multicasts, ARP.
    Flooded,
    /// One side of conversations.
    OneWay,
    /// Several networks, no tags.
    TagsMissing,
    /// A mirror.
    Good,
}

impl Verdict {
    /// Judges.
    pub fn of(shape: &Shape) -> Self {
        let foreign = shape.flooded + shape.between_others;
        let share = |part: u64| part as f64 / foreign.max(1) as f64;
        let (conversations, answered) = shape.conversations();
        match () {
            () if shape.frames == 0 => Self::NoFrames,
            () if foreign < ENOUGH_FRAMES => Self::NotEnough,
            () if share(shape.between_others) < MIRRORED_SHARE || share(shape.arp) > ARP_SHARE => {
                Self::Flooded
            }
            () if conversations >= ENOUGH_CONVERSATIONS
                && (answered as f64) < conversations as f64 * ANSWERED_SHARE =>
            {
                Self::OneWay
            }
            () if shape.tagged == 0 && shape.separate_networks(STATIONS) >= NETWORKS => Self::TagsMissing,
            () => Self::Good,
        }
    }

    /// What health calls it; `None` where nothing is wrong or nothing can be told.
    pub fn condition(self) -> Option<ConditionCode> {
        match self {
            Self::NoFrames => Some(ConditionCode::NoTraffic),
            Self::Flooded => Some(ConditionCode::MirrorFlooded),
            Self::OneWay => Some(ConditionCode::MirrorOneWay),
            Self::TagsMissing => Some(ConditionCode::MirrorTags),
            Self::NotEnough | Self::Good => None,
        }
    }
}

/// The samples of each monitored adapter.
#[derive(Default)]
pub struct Mirrors {
    taps: BTreeMap<String, Ear>,
    platform: Option<Platform>,
}

/// One adapter's tap and what it heard.
struct Ear {
    mac: MacAddr,
    index: u32,
    tap: Box<dyn FrameTap>,
    heard: VecDeque<Shape>,
}

impl Mirrors {
    /// Takes the next sample of every adapter that listens. One that cannot be sampled now is tried again next time.
    pub fn look(&mut self, host: &dyn Host, adapters: &[Adapter], roles: &Roles) {
        let same = |name: &String, ear: &Ear| {
            adapters.iter().any(|a| a.name == *name && a.index == ear.index && a.mac == ear.mac && a.flags.up)
        };
        self.taps.retain(|name, ear| roles.captures(name) && same(name, ear));
        for adapter in adapters.iter().filter(|a| roles.captures(&a.name) && a.flags.up) {
            if !self.taps.contains_key(&adapter.name) {
                match host.tap(&adapter.name) {
                    Ok(tap) => {
                        let ear = Ear { mac: adapter.mac, index: adapter.index, tap, heard: VecDeque::new() };
                        self.taps.insert(adapter.name.clone(), ear);
                    }
                    Err(error) => tracing::debug!("{}", crate::settings::chain(&error)),
                }
            }
        }
        self.taps.retain(|name, ear| match ear.take() {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!("sampling {name} ended: {error}");
                false
            }
        });
        self.platform.get_or_insert_with(|| Platform::of(host));
    }

    /// What an adapter delivers, by the latest samples; `None` for one that is not sampled.
    pub fn verdict(&self, adapter: &str) -> Option<(Verdict, Shape)> {
        let ear = self.taps.get(adapter)?;
        let mut whole = Shape::default();
        for shape in &ear.heard {
            whole.add(shape.clone());
        }
        Some((Verdict::of(&whole), whole))
    }

    /// Adapters that heard frames between other machines.
    pub fn that_hear_others(&self) -> Vec<String> {
        let hears = |name: &&String| self.verdict(name).is_some_and(|(_, s)| s.between_others > 0);
        self.taps.keys().filter(hears).cloned().collect()
    }

    /// What is wrong, with the likely cause and the fix on this platform. Silence is told elsewhere, by counters.
    pub fn complaints(&self) -> Vec<(ConditionCode, String)> {
        let platform = self.platform.unwrap_or_default();
        let of = |name: &String| {
            let (verdict, shape) = self.verdict(name)?;
            let code = verdict.condition().filter(|_| verdict != Verdict::NoFrames)?;
            Some((code, words::detail(name, verdict, &shape, platform)))
        };
        self.taps.keys().filter_map(of).collect()
    }
}

impl Ear {
    fn take(&mut self) -> std::io::Result<()> {
        let mut shape = Shape::default();
        for frame in self.tap.take(MOST)? {
            shape.see(&frame, self.mac);
        }
        self.heard.push_back(shape);
        if self.heard.len() > LOOKS {
            self.heard.pop_front();
        }
        Ok(())
    }
}

/// Which adapters hear frames between other machines, before anything is configured: each is brought up silently, listened
/// to, and put back. Nothing is sent. Ends as soon as one hears enough, or after two seconds.
///
/// # Errors
/// An adapter could not be put back.
pub fn overhear(host: &dyn Host, adapters: &[Adapter]) -> Result<Vec<String>, HostError> {
    let candidates: Vec<&Adapter> =
        adapters.iter().filter(|a| a.hardware && !a.enslaved && !a.addressed).collect();
    let mut ears = Vec::new();
    for adapter in &candidates {
        // one that cannot be listened to tells nothing, which is no reason not to boot
        match silently_up(host, adapter).and_then(|()| host.tap(&adapter.name)) {
            Ok(tap) => ears.push((*adapter, tap, Shape::default())),
            Err(error) => tracing::debug!("{}", crate::settings::chain(&error)),
        }
    }
    let started = std::time::Instant::now();
    while started.elapsed() < OVERHEARING && !ears.iter().any(|(_, _, s)| s.between_others >= ENOUGH_FRAMES) {
        std::thread::sleep(std::time::Duration::from_millis(50));
        for (adapter, tap, shape) in &mut ears {
            for frame in tap.take(MOST).unwrap_or_default() {
                shape.see(&frame, adapter.mac);
            }
        }
    }
    let heard = ears.iter().filter(|(_, _, s)| s.between_others >= OVERHEARD_FRAMES);
    let names = heard.map(|(adapter, ..)| adapter.name.clone()).collect();
    drop(ears);
    // all of them are put back, whatever one of them says
    let mut outcome = Ok(names);
    for adapter in candidates {
        let back = host.set_flags(&adapter.name, adapter.flags);
        if let Err(error) = back.and(host.set_ipv6(&adapter.name, adapter.ipv6)) {
            outcome = Err(error);
        }
    }
    outcome
}

fn silently_up(host: &dyn Host, adapter: &Adapter) -> Result<(), HostError> {
    host.set_ipv6(&adapter.name, false)?;
    let silent = Flags { arp: false, multicast: false, ..adapter.flags };
    host.set_flags(&adapter.name, silent)?;
    host.set_flags(&adapter.name, Flags { up: true, promiscuous: true, ..silent })
}

/// Samples adapters for a while, for people who wait: returns each with its verdict, worst detail included.
///
/// # Errors
/// An adapter cannot be sampled.
pub fn listen(
    host: &dyn Host,
    adapters: &[&Adapter],
    patience: std::time::Duration,
) -> Result<Vec<(String, Verdict, String)>, HostError> {
    let mut ears = Vec::new();
    for adapter in adapters {
        ears.push((adapter.name.clone(), adapter.mac, host.tap(&adapter.name)?, Shape::default()));
    }
    let started = std::time::Instant::now();
    loop {
        for (name, mac, tap, shape) in &mut ears {
            let frames =
                tap.take(MOST).map_err(|e| HostError::new("sampling what arrives at", name.as_str(), e))?;
            for frame in frames {
                shape.see(&frame, *mac);
            }
        }
        if started.elapsed() >= patience {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let platform = Platform::of(host);
    Ok(ears
        .into_iter()
        .map(|(name, _, _, shape)| {
            let verdict = Verdict::of(&shape);
            let detail = words::detail(&name, verdict, &shape, platform);
            (name, verdict, detail)
        })
        .collect())
}

#[cfg(test)]
mod tests;
