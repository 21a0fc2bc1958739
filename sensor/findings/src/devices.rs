//! What only a look over the inventory shows: devices that are new, that became something else, or that talk to whom
//! they should not.

use std::collections::HashMap;
use std::net::IpAddr;

use eyot_contract::{DeviceType, FindingEvidence, FindingKind, MacAddr, Timestamp};
use eyot_inventory::{Device, Inventory};

use crate::engine::{Findings, Seen};
use crate::habits::Habit;

/// Most devices whose Internet traffic is remembered until their type is known.
const MAX_CONTACTS: usize = 65_536;
/// A type must have lasted so long for its change to be told: an hour, in microseconds.
const SETTLED: i64 = 3_600 * 1_000_000;
/// A device first seen longer ago is not new any more: a day, in microseconds.
const NEW_FOR: i64 = 86_400 * 1_000_000;
/// How sure a type must be for its change to be told, and for Internet traffic to be wrong.
const SURE_OF_CHANGE: f32 = 0.8;
const SURE_OF_THING: f32 = 0.7;

/// The latest public address of each device that talks to one.
pub type Contacts = HashMap<MacAddr, Contact, foldhash::fast::RandomState>;

/// One such frame; made into evidence only when it turns out to be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    at: Timestamp,
    from: IpAddr,
    to: IpAddr,
    port: u16,
    vlan: Option<u16>,
    protocol: &'static str,
}

impl Findings {
    /// Remembers that a local device talks to the Internet.
    pub(crate) fn contact(&mut self, seen: Seen<'_>, from: IpAddr, to: IpAddr) {
        if !self.policy.local.is_public(to) || !self.policy.local.contains(from) {
            return;
        }
        let Some(mac) = seen.device(seen.summary.source, Some(from)) else { return };
        if self.contacts.len() < MAX_CONTACTS || self.contacts.contains_key(&mac) {
            let protocol = match seen.summary.protocol {
                Some(name) => name,
                None if seen.summary.destination_port == 0 => "ip",
                None if seen.summary.opening.is_some() => "tcp",
                None => "tcp or udp",
            };
            let (port, vlan) = (seen.summary.destination_port, seen.summary.vlan);
            self.contacts.insert(mac, Contact { at: seen.at, from, to, port, vlan, protocol });
        }
    }

    pub(crate) fn look_over(&mut self, inventory: &Inventory, now: Timestamp) {
        let learnt_at = self.habits.learnt_at(self.policy.learning);
        for device in inventory.devices().filter(|device| !device.is_stale()) {
            if learnt_at.is_some_and(|at| device.first_seen() > at) {
                self.new_device(device, now);
            }
            self.type_of(device);
        }
        self.judge_contacts(inventory);
    }

    fn new_device(&mut self, device: &Device, now: Timestamp) {
        let mac = device.mac();
        if mac.is_locally_administered()
            || device.is_fleeting()
            || now.0.saturating_sub(device.first_seen().0) > NEW_FOR
            || self.ledger.contains(FindingKind::NewDevice, Some(mac), "")
        {
            return;
        }
        let ip = device.ips().first().copied();
        let record = device.record();
        let what = [record.vendor.as_deref(), record.device_type.map(DeviceType::name)];
        let what: Vec<&str> = what.into_iter().flatten().collect();
        let what = if what.is_empty() { "unknown".to_owned() } else { what.join(" ") };
        let evidence = FindingEvidence {
            at: device.first_seen(),
            source: ip,
            destination: None,
            port: None,
            vlan: record.vlans.first().copied(),
            protocol: record.protocols.first().cloned().unwrap_or_else(|| "ip".to_owned()),
            seen: "its first frame".to_owned(),
        };
        self.raise(FindingKind::NewDevice, Some(mac), "", format!("{mac} appeared ({what})"), evidence);
    }

    fn type_of(&mut self, device: &Device) {
        let Some((now, sure)) = device.device_type().filter(|(_, sure)| *sure >= SURE_OF_CHANGE) else {
            return;
        };
        // what says little about a thing may become more exact at any time
        if matches!(now, DeviceType::Iot | DeviceType::VirtualMachine | DeviceType::Router) {
            return;
        }
        let (mac, at) = (device.mac(), device.last_seen());
        let key = mac.to_string();
        let before = self
            .habits
            .get(Habit::Type, &key)
            .map(|known| (known.value.parse::<DeviceType>().ok(), known.first_seen));
        if let Some((Some(former), since)) = before {
            let settled = at.0.saturating_sub(since.0) >= SETTLED;
            if former != now && former.class() != now.class() && settled {
                let evidence = FindingEvidence {
                    at,
                    source: device.ips().first().copied(),
                    destination: None,
                    port: None,
                    vlan: None,
                    protocol: "inventory".to_owned(),
                    seen: format!("{now} with certainty {sure:.2}, before {former}"),
                };
                let summary = format!("{mac} was taken for: {former}; now for: {now}");
                self.raise(FindingKind::TypeChanged, Some(mac), format!("{former}-{now}"), summary, evidence);
            }
        }
        self.habits.learn(Habit::Type, &key, now.name(), at);
    }

    fn judge_contacts(&mut self, inventory: &Inventory) {
        for (mac, contact) in std::mem::take(&mut self.contacts) {
            let Some(device) = inventory.device(mac) else { continue };
            let Some((device_type, sure)) = device.device_type() else {
                // it may yet become known
                self.contacts.insert(mac, contact);
                continue;
            };
            let isolated = matches!(
                device_type,
                DeviceType::Camera | DeviceType::VideoRecorder | DeviceType::Printer | DeviceType::Scanner
            );
            if !isolated || sure < SURE_OF_THING || device.is_router() {
                continue;
            }
            let summary = format!("the {device_type} {} talks to {}", contact.from, contact.to);
            let evidence = FindingEvidence {
                at: contact.at,
                source: Some(contact.from),
                destination: Some(contact.to),
                port: Some(contact.port).filter(|port| *port != 0),
                vlan: contact.vlan,
                protocol: contact.protocol.to_owned(),
                seen: "a frame to a public address".to_owned(),
            };
            self.raise(FindingKind::InternetContact, Some(mac), "", summary, evidence);
        }
    }
}
