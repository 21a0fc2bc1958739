//! The findings so far: one entry per identifier, bounded, each change noted until it is stored.

use std::collections::{BTreeMap, HashMap};

use eyot_contract::{Finding, FindingEvidence, FindingKind, MacAddr, Timestamp, MAX_FINDING_EVIDENCE};

/// Most findings kept.
pub const MAX_FINDINGS: usize = 10_000;
/// Most new findings of one kind within an hour; a flood says no more than that.
pub const MAX_NEW_PER_HOUR: u32 = 100;
/// Longest text of a finding or of its evidence, in bytes.
const MAX_TEXT: usize = 300;
/// An hour, in microseconds.
const HOUR: i64 = 3_600 * 1_000_000;
/// A finding that is merely noticed again is reported so often, in microseconds: a quarter of an hour.
const REPORT_AGAIN: i64 = 15 * 60 * 1_000_000;

/// What is raised.
#[derive(Debug)]
pub struct Raise {
    pub kind: FindingKind,
    /// The device it is about.
    pub mac: Option<MacAddr>,
    /// What else tells it from findings of the same kind at the same device.
    pub key: String,
    /// One sentence.
    pub summary: String,
    pub evidence: FindingEvidence,
}

#[derive(Debug)]
struct Entry {
    finding: Finding,
    unsaved: bool,
    /// Last time it was queued for the portal.
    reported: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    hour: i64,
    count: u32,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    rates: HashMap<FindingKind, Rate>,
    removed: Vec<String>,
    pub refused: u64,
}

impl Ledger {
    pub fn restore(&mut self, finding: Finding) {
        let reported = Some(finding.last_seen);
        self.entries.insert(finding.id.clone(), Entry { finding, unsaved: false, reported });
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn contains(&self, kind: FindingKind, mac: Option<MacAddr>, key: &str) -> bool {
        self.entries.contains_key(&identifier(kind, mac, key))
    }

    pub fn all(&self) -> impl Iterator<Item = &Finding> {
        self.entries.values().map(|entry| &entry.finding)
    }

    pub fn raise(&mut self, at: Timestamp, raise: Raise) {
        let id = identifier(raise.kind, raise.mac, &raise.key);
        let mut evidence = raise.evidence;
        shorten(&mut evidence.seen);
        if let Some(entry) = self.entries.get_mut(&id) {
            let finding = &mut entry.finding;
            finding.count += 1;
            finding.first_seen = finding.first_seen.min(at);
            if at >= finding.last_seen {
                finding.last_seen = at;
                finding.summary = raise.summary;
                shorten(&mut finding.summary);
            }
            add(&mut finding.evidence, evidence);
            entry.unsaved = true;
            return;
        }
        let rate = self.rates.entry(raise.kind).or_default();
        let hour = at.0.div_euclid(HOUR);
        if rate.hour != hour {
            *rate = Rate { hour, count: 0 };
        }
        if rate.count >= MAX_NEW_PER_HOUR {
            self.refused += 1;
            return;
        }
        rate.count += 1;
        if self.entries.len() >= MAX_FINDINGS {
            self.make_room();
        }
        let definition = raise.kind.definition();
        let mut summary = raise.summary;
        shorten(&mut summary);
        let finding = Finding {
            id: id.clone(),
            kind: raise.kind,
            severity: definition.severity,
            mac: raise.mac,
            summary,
            first_seen: at,
            last_seen: at,
            count: 1,
            evidence: vec![evidence],
        };
        self.entries.insert(id, Entry { finding, unsaved: true, reported: None });
    }

    /// Forgets findings not noticed since `before`; how many.
    pub fn forget_quiet(&mut self, before: Timestamp) -> usize {
        let quiet: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, e)| e.finding.last_seen < before)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &quiet {
            self.entries.remove(id);
        }
        let count = quiet.len();
        self.removed.extend(quiet);
        count
    }

    /// What is not stored yet; with `true` what the portal is to be told now.
    pub fn unsaved(&self, now: Timestamp) -> Vec<(&Finding, bool)> {
        let due = |entry: &Entry| entry.reported.is_none_or(|at| now.0.saturating_sub(at.0) >= REPORT_AGAIN);
        self.entries.values().filter(|e| e.unsaved).map(|e| (&e.finding, due(e))).collect()
    }

    /// Identifiers that are to go from the store.
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// Everything that was unsaved at `now` is stored.
    pub fn saved(&mut self, now: Timestamp) {
        self.removed.clear();
        for entry in self.entries.values_mut().filter(|e| e.unsaved) {
            entry.unsaved = false;
            if entry.reported.is_none_or(|at| now.0.saturating_sub(at.0) >= REPORT_AGAIN) {
                entry.reported = Some(now);
            }
        }
    }

    /// The mildest finding that was not noticed for longest gives way.
    fn make_room(&mut self) {
        let least = self
            .entries
            .iter()
            .min_by_key(|(_, e)| (e.finding.severity, e.finding.last_seen))
            .map(|(id, _)| id.clone());
        if let Some(id) = least {
            self.entries.remove(&id);
            self.removed.push(id);
            self.refused += 1;
        }
    }
}

fn identifier(kind: FindingKind, mac: Option<MacAddr>, key: &str) -> String {
    match mac {
        Some(mac) => format!("{kind}/{mac}/{key}"),
        None => format!("{kind}/-/{key}"),
    }
}

/// The same thing seen again replaces its earlier evidence.
fn add(list: &mut Vec<FindingEvidence>, new: FindingEvidence) {
    let same = |old: &FindingEvidence| {
        (&old.seen, &old.protocol, old.source, old.destination, old.port, old.vlan)
            == (&new.seen, &new.protocol, new.source, new.destination, new.port, new.vlan)
    };
    list.retain(|old| !same(old));
    if list.len() >= MAX_FINDING_EVIDENCE {
        list.remove(0);
    }
    list.push(new);
}

fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raise(kind: FindingKind, key: &str, seen: &str) -> Raise {
        let evidence = FindingEvidence {
            at: Timestamp(0),
            source: None,
            destination: None,
            port: None,
            vlan: None,
            protocol: "tcp".to_owned(),
            seen: seen.to_owned(),
        };
        Raise { kind, mac: None, key: key.to_owned(), summary: "s".repeat(400), evidence }
    }

    #[test]
    fn the_same_finding_counts_and_keeps_its_latest_evidence() {
        let mut ledger = Ledger::default();
        for n in 0..20 {
            ledger.raise(Timestamp(n), raise(FindingKind::PortScan, "x", &n.to_string()));
        }
        ledger.raise(Timestamp(21), raise(FindingKind::PortScan, "x", "15"));
        assert_eq!(ledger.len(), 1);
        let finding = ledger.all().next().cloned();
        let finding = finding.as_ref();
        assert_eq!(finding.map(|f| (f.count, f.evidence.len())), Some((21, MAX_FINDING_EVIDENCE)));
        assert_eq!(finding.and_then(|f| f.evidence.last()).map(|e| e.seen.as_str()), Some("15"));
        assert!(finding.is_some_and(|f| f.summary.len() < 310));
    }

    #[test]
    fn a_flood_of_one_kind_is_cut_off_and_others_go_on() {
        let mut ledger = Ledger::default();
        for n in 0..MAX_NEW_PER_HOUR + 5 {
            ledger.raise(Timestamp(0), raise(FindingKind::PortScan, &n.to_string(), ""));
        }
        ledger.raise(Timestamp(0), raise(FindingKind::ClearFtp, "x", ""));
        assert_eq!((ledger.len(), ledger.refused), (MAX_NEW_PER_HOUR as usize + 1, 5));
        ledger.raise(Timestamp(HOUR), raise(FindingKind::PortScan, "later", ""));
        assert_eq!(ledger.len(), MAX_NEW_PER_HOUR as usize + 2);
    }

    #[test]
    fn a_full_ledger_gives_up_the_mildest_and_oldest() {
        let mut ledger = Ledger::default();
        for n in 0..MAX_FINDINGS as i64 {
            ledger.raise(Timestamp(n * HOUR), raise(FindingKind::NewDevice, &n.to_string(), ""));
        }
        ledger.saved(Timestamp(0));
        ledger.raise(Timestamp(0), raise(FindingKind::ClearTelnet, "x", ""));
        assert_eq!((ledger.len(), ledger.refused), (MAX_FINDINGS, 1));
        assert_eq!(ledger.removed(), ["new_device/-/0"]);
    }

    #[test]
    fn what_is_noticed_again_is_reported_every_quarter_of_an_hour() {
        let mut ledger = Ledger::default();
        let due =
            |ledger: &Ledger, now| ledger.unsaved(Timestamp(now)).iter().map(|(_, d)| *d).collect::<Vec<_>>();
        ledger.raise(Timestamp(0), raise(FindingKind::PortScan, "x", ""));
        assert_eq!(due(&ledger, 0), [true]);
        ledger.saved(Timestamp(0));
        assert!(due(&ledger, 1).is_empty());
        ledger.raise(Timestamp(1), raise(FindingKind::PortScan, "x", ""));
        assert_eq!(due(&ledger, 1), [false]);
        assert_eq!(due(&ledger, REPORT_AGAIN), [true]);
        assert_eq!(ledger.forget_quiet(Timestamp(2)), 1);
        assert_eq!(ledger.removed().len(), 1);
    }
}
