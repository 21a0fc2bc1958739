//! What people decided about devices: that several hardware addresses are one device, what an attribute is, who may be
//! here, what is to be forgotten. Their word goes before what was found out, and is kept apart from it, so that taking it
//! back loses nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use eyot_contract::{Attribute, DeviceRecord, DeviceType, Evidence, MacAddr, Nature, Peer, Timestamp};

use crate::device::MAX_INTERVALS;

/// Fewest and most hardware addresses of one merged device.
pub const MERGED: (usize, usize) = (2, 10);
/// Most decisions kept.
pub const MAX_DECISIONS: u64 = 100_000;
/// Longest value set by hand, in characters.
pub const MAX_SET_CHARS: usize = 200;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These are one device, shown under the first.
    Merge(Vec<MacAddr>),
    /// What was merged with this address stands alone again.
    Unmerge(MacAddr),
    /// The attribute is this, whatever is found out.
    Set(MacAddr, Attribute, String),
    /// The attribute is what is found out again.
    Unset(MacAddr, Attribute),
    /// It may be here, may not, or nobody says.
    Authorize(MacAddr, Option<bool>),
    /// It is forgotten, with what was decided about it; seen again, it is a new device.
    Delete(MacAddr),
}

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Nobody has seen it.
    #[error("{0}: no such device is known; `eyot-sensor devices` lists those that are")]
    Unknown(MacAddr),
    /// Too few or too many.
    #[error("{given} devices are given; {} to {} different ones can be merged", MERGED.0, MERGED.1)]
    Count {
        /// How many.
        given: usize,
    },
    /// It is part of another device.
    #[error("{0}: is merged already; take that back first (`eyot-sensor devices unmerge {0}`)")]
    Merged(MacAddr),
    /// It is not.
    #[error("{0}: is not merged with another device")]
    NotMerged(MacAddr),
    /// The value is impossible.
    #[error("{reason}")]
    Value {
        /// What is wrong with it.
        reason: String,
    },
    /// There are too many.
    #[error("{MAX_DECISIONS} decisions are kept already; take some back")]
    Full,
}

/// All decisions that hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Shown under: the member's first address.
    primary: HashMap<MacAddr, MacAddr>,
    members: HashMap<MacAddr, Vec<MacAddr>>,
    set: HashMap<MacAddr, BTreeMap<Attribute, String>>,
    authorized: HashMap<MacAddr, bool>,
    pub(crate) deleted: HashMap<MacAddr, Timestamp>,
}

impl Decisions {
    /// The address that the device with this one is shown under.
    pub fn primary(&self, mac: MacAddr) -> MacAddr {
        if self.primary.is_empty() {
            return mac;
        }
        self.primary.get(&mac).copied().unwrap_or(mac)
    }

    /// Further addresses of the device that is shown under this one, ascending.
    pub fn members(&self, primary: MacAddr) -> &[MacAddr] {
        self.members.get(&primary).map_or(&[], Vec::as_slice)
    }

    /// Every device about which something is decided.
    pub fn subjects(&self) -> HashSet<MacAddr> {
        let members = self.primary.iter().flat_map(|(member, primary)| [*member, *primary]);
        members.chain(self.set.keys().copied()).chain(self.authorized.keys().copied()).collect()
    }

    pub(crate) fn merge(&mut self, primary: MacAddr, member: MacAddr) {
        self.primary.insert(member, primary);
        let members = self.members.entry(primary).or_default();
        members.push(member);
        members.sort_unstable();
    }

    pub(crate) fn set(&mut self, mac: MacAddr, attribute: Attribute, value: String) {
        self.set.entry(mac).or_default().insert(attribute, value);
    }

    pub(crate) fn authorize(&mut self, mac: MacAddr, yes: bool) {
        self.authorized.insert(mac, yes);
    }

    /// Nothing is decided about a device that is gone.
    pub(crate) fn forget(&mut self, mac: MacAddr) {
        self.set.remove(&mac);
        self.authorized.remove(&mac);
        self.deleted.remove(&mac);
        if let Some(primary) = self.primary.remove(&mac) {
            if let Some(members) = self.members.get_mut(&primary) {
                members.retain(|member| *member != mac);
            }
        }
        for member in self.members.remove(&mac).unwrap_or_default() {
            self.primary.remove(&member);
        }
    }

    /// Whether the decision is possible beside those that hold. That the devices exist is the caller's to know.
    ///
    /// # Errors
    /// With what is in the way.
    pub fn check(&self, decision: &Decision) -> Result<(), DecisionError> {
        let is_merged = |mac: &MacAddr| self.primary.contains_key(mac) || !self.members(*mac).is_empty();
        match decision {
            Decision::Merge(macs) => {
                let different: HashSet<_> = macs.iter().collect();
                if !(MERGED.0..=MERGED.1).contains(&macs.len()) || different.len() != macs.len() {
                    return Err(DecisionError::Count { given: different.len() });
                }
                macs.iter().find(|mac| is_merged(mac)).map_or(Ok(()), |mac| Err(DecisionError::Merged(*mac)))
            }
            Decision::Unmerge(mac) if !is_merged(mac) => Err(DecisionError::NotMerged(*mac)),
            Decision::Set(_, attribute, value) => check_value(*attribute, value),
            _ => Ok(()),
        }
    }

    /// Puts the decisions about this device on top of what was found out.
    pub(crate) fn apply(&self, record: &mut DeviceRecord) {
        record.managed.authorized = self.authorized.get(&record.mac).copied();
        let Some(set) = self.set.get(&record.mac) else { return };
        for (attribute, value) in set {
            let text = Some(value.clone());
            match attribute {
                Attribute::Hostname => record.hostname = text,
                Attribute::Vendor => record.vendor = text,
                Attribute::Model => record.model = text,
                Attribute::Os => record.os = text,
                Attribute::Firmware => record.firmware = text,
                Attribute::Serial => record.serial = text,
                Attribute::Type => {
                    record.device_type = value.parse().ok();
                    record.class = record.device_type.map(DeviceType::class);
                }
            }
            record.managed.set.push(*attribute);
            record.evidence.insert(
                0,
                Evidence {
                    attribute: *attribute,
                    value: value.clone(),
                    source: "operator".to_owned(),
                    seen: value.clone(),
                    rule: "set-by-hand".to_owned(),
                    nature: Nature::Operator,
                    confidence: 1.0,
                    first_seen: None,
                    last_seen: None,
                },
            );
        }
    }
}

fn check_value(attribute: Attribute, value: &str) -> Result<(), DecisionError> {
    let wrong = |reason: String| Err(DecisionError::Value { reason });
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        return wrong("the value is empty or has control characters; to take one back, unset it".to_owned());
    }
    let length = value.chars().count();
    if length > MAX_SET_CHARS {
        return wrong(format!("the value has {length} characters, at most {MAX_SET_CHARS} are kept"));
    }
    if attribute == Attribute::Type {
        if let Err(reason) = value.parse::<DeviceType>() {
            let known: Vec<&str> = DeviceType::ALL.iter().map(|t| t.name()).collect();
            return wrong(format!("{reason}; known are {}", known.join(", ")));
        }
    }
    Ok(())
}

/// Adds what is known of a further address of the same device. What the first knows stays.
pub(crate) fn fold(record: &mut DeviceRecord, member: DeviceRecord) {
    record.managed.macs.push(member.mac);
    for ip in member.ips {
        if !record.ips.contains(&ip) {
            record.ips.push(ip);
        }
    }
    record.vlans.extend(member.vlans);
    record.vlans.sort_unstable();
    record.vlans.dedup();
    record.protocols.extend(member.protocols);
    record.protocols.sort_unstable();
    record.protocols.dedup();
    for (mine, theirs) in [
        (&mut record.hostname, member.hostname),
        (&mut record.vendor, member.vendor),
        (&mut record.model, member.model),
        (&mut record.os, member.os),
        (&mut record.firmware, member.firmware),
        (&mut record.serial, member.serial),
    ] {
        if mine.is_none() {
            *mine = theirs;
        }
    }
    if record.device_type.is_none() {
        record.device_type = member.device_type;
        record.class = member.class;
    }
    record.confidence = record.confidence.max(member.confidence);
    record.frames += member.frames;
    record.activity.bytes += member.activity.bytes;
    record.activity.flows += member.activity.flows;
    let own = std::mem::take(&mut record.activity.peers);
    record.activity.peers = Peer::together([own, member.activity.peers]);
    record.first_seen = record.first_seen.min(member.first_seen);
    record.last_seen = record.last_seen.max(member.last_seen);
    record.evidence.extend(member.evidence);
    let intervals = &mut record.activity.intervals;
    intervals.extend(member.activity.intervals);
    intervals.sort_unstable_by_key(|i| (i.from, i.to));
    // stretches that overlap are one
    let mut joined: Vec<eyot_contract::Interval> = Vec::new();
    for interval in intervals.drain(..) {
        match joined.last_mut() {
            Some(last) if interval.from <= last.to => last.to = last.to.max(interval.to),
            _ => joined.push(interval),
        }
    }
    let excess = joined.len().saturating_sub(MAX_INTERVALS + 1);
    record.activity.intervals = joined.split_off(excess);
}
