//! One device: what is kept of it, and the record made from that.

use std::net::IpAddr;

use eyot_contract::{
    Activity, Attribute, DeviceRecord, DeviceType, Evidence, Interval, MacAddr, Managed, Nature, Timestamp,
};
use eyot_dissect::Field;
use eyot_identify::Identity;

use crate::addresses::{Address, Addresses};
use crate::facts::{Facts, StoredFact};
use crate::inventory::PRESENT_FOR;
use crate::peers::Peers;
use crate::protocols::ProtocolSet;

/// Most VLANs remembered of one device.
pub const MAX_VLANS: usize = 64;
/// Most closed stretches of presence kept of one device; the oldest gives way.
pub const MAX_INTERVALS: usize = 32;
/// How sure we are that what passes on others' frames, and says nothing about itself, is a router.
const ROUTER_CONFIDENCE: f32 = 0.6;

/// How much of a device differs from what is stored or was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Changed {
    /// Nothing.
    #[default]
    No,
    /// It was seen again.
    Activity,
    /// Something was learnt.
    Learnt,
}

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) mac: MacAddr,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// TCP connections it asked for.
    pub(crate) flows: u64,
    /// When it came, of the stretch of presence that its latest frame belongs to.
    pub(crate) present_since: Timestamp,
    /// Stretches that ended, oldest first.
    pub(crate) intervals: Vec<Interval>,
    pub(crate) vlans: Vec<u16>,
    /// Whom it sends to.
    pub(crate) peers: Peers,
    pub(crate) protocols: ProtocolSet,
    pub(crate) addresses: Addresses,
    pub(crate) facts: Facts,
    pub(crate) identity: Identity,
    /// Facts changed since it was identified; it waits in the inventory's queue.
    pub(crate) stale: bool,
    pub(crate) unsaved: Changed,
    pub(crate) unreported: Changed,
    pub(crate) reported_at: Option<Timestamp>,
    /// Rows must go from the store before the present ones are written.
    pub(crate) facts_removed: bool,
    /// Of the identity it had when it was stored; the identity itself is made again.
    pub(crate) stored_identity: Option<i64>,
}

impl Device {
    pub(crate) fn new(mac: MacAddr, at: Timestamp) -> Self {
        Self {
            mac,
            first_seen: at,
            last_seen: at,
            frames: 0,
            bytes: 0,
            flows: 0,
            present_since: at,
            intervals: Vec::new(),
            vlans: Vec::new(),
            peers: Peers::default(),
            protocols: ProtocolSet::default(),
            addresses: Addresses::default(),
            facts: Facts::default(),
            identity: Identity::default(),
            stale: false,
            unsaved: Changed::Learnt,
            unreported: Changed::Learnt,
            reported_at: None,
            facts_removed: false,
            stored_identity: None,
        }
    }

    /// The address that names it.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// First frame or mention.
    pub fn first_seen(&self) -> Timestamp {
        self.first_seen
    }

    /// Latest frame or mention.
    pub fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// Whether it passes on what others say.
    pub fn is_router(&self) -> bool {
        self.addresses.is_router()
    }

    /// Its own addresses, newest first.
    pub fn ips(&self) -> Vec<IpAddr> {
        self.addresses.own()
    }

    /// Every address that is remembered of it, own or not, with the reason.
    pub fn addresses(&self) -> &[Address] {
        self.addresses.all()
    }

    /// Everything it was heard saying.
    pub fn facts(&self) -> impl Iterator<Item = (Field, &StoredFact)> {
        self.facts.iter()
    }

    /// What kind of thing it is taken for, and how sure the strongest reason for that is.
    pub fn device_type(&self) -> Option<(DeviceType, f32)> {
        let device_type = self.identity.device_type?;
        let reasons = self.identity.evidence.iter();
        let strongest = reasons
            .filter(|e| e.attribute == Attribute::Type && e.value == device_type.name())
            .map(|e| e.confidence)
            .fold(0.0, f32::max);
        Some((device_type, strongest))
    }

    /// Whether it was heard saying anything in this field.
    pub fn has_fact(&self, field: Field) -> bool {
        self.facts.has(field)
    }

    /// Whether facts wait to be judged.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether nothing is known that would be worth a place in a full table.
    pub fn is_fleeting(&self) -> bool {
        self.facts.is_empty() && self.addresses.own().is_empty()
    }

    #[inline]
    pub(crate) fn seen(&mut self, at: Timestamp) {
        self.first_seen = self.first_seen.min(at);
        if at.0.saturating_sub(self.last_seen.0) > PRESENT_FOR {
            self.came_back(at);
        }
        self.last_seen = self.last_seen.max(at);
    }

    fn came_back(&mut self, at: Timestamp) {
        if self.intervals.len() >= MAX_INTERVALS {
            self.intervals.remove(0);
        }
        self.intervals.push(Interval { from: self.present_since, to: self.last_seen });
        self.present_since = at;
    }

    /// Stretches of presence, oldest first, the present or latest one included.
    pub fn presence(&self) -> Vec<Interval> {
        let mut all = self.intervals.clone();
        all.push(Interval { from: self.present_since.min(self.last_seen), to: self.last_seen });
        all
    }

    /// Whether it claims so many addresses by ARP that it must answer for others (proxy ARP).
    pub fn answers_for_others(&self) -> bool {
        self.addresses.is_proxy()
    }

    /// Adds a VLAN; `None` when there is no room.
    pub(crate) fn add_vlan(&mut self, vlan: u16) -> Option<bool> {
        match self.vlans.binary_search(&vlan) {
            Ok(_) => Some(false),
            Err(_) if self.vlans.len() >= MAX_VLANS => None,
            Err(at) => {
                self.vlans.insert(at, vlan);
                Some(true)
            }
        }
    }

    pub(crate) fn identify(&mut self) -> bool {
        self.stale = false;
        let identity = eyot_identify::identify(self.mac, &self.facts.to_identify());
        let changed = match self.stored_identity.take() {
            Some(stored) => stored != digest(&identity),
            None => identity != self.identity,
        };
        self.identity = identity;
        changed
    }

    pub(crate) fn identity_digest(&self) -> i64 {
        self.stored_identity.unwrap_or_else(|| digest(&self.identity))
    }

    /// What was found out about it. What people decided is not in it: [`Inventory::record`](crate::Inventory::record).
    pub fn record(&self) -> DeviceRecord {
        let identity = &self.identity;
        let mut record = DeviceRecord {
            mac: self.mac,
            ips: self.ips(),
            vlans: self.vlans.clone(),
            hostname: identity.hostname.clone(),
            vendor: identity.vendor.clone(),
            model: identity.model.clone(),
            device_type: identity.device_type,
            class: identity.class,
            os: identity.os.clone(),
            firmware: identity.firmware.clone(),
            serial: identity.serial.clone(),
            confidence: identity.confidence,
            randomized_mac: self.mac.is_locally_administered(),
            protocols: self.protocols.names().map(str::to_owned).collect(),
            frames: self.frames,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            evidence: identity.evidence.clone(),
            activity: Activity {
                bytes: self.bytes,
                flows: self.flows,
                intervals: self.presence(),
                location: None,
                peers: self.peers.reported(),
            },
            managed: Managed::default(),
        };
        // identities are compared to see what changed, so the times are put in only here
        for evidence in &mut record.evidence {
            if let Some(fact) = self.facts.find(&evidence.source, &evidence.seen) {
                evidence.first_seen = Some(fact.first_seen);
                evidence.last_seen = Some(fact.last_seen);
            }
        }
        if record.device_type.is_none() && self.is_router() {
            self.call_it_a_router(&mut record);
        }
        record
    }

    /// That it passes on others' frames is known here and nowhere else.
    fn call_it_a_router(&self, record: &mut DeviceRecord) {
        record.device_type = Some(DeviceType::Router);
        record.class = Some(DeviceType::Router.class());
        record.confidence = record.confidence.max(ROUTER_CONFIDENCE);
        record.evidence.push(Evidence {
            attribute: Attribute::Type,
            value: DeviceType::Router.name().to_owned(),
            source: "ip.source".to_owned(),
            seen: "frames of other senders' addresses, or a virtual router's MAC".to_owned(),
            rule: "passes-on-frames".to_owned(),
            nature: Nature::Inferred,
            confidence: ROUTER_CONFIDENCE,
            first_seen: None,
            last_seen: None,
        });
    }
}

/// Tells identities apart over a restart, so that only devices that today's rules see otherwise are reported again
/// (FNV-1a, 64 bits; a new way of printing would cost one needless report).
fn digest(identity: &Identity) -> i64 {
    let text = format!("{identity:?}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash as i64
}
