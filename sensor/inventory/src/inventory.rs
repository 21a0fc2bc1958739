//! All devices: frames and readings in, identified devices out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::LazyLock;

use eyot_capture::Frame;
use eyot_contract::{DeviceRecord, MacAddr, Timestamp};
use eyot_dissect::{Dissector, Field, Opening, Summary};

use crate::addresses::{is_counted_down, is_link_local, is_virtual_router, AddressSource, Change, Whose};
use crate::counters::InventoryCounters;
use crate::decisions::{fold, Decisions};
use crate::device::{Changed, Device};
use crate::facts::Taken;
use crate::gather::Sighting;
use crate::networks::LocalNetworks;
use crate::peers::{peer_of, Noted, MAX_PEERS_OF_ALL};
use crate::readings::{Reading, Readings};

/// Most devices kept at once.
pub const MAX_DEVICES: usize = 65_536;
/// Most memory for the facts of all devices together, in bytes: 128 MiB.
pub const MAX_FACT_BYTES: usize = 128 << 20;
/// A device not seen for so long is forgotten: 90 days, in microseconds.
pub const RETENTION: i64 = 90 * 86_400 * 1_000_000;
/// A device counts as present for so long after its latest frame: 15 minutes, in microseconds.
pub const PRESENT_FOR: i64 = 15 * 60 * 1_000_000;
/// In a full table, a device of which nothing is known gives way after so long: an hour, in microseconds.
const FLEETING_AFTER: i64 = 3_600 * 1_000_000;
/// A full table is searched for such devices once in so many refusals.
const SWEEP_EVERY: u64 = 4_096;

/// The inventory.
#[derive(Default)]
pub struct Inventory {
    slots: Vec<Option<Device>>,
    free: Vec<usize>,
    index: HashMap<MacAddr, usize, foldhash::fast::RandomState>,
    /// The sender of the frame before, which is often the sender of this one.
    recent: Option<(MacAddr, usize)>,
    /// Who claims an address.
    owners: HashMap<IpAddr, MacAddr, foldhash::fast::RandomState>,
    to_identify: VecDeque<MacAddr>,
    /// Gone from here, not yet from the store.
    pub(crate) forgotten: Vec<MacAddr>,
    fact_bytes: usize,
    /// Peers of all devices together.
    peers: usize,
    counters: InventoryCounters,
    readings: Readings,
    /// Those of the latest frame.
    current: Range<usize>,
    decisions: Decisions,
    local: LocalNetworks,
}

impl Inventory {
    /// An inventory of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one frame through the dissector.
    #[inline]
    pub fn frame(&mut self, dissector: &mut Dissector, frame: &Frame<'_>) -> Summary {
        let mut readings = std::mem::take(&mut self.readings);
        readings.clear();
        let summary = dissector.frame(frame, &mut |observation| readings.push(observation));
        if !summary.duplicate {
            let bytes = frame.wire_len.into();
            self.sighting(&Sighting { at: frame.at, frames: 1, bytes, summary });
            for outside in dissector.outsides() {
                self.sighting(&Sighting::outside(frame, *outside, &summary));
            }
        }
        self.current = 0..readings.len();
        for reading in readings.range(self.current.clone()) {
            self.reading(frame.at, &summary, &reading);
        }
        self.readings = readings;
        summary
    }

    /// Takes a sighting, and those of the readings that belong to it.
    #[inline]
    pub(crate) fn take_one(&mut self, sighting: &Sighting, range: Range<usize>) {
        self.current = range;
        self.sighting(sighting);
        if self.has_readings() {
            let readings = std::mem::take(&mut self.readings);
            for reading in readings.range(self.current.clone()) {
                self.reading(sighting.at, &sighting.summary, &reading);
            }
            self.readings = readings;
        }
    }

    /// Exchanges the readings that sightings refer to.
    pub(crate) fn exchange_readings(&mut self, readings: &mut Readings) {
        std::mem::swap(&mut self.readings, readings);
        self.current = 0..0;
    }

    /// What was read of the latest frame, until the next.
    #[inline]
    pub fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        self.readings.range(self.current.clone())
    }

    /// Whether anything was read of the latest frame.
    #[inline]
    pub fn has_readings(&self) -> bool {
        !self.current.is_empty()
    }

    /// Who claims this address.
    pub fn owner(&self, ip: IpAddr) -> Option<MacAddr> {
        self.owners.get(&ip).copied()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many were seen within [`PRESENT_FOR`] before `now`.
    pub fn present(&self, now: Timestamp) -> usize {
        let since = now.0.saturating_sub(PRESENT_FOR);
        self.devices().filter(|d| d.last_seen.0 >= since).count()
    }

    /// Every device, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.slots.iter().flatten()
    }

    /// The device with this address.
    pub fn device(&self, mac: MacAddr) -> Option<&Device> {
        self.slots.get(*self.index.get(&mac)?)?.as_ref()
    }

    /// Every device's record, by MAC address; devices that people merged are one.
    pub fn records(&self) -> Vec<DeviceRecord> {
        self.each_record().collect()
    }

    /// The same, each made only when it is asked for.
    pub fn each_record(&self) -> impl Iterator<Item = DeviceRecord> + '_ {
        let mut shown: Vec<_> =
            self.devices().map(|device| device.mac).filter(|mac| self.shown_under(*mac) == *mac).collect();
        shown.sort_unstable();
        shown.into_iter().filter_map(|mac| self.record(mac))
    }

    /// What the sensor tells the world about the device with this address, under whichever of its addresses that is.
    pub fn record(&self, mac: MacAddr) -> Option<DeviceRecord> {
        let mac = self.shown_under(mac);
        let mut record = self.device(mac)?.record();
        for member in self.decisions.members(mac).iter().filter_map(|member| self.device(*member)) {
            fold(&mut record, member.record());
        }
        for peer in &mut record.activity.peers {
            peer.mac = self.owner(peer.ip).map(|mac| self.shown_under(mac));
            peer.location = Some(self.local.location(peer.ip));
        }
        if self.local.are_configured() {
            let ip = record.ips.iter().find(|ip| !is_link_local(**ip));
            record.activity.location = ip.map(|ip| self.local.location(*ip));
        }
        self.decisions.apply(&mut record);
        Some(record)
    }

    /// Which networks count as local.
    pub fn set_local_networks(&mut self, local: LocalNetworks) {
        self.local = local;
    }

    /// What people decided.
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Whether people said that both are one device.
    pub fn are_one(&self, one: MacAddr, other: MacAddr) -> bool {
        one == other || self.decisions.primary(one) == self.decisions.primary(other)
    }

    /// Follows other decisions from now on; every device they touch is told about again.
    pub(crate) fn follow(&mut self, decisions: Decisions) {
        let mut touched = self.decisions.subjects();
        touched.extend(decisions.subjects());
        self.decisions = decisions;
        let deleted = self.decisions.deleted.clone();
        if !deleted.is_empty() {
            self.forget(|device| deleted.get(&device.mac).is_some_and(|at| device.first_seen <= *at));
            // what is not here any more need not be forgotten again, but its row must go
            for mac in deleted.keys().filter(|mac| !self.index.contains_key(mac)) {
                if !self.forgotten.contains(mac) {
                    self.forgotten.push(*mac);
                }
            }
        }
        for mac in touched {
            if let Some(device) = self.device_mut(mac) {
                device.unreported = Changed::Learnt;
            }
        }
    }

    /// The address a device is shown under: a merged one's first, while that is known.
    fn shown_under(&self, mac: MacAddr) -> MacAddr {
        let primary = self.decisions.primary(mac);
        if primary != mac && self.index.contains_key(&primary) {
            primary
        } else {
            mac
        }
    }

    /// What was taken and refused.
    pub fn counters(&self) -> InventoryCounters {
        self.counters
    }

    /// Identifies at most `budget` of the devices whose facts changed, oldest change first; how many it did.
    pub fn identify(&mut self, budget: usize) -> usize {
        let mut done = 0;
        while done < budget {
            let Some(mac) = self.to_identify.pop_front() else { break };
            let Some(device) = self.index.get(&mac).and_then(|at| self.slots[*at].as_mut()) else { continue };
            if device.identify() {
                device.unsaved = Changed::Learnt;
                device.unreported = Changed::Learnt;
            }
            done += 1;
        }
        done
    }

    /// Forgets devices not seen since `before`; how many.
    pub fn forget_quiet(&mut self, before: Timestamp) -> usize {
        self.forget(|device| device.last_seen < before)
    }

    /// Devices whose record should be reported now: learnt about since the last report, which is at least `pause` ago;
    /// or merely seen again, when the last report is at least `refresh` ago. Times in microseconds.
    pub fn due(&self, now: Timestamp, pause: i64, refresh: i64) -> Vec<MacAddr> {
        let mut due: Vec<_> = self
            .devices()
            .filter(|device| self.shown_under(device.mac) == device.mac)
            .filter(|device| {
                let since = device.reported_at.map_or(i64::MAX, |at| now.0.saturating_sub(at.0));
                let members = self.decisions.members(device.mac).iter().filter_map(|mac| self.device(*mac));
                match members.map(|member| member.unreported).fold(device.unreported, Changed::max) {
                    _ if device.stale => false,
                    Changed::No => false,
                    Changed::Activity => since >= refresh,
                    Changed::Learnt => since >= pause,
                }
            })
            .map(|device| (device.reported_at, device.mac))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, mac)| mac).collect()
    }

    pub(crate) fn device_mut(&mut self, mac: MacAddr) -> Option<&mut Device> {
        self.slots.get_mut(*self.index.get(&mac)?)?.as_mut()
    }

    /// Puts back a stored device; it will be identified by today's rules.
    pub(crate) fn restore(&mut self, mut device: Device) {
        let mac = device.mac;
        for address in device.addresses.all().iter().filter(|a| a.source != AddressSource::Traffic) {
            self.owners.insert(address.ip, mac);
        }
        self.fact_bytes += device.facts.bytes();
        self.peers += device.peers.len();
        device.stale = true;
        self.to_identify.push_back(mac);
        self.insert(device);
    }

    #[inline]
    fn sighting(&mut self, sighting: &Sighting) {
        let Sighting { at, frames, bytes, ref summary } = *sighting;
        // what is inside is counted by itself
        let counted = if summary.outside { 0 } else { frames };
        self.counters.frames += counted;
        let Some(slot) = summary.source.and_then(|mac| self.slot(mac, at)) else {
            self.counters.frames_without_device += counted;
            return;
        };
        let Some(device) = &mut self.slots[slot] else { return };
        device.seen(at);
        device.frames += frames;
        device.flows += u64::from(summary.opening == Some(Opening::Asked));
        device.bytes += bytes;
        if let Some(ip) = peer_of(summary) {
            let room = self.peers < MAX_PEERS_OF_ALL;
            match device.peers.sent(ip, summary, bytes, at, room) {
                Noted::Known => {}
                Noted::New => self.peers += 1,
                Noted::Refused => self.counters.peers_refused += 1,
            }
        }
        let mut changed = Changed::Activity;
        if let Some(vlan) = summary.vlan {
            match device.add_vlan(vlan) {
                Some(true) => changed = Changed::Learnt,
                Some(false) => {}
                None => self.counters.vlans_refused += 1,
            }
        }
        if summary.protocol.is_some_and(|name| device.protocols.insert_registered(name)) {
            changed = Changed::Learnt;
        }
        if let Some(ip) = summary.source_ip {
            match device.addresses.traffic(ip, summary.vlan, at, forwarded(summary)) {
                Change::None => {}
                Change::List => changed = Changed::Learnt,
                Change::Refused => self.counters.addresses_refused += 1,
                Change::Router => {
                    changed = Changed::Learnt;
                    self.withdraw(slot);
                }
            }
        }
        self.mark(slot, changed);
    }

    fn reading(&mut self, at: Timestamp, summary: &Summary, reading: &Reading<'_>) {
        let Some(slot) = self.slot(reading.mac, at) else { return };
        let Some(device) = &mut self.slots[slot] else { return };
        device.seen(at);
        let mut changed = Changed::Activity;
        if device.protocols.insert_field(reading.field) {
            changed = Changed::Learnt;
        }
        if let Some(vlan) = reading.vlan.filter(|_| summary.source != Some(reading.mac)) {
            changed =
                changed.max(if device.add_vlan(vlan) == Some(true) { Changed::Learnt } else { changed });
        }
        if let Some(source) = claim_of(reading.field) {
            // a claim is kept as an address, not as a fact
            let ip = reading.value.parse().ok().or(reading.ip);
            if let Some(ip) = ip {
                self.claim(slot, reading, ip, source, at);
            }
            self.mark(slot, changed);
            if matches!(source, AddressSource::Arp | AddressSource::Nd | AddressSource::Dhcp) {
                self.counters.readings += 1;
                return;
            }
        }
        if reading.field == Field::NdRouter {
            self.announces_router(slot);
        }
        let whose = self.whose(slot, summary, reading);
        if whose == Whose::Remote {
            self.counters.readings_of_remote += 1;
            return;
        }
        self.counters.readings += 1;
        self.fact(slot, at, reading, whose == Whose::Weak);
    }

    fn claim(
        &mut self,
        slot: usize,
        reading: &Reading<'_>,
        ip: IpAddr,
        source: AddressSource,
        at: Timestamp,
    ) {
        let mac = reading.mac;
        let held = self.owners.get(&ip).copied().filter(|owner| *owner != mac);
        // captures may be read in any order: what was claimed later stays where it is
        if held
            .and_then(|owner| self.device(owner))
            .is_some_and(|holder| holder.addresses.holds_after(ip, at))
        {
            return;
        }
        let Some(device) = &mut self.slots[slot] else { return };
        let change = device.addresses.claim(ip, reading.vlan, source, at);
        let (refused, proxy) = (change == Change::Refused, device.addresses.is_proxy());
        if change == Change::List {
            device.unsaved = Changed::Learnt;
            device.unreported = Changed::Learnt;
        }
        if refused {
            self.counters.addresses_refused += 1;
            return;
        }
        if held.is_some() && proxy {
            return;
        }
        self.owners.insert(ip, mac);
        if let Some(former) = held.and_then(|owner| self.device_mut(owner)) {
            if former.addresses.release(ip) {
                former.unsaved = Changed::Learnt;
                former.unreported = Changed::Learnt;
            }
        }
    }

    fn whose(&self, slot: usize, summary: &Summary, reading: &Reading<'_>) -> Whose {
        let (Some(device), Some(ip)) = (&self.slots[slot], reading.ip) else { return Whose::Own };
        if is_local(reading.field) {
            return Whose::Own;
        }
        let elsewhere = self.owners.get(&ip).is_some_and(|owner| *owner != device.mac);
        let forwarded = summary.source == Some(reading.mac) && forwarded(summary);
        device.addresses.whose(ip, forwarded, elsewhere)
    }

    fn fact(&mut self, slot: usize, at: Timestamp, reading: &Reading<'_>, weak: bool) {
        let Some(device) = &mut self.slots[slot] else { return };
        if self.fact_bytes >= MAX_FACT_BYTES {
            self.counters.fact_bytes_refused += 1;
            return;
        }
        let changed = match device.facts.take(reading.field, reading.value, at, weak) {
            Taken::New(bytes) => {
                self.fact_bytes += bytes;
                Changed::Learnt
            }
            Taken::Replaced(change) => {
                self.fact_bytes = self.fact_bytes.saturating_add_signed(change);
                self.counters.facts_replaced += 1;
                device.facts_removed = true;
                Changed::Learnt
            }
            Taken::Again => Changed::Activity,
            Taken::Refused => {
                self.counters.facts_refused += 1;
                Changed::Activity
            }
        };
        if changed == Changed::Learnt {
            self.make_stale(slot);
        }
        self.mark(slot, changed);
    }

    fn announces_router(&mut self, slot: usize) {
        let Some(device) = &mut self.slots[slot] else { return };
        if device.addresses.set_router() == Change::Router {
            self.withdraw(slot);
            self.mark(slot, Changed::Learnt);
        }
    }

    /// Takes back what was ascribed to a device before it was known to be a router.
    fn withdraw(&mut self, slot: usize) {
        let Some(device) = &mut self.slots[slot] else { return };
        let freed = device.facts.withdraw_weak();
        if freed > 0 {
            self.fact_bytes = self.fact_bytes.saturating_sub(freed);
            device.facts_removed = true;
            self.make_stale(slot);
        }
    }

    fn make_stale(&mut self, slot: usize) {
        let Some(device) = &mut self.slots[slot] else { return };
        if !device.stale {
            device.stale = true;
            self.to_identify.push_back(device.mac);
        }
    }

    #[inline]
    fn mark(&mut self, slot: usize, changed: Changed) {
        if let Some(device) = &mut self.slots[slot] {
            device.unsaved = device.unsaved.max(changed);
            device.unreported = device.unreported.max(changed);
        }
    }

    /// Where the device is kept, made if it is new; `None` for addresses that are no device's and when there is no room.
    #[inline]
    fn slot(&mut self, mac: MacAddr, at: Timestamp) -> Option<usize> {
        match self.recent {
            Some((recent, slot)) if recent == mac => Some(slot),
            _ => self.slot_of_another(mac, at),
        }
    }

    fn slot_of_another(&mut self, mac: MacAddr, at: Timestamp) -> Option<usize> {
        let slot = match self.index.get(&mac) {
            Some(slot) => *slot,
            None if mac.is_multicast() || mac == MacAddr::ZERO => return None,
            None => {
                if self.index.len() >= MAX_DEVICES && !self.make_room(at) {
                    return None;
                }
                let mut device = Device::new(mac, at);
                if is_virtual_router(mac) {
                    device.addresses.set_router();
                }
                // also without a fact it has a vendor by its address
                device.stale = true;
                self.to_identify.push_back(mac);
                self.insert(device)
            }
        };
        self.recent = Some((mac, slot));
        Some(slot)
    }

    fn insert(&mut self, device: Device) -> usize {
        let mac = device.mac;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(device);
                slot
            }
            None => {
                self.slots.push(Some(device));
                self.slots.len() - 1
            }
        };
        self.index.insert(mac, slot);
        slot
    }

    fn make_room(&mut self, now: Timestamp) -> bool {
        self.counters.devices_refused += 1;
        if self.counters.devices_refused % SWEEP_EVERY != 1 {
            return false;
        }
        let before = now.0.saturating_sub(FLEETING_AFTER);
        self.forget(|device| device.is_fleeting() && device.last_seen.0 < before) > 0
    }

    fn forget(&mut self, mut choose: impl FnMut(&Device) -> bool) -> usize {
        let mut count = 0;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(device) = slot.take_if(|device| choose(device)) else { continue };
            self.index.remove(&device.mac);
            self.fact_bytes = self.fact_bytes.saturating_sub(device.facts.bytes());
            self.peers = self.peers.saturating_sub(device.peers.len());
            for address in device.addresses.all() {
                if self.owners.get(&address.ip) == Some(&device.mac) {
                    self.owners.remove(&address.ip);
                }
            }
            self.free.push(at);
            self.decisions.forget(device.mac);
            self.forgotten.push(device.mac);
            count += 1;
        }
        self.recent = None;
        self.counters.devices_forgotten += count as u64;
        count
    }
}

/// Whether the frame had been on the way before it came here. Group traffic chooses its own hop limits.
pub(crate) fn forwarded(summary: &Summary) -> bool {
    let to_group = match summary.destination_ip {
        Some(IpAddr::V4(ip)) => ip.is_multicast() || ip.is_broadcast(),
        Some(IpAddr::V6(ip)) => ip.is_multicast(),
        None => false,
    };
    !to_group && summary.hop_limit.is_some_and(is_counted_down)
}

/// How a reading of this field claims an address, if it does.
fn claim_of(field: Field) -> Option<AddressSource> {
    match field {
        Field::ArpAddress => Some(AddressSource::Arp),
        Field::NdAddress => Some(AddressSource::Nd),
        Field::DhcpAddress => Some(AddressSource::Dhcp),
        Field::LldpAddress | Field::CdpAddress => Some(AddressSource::Declared),
        _ => None,
    }
}

/// Protocols that no router passes on, or whose readings name their device themselves.
const LOCAL_PROTOCOLS: &[&str] = &[
    "arp", "nd", "dhcp", "dhcp6", "lldp", "cdp", "fdp", "edp", "stp", "eapol", "igmp", "vrrp", "hsrp",
    "ospf", "profinet", "mndp",
];

/// Whether the field belongs to one of [`LOCAL_PROTOCOLS`]. Asked of every reading, so the names are compared once only.
fn is_local(field: Field) -> bool {
    static LOCAL: LazyLock<Vec<bool>> =
        LazyLock::new(|| Field::ALL.iter().map(|f| LOCAL_PROTOCOLS.contains(&f.protocol())).collect());
    LOCAL.get(field as usize).copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "situations.rs"]
mod situations;
