//! The readings of one frame, kept until the frame's summary says whose they are.

use std::net::IpAddr;
use std::ops::Range;

use eyot_contract::MacAddr;
use eyot_dissect::{Field, Observation};

/// Readings in a buffer that is used again for every frame.
#[derive(Debug, Default)]
pub struct Readings {
    text: String,
    list: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    mac: MacAddr,
    ip: Option<IpAddr>,
    vlan: Option<u16>,
    field: Field,
    start: usize,
    end: usize,
}

/// One reading, as the dissector gave it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The device it is about.
    pub mac: MacAddr,
    /// The address that device used or was given.
    pub ip: Option<IpAddr>,
    /// VLAN.
    pub vlan: Option<u16>,
    /// Where it was read.
    pub field: Field,
    /// What was read.
    pub value: &'a str,
}

impl Readings {
    pub fn clear(&mut self) {
        self.text.clear();
        self.list.clear();
    }

    pub fn push(&mut self, observation: &Observation<'_>) {
        let start = self.text.len();
        self.text.push_str(&observation.value);
        self.list.push(Entry {
            mac: observation.mac,
            ip: observation.ip,
            vlan: observation.vlan,
            field: observation.field,
            start,
            end: self.text.len(),
        });
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = Reading<'_>> {
        self.list.get(range).unwrap_or_default().iter().map(|e| Reading {
            mac: e.mac,
            ip: e.ip,
            vlan: e.vlan,
            field: e.field,
            value: &self.text[e.start..e.end],
        })
    }
}
