//! What is usual on this network: learnt while it is being watched for the first time, kept in the store.

use std::collections::HashMap;

use eyot_contract::Timestamp;
use eyot_inventory::LearntRow;

/// Most things learnt; more are not remembered, and so not missed either.
const MAX_LEARNT: usize = 100_000;
/// A known thing is written to the store again when it was not for so long: an hour, in microseconds.
const WRITE_AGAIN: i64 = 3_600 * 1_000_000;

/// Kinds of things that are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Habit {
    /// The first frame ever; key empty.
    Since,
    /// A DHCP server; key `vlan mac`, value the router it names.
    DhcpServer,
    /// An IPv6 router; key `vlan mac`.
    Router,
    /// A DNS server that is asked or handed out; key its address.
    DnsServer,
    /// A device's type; key its hardware address.
    Type,
}

impl Habit {
    const ALL: [Self; 5] = [Self::Since, Self::DhcpServer, Self::Router, Self::DnsServer, Self::Type];

    fn name(self) -> &'static str {
        match self {
            Self::Since => "since",
            Self::DhcpServer => "dhcp_server",
            Self::Router => "router",
            Self::DnsServer => "dns_server",
            Self::Type => "type",
        }
    }
}

/// One thing.
#[derive(Clone, Debug)]
pub struct Known {
    pub value: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    unsaved: bool,
}

/// All that was learnt.
#[derive(Debug, Default)]
pub struct Habits {
    known: HashMap<(Habit, String), Known>,
    since: Option<Timestamp>,
}

impl Habits {
    pub fn restore(&mut self, row: LearntRow) {
        // a kind of a newer version stays in the file and is not used
        let Some(habit) = Habit::ALL.into_iter().find(|h| h.name() == row.kind) else { return };
        if habit == Habit::Since {
            self.since = Some(row.first_seen);
        }
        let known =
            Known { value: row.value, first_seen: row.first_seen, last_seen: row.last_seen, unsaved: false };
        self.known.insert((habit, row.key), known);
    }

    /// Whether watching began less than `learning` before `at`; begins with the first call ever.
    #[inline]
    pub fn is_learning(&mut self, at: Timestamp, learning: i64) -> bool {
        let since = match self.since {
            Some(since) => since,
            None => {
                self.since = Some(at);
                self.learn(Habit::Since, "", "", at);
                at
            }
        };
        at.0.saturating_sub(since.0) < learning
    }

    /// When learning ended or will end; `None` before the first frame.
    pub fn learnt_at(&self, learning: i64) -> Option<Timestamp> {
        self.since.map(|since| Timestamp(since.0.saturating_add(learning)))
    }

    pub fn get(&self, habit: Habit, key: &str) -> Option<&Known> {
        // the key is looked up by its owner's type; these look-ups are rare
        self.known.get(&(habit, key.to_owned()))
    }

    pub fn of(&self, habit: Habit) -> impl Iterator<Item = (&str, &Known)> {
        self.known
            .iter()
            .filter(move |((h, _), _)| *h == habit)
            .map(|((_, key), known)| (key.as_str(), known))
    }

    /// Learns it, or notes that it is still so.
    pub fn learn(&mut self, habit: Habit, key: &str, value: &str, at: Timestamp) {
        if let Some(known) = self.known.get_mut(&(habit, key.to_owned())) {
            let changed = known.value != value;
            if changed {
                known.value = value.to_owned();
                known.first_seen = at;
            }
            known.unsaved |= changed || at.0.saturating_sub(known.last_seen.0) >= WRITE_AGAIN;
            known.last_seen = known.last_seen.max(at);
        } else if self.known.len() < MAX_LEARNT {
            let known = Known { value: value.to_owned(), first_seen: at, last_seen: at, unsaved: true };
            self.known.insert((habit, key.to_owned()), known);
        }
    }

    pub fn unsaved(&self) -> Vec<LearntRow> {
        let rows = self.known.iter().filter(|(_, known)| known.unsaved);
        rows.map(|((habit, key), known)| LearntRow {
            kind: habit.name().to_owned(),
            key: key.clone(),
            value: known.value.clone(),
            first_seen: known.first_seen,
            last_seen: known.last_seen,
        })
        .collect()
    }

    pub fn saved(&mut self) {
        for known in self.known.values_mut() {
            known.unsaved = false;
        }
    }
}
