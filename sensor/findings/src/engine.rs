//! The front door: what every frame, every reading and every look over the inventory goes through.

use std::hash::Hash;
use std::net::IpAddr;

use eyot_contract::{Finding, FindingEvidence, FindingKind, MacAddr, Timestamp};
use eyot_dissect::{Field, Summary};
use eyot_inventory::{Inventory, Reading, Store, StoreError, RETENTION};

use crate::conflicts::Conflicts;
use crate::conversations::{Conversations, Recent};
use crate::devices::Contacts;
use crate::habits::Habits;
use crate::ledger::{Ledger, Raise};
use crate::policy::Policy;
use crate::scans::Scans;
use crate::threats::Threats;

/// What was found and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FindingsCounters {
    /// Findings kept.
    pub kept: u64,
    /// New findings refused: too many of one kind within an hour, or given up for others in a full ledger.
    pub refused: u64,
    /// Entries of the threat lists.
    pub indicators: u64,
}

/// Looks for what is wrong.
#[derive(Default)]
pub struct Findings {
    pub(crate) policy: Policy,
    pub(crate) threats: Threats,
    pub(crate) ledger: Ledger,
    pub(crate) habits: Habits,
    pub(crate) conflicts: Conflicts,
    pub(crate) scans: Scans,
    pub(crate) contacts: Contacts,
    conversations: Conversations,
    recent: Recent,
}

/// One frame, as the rules see it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub at: Timestamp,
    pub summary: &'a Summary,
    pub inventory: &'a Inventory,
}

impl Findings {
    /// Nothing found, nothing learnt.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// What was found and learnt before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(policy: Policy, store: &Store) -> Result<Self, StoreError> {
        let mut findings = Self::new(policy);
        for finding in store.findings()? {
            findings.ledger.restore(finding);
        }
        for row in store.learnt()? {
            findings.habits.restore(row);
        }
        Ok(findings)
    }

    /// Compares with these lists from now on.
    pub fn set_threats(&mut self, threats: Threats) {
        self.threats = threats;
    }

    /// Looks at a frame that the inventory has just taken.
    #[inline]
    pub fn frame(&mut self, at: Timestamp, summary: &Summary, inventory: &Inventory) {
        if summary.duplicate {
            return;
        }
        if let (Some(from), Some(to)) = (summary.source_ip, summary.destination_ip) {
            if self.conversations.begins(from, to, at) {
                self.conversation(Seen { at, summary, inventory }, from, to);
            }
        }
        if summary.opening.is_some() || inventory.has_readings() {
            self.event(Seen { at, summary, inventory });
        }
    }

    /// Looks over the inventory; to be called every few seconds, after devices were identified.
    pub fn assess(&mut self, inventory: &Inventory, now: Timestamp) {
        self.look_over(inventory, now);
    }

    /// Every finding, most severe first, then the latest.
    pub fn all(&self) -> Vec<&Finding> {
        let mut all: Vec<_> = self.ledger.all().collect();
        all.sort_by(|a, b| (b.severity, b.last_seen, &a.id).cmp(&(a.severity, a.last_seen, &b.id)));
        all
    }

    /// What was found and refused.
    pub fn counters(&self) -> FindingsCounters {
        FindingsCounters {
            kept: self.ledger.len() as u64,
            refused: self.ledger.refused,
            indicators: self.threats.len() as u64,
        }
    }

    /// Forgets what was not noticed for the retention time; how many.
    pub fn forget_quiet(&mut self, now: Timestamp) -> usize {
        self.ledger.forget_quiet(Timestamp(now.0.saturating_sub(RETENTION)))
    }

    /// Stores what is new; whether something waits for the portal because of it. Without `report` nothing is queued.
    ///
    /// # Errors
    /// When the store cannot be written; the next save tries again.
    pub fn save(&mut self, store: &mut Store, report: bool, now: Timestamp) -> Result<bool, StoreError> {
        let mut changed = self.ledger.unsaved(now);
        if !report {
            changed.iter_mut().for_each(|(_, due)| *due = false);
        }
        let queued = changed.iter().any(|(_, due)| *due);
        store.save_findings(&changed, self.ledger.removed(), &self.habits.unsaved(), now)?;
        self.ledger.saved(now);
        self.habits.saved();
        Ok(queued)
    }

    fn conversation(&mut self, seen: Seen<'_>, from: IpAddr, to: IpAddr) {
        // an ARP message has an addressee and no sender here, so only IP comes this way
        self.threat_address(seen, from, to);
        self.contact(seen, from, to);
        self.habits.is_learning(seen.at, self.policy.learning);
    }

    fn event(&mut self, seen: Seen<'_>) {
        self.scan(seen);
        for reading in seen.inventory.readings() {
            self.reading(seen, &reading);
        }
    }

    fn reading(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        match reading.field {
            Field::ArpAddress => self.arp_claim(seen, reading),
            Field::DhcpServer => self.dhcp_server(seen, reading),
            Field::DhcpDns => self.handed_out_dns(seen, reading),
            Field::NdRouter => self.router(seen, reading),
            Field::DnsQuery => {
                self.dns_use(seen, reading);
                self.threat_name(seen, reading);
            }
            Field::TlsSni | Field::QuicSni | Field::HttpHost => self.threat_name(seen, reading),
            Field::NtpClient => self.time_use(seen, reading),
            _ => self.service(seen, reading),
        }
    }

    /// Whether this kind is wanted and this event the first of its like within a minute.
    pub(crate) fn is_news(&mut self, kind: FindingKind, what: impl Hash, at: Timestamp) -> bool {
        !self.policy.muted.contains(&kind) && self.recent.is_first((kind, what), at)
    }

    pub(crate) fn raise(
        &mut self,
        kind: FindingKind,
        mac: Option<MacAddr>,
        key: impl Into<String>,
        summary: String,
        evidence: FindingEvidence,
    ) {
        if self.policy.muted.contains(&kind) {
            return;
        }
        self.ledger.raise(evidence.at, Raise { kind, mac, key: key.into(), summary, evidence });
    }
}

impl Seen<'_> {
    /// What this frame shows, with the addressee's port.
    pub fn evidence(&self, protocol: &str, text: impl Into<String>) -> FindingEvidence {
        FindingEvidence {
            at: self.at,
            source: self.summary.source_ip,
            destination: self.summary.destination_ip,
            port: Some(self.summary.destination_port).filter(|port| *port != 0),
            vlan: self.summary.vlan,
            protocol: protocol.to_owned(),
            seen: text.into(),
        }
    }

    /// Which device that is: who claims the address, or who sent the frame unless it only passed it on.
    pub fn device(&self, mac: Option<MacAddr>, ip: Option<IpAddr>) -> Option<MacAddr> {
        if let Some(owner) = ip.and_then(|ip| self.inventory.owner(ip)) {
            return Some(owner);
        }
        mac.filter(|mac| !mac.is_multicast())
            .filter(|mac| self.inventory.device(*mac).is_none_or(|device| !device.is_router()))
    }

    /// That device in words: its name or address.
    pub fn called(&self, mac: Option<MacAddr>, ip: Option<IpAddr>) -> String {
        match (ip, mac) {
            (Some(ip), _) => ip.to_string(),
            (None, Some(mac)) => mac.to_string(),
            (None, None) => "a device".to_owned(),
        }
    }
}
