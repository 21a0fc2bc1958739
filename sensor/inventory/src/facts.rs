//! The distinct readings about one device: per field and value, when first, when last, how often.
//!
//! A field keeps a bounded number of values. When it is full, a value that was heard once, long ago, gives way; otherwise
//! the newcomer is refused and counted, so that a flood of made-up values cannot wash out what was learnt before.

use eyot_contract::Timestamp;
use eyot_dissect::Field;
use eyot_identify::Fact;

/// Most distinct values of one field of one device.
pub const MAX_VALUES: usize = 64;
/// Most facts of one device.
pub const MAX_FACTS: usize = 512;
/// A value not heard for so long may give way to a new one: a week, in microseconds.
const REPLACEABLE_AFTER: i64 = 7 * 86_400 * 1_000_000;
/// What a fact costs beside its text, in bytes.
const FACT_OVERHEAD: usize = size_of::<StoredFact>();

/// One distinct reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFact {
    /// What was read.
    pub value: Box<str>,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// Ascribed to the device only because its frames came from an address nobody else claims; withdrawn if the device
    /// turns out to be a router.
    pub weak: bool,
    /// Not yet stored in this form.
    pub(crate) unsaved: bool,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A fact not known before; the text added so many bytes.
    New(usize),
    /// Known; counted.
    Again,
    /// It took the place of an old one, with this change in bytes.
    Replaced(isize),
    /// No room.
    Refused,
}

/// Facts by field.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    fields: Vec<(Field, Vec<StoredFact>)>,
    total: usize,
}

impl Facts {
    pub fn take(&mut self, field: Field, value: &str, at: Timestamp, weak: bool) -> Taken {
        let slot = match self.fields.binary_search_by_key(&field, |(f, _)| *f) {
            Ok(slot) => slot,
            Err(_) if self.total >= MAX_FACTS => return Taken::Refused,
            Err(slot) => {
                self.fields.insert(slot, (field, Vec::new()));
                slot
            }
        };
        let values = &mut self.fields[slot].1;
        if let Some(known) = values.iter_mut().find(|known| &*known.value == value) {
            known.first_seen = known.first_seen.min(at);
            known.last_seen = known.last_seen.max(at);
            known.count += 1;
            known.weak &= weak;
            known.unsaved = true;
            return Taken::Again;
        }
        let fact =
            StoredFact { value: value.into(), first_seen: at, last_seen: at, count: 1, weak, unsaved: true };
        if values.len() < MAX_VALUES && self.total < MAX_FACTS {
            values.push(fact);
            self.total += 1;
            return Taken::New(value.len() + FACT_OVERHEAD);
        }
        let stale = values
            .iter_mut()
            .filter(|old| old.last_seen.0 < at.0.saturating_sub(REPLACEABLE_AFTER))
            .min_by_key(|old| (old.count, old.last_seen));
        match stale {
            Some(old) => {
                let change = value.len() as isize - old.value.len() as isize;
                *old = fact;
                Taken::Replaced(change)
            }
            None => Taken::Refused,
        }
    }

    /// Puts back a stored fact.
    pub fn restore(&mut self, field: Field, fact: StoredFact) -> usize {
        let slot = self.fields.binary_search_by_key(&field, |(f, _)| *f).unwrap_or_else(|slot| {
            self.fields.insert(slot, (field, Vec::new()));
            slot
        });
        let bytes = fact.value.len() + FACT_OVERHEAD;
        self.fields[slot].1.push(fact);
        self.total += 1;
        bytes
    }

    /// Takes out what was ascribed weakly; the bytes that became free.
    pub fn withdraw_weak(&mut self) -> usize {
        let mut freed = 0;
        for (_, values) in &mut self.fields {
            values.retain(|fact| {
                freed += if fact.weak { fact.value.len() + FACT_OVERHEAD } else { 0 };
                !fact.weak
            });
        }
        self.fields.retain(|(_, values)| !values.is_empty());
        self.total = self.fields.iter().map(|(_, values)| values.len()).sum();
        freed
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &StoredFact)> {
        self.fields.iter().flat_map(|(field, values)| values.iter().map(move |fact| (*field, fact)))
    }

    /// The fact of that field's name and value.
    pub fn find(&self, field: &str, value: &str) -> Option<&StoredFact> {
        let (_, values) = self.fields.iter().find(|(f, _)| f.name() == field)?;
        values.iter().find(|fact| &*fact.value == value)
    }

    pub fn has(&self, field: Field) -> bool {
        self.fields.binary_search_by_key(&field, |(f, _)| *f).is_ok()
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, fact)| fact.value.len() + FACT_OVERHEAD).sum()
    }

    pub fn all_saved(&mut self) {
        for fact in self.fields.iter_mut().flat_map(|(_, values)| values) {
            fact.unsaved = false;
        }
    }

    /// As `identify` wants them.
    pub fn to_identify(&self) -> Vec<Fact> {
        self.iter()
            .map(|(field, fact)| Fact {
                field,
                value: fact.value.to_string(),
                first_seen: fact.first_seen,
                last_seen: fact.last_seen,
                count: fact.count,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_reading_twice_is_one_fact() {
        let mut facts = Facts::default();
        assert!(matches!(facts.take(Field::DhcpHostname, "cam", Timestamp(50), false), Taken::New(_)));
        assert_eq!(facts.take(Field::DhcpHostname, "cam", Timestamp(20), false), Taken::Again);
        assert!(matches!(facts.take(Field::MdnsHostname, "cam", Timestamp(60), false), Taken::New(_)));
        let all: Vec<_> = facts.iter().collect();
        assert_eq!(all.len(), 2);
        let (field, fact) = all[0];
        assert_eq!(
            (field, fact.first_seen.0, fact.last_seen.0, fact.count),
            (Field::DhcpHostname, 20, 50, 2)
        );
    }

    #[test]
    fn a_full_field_refuses_until_something_in_it_is_old() {
        let mut facts = Facts::default();
        for n in 0..MAX_VALUES {
            facts.take(Field::DnsQuery, &format!("{n}.example"), Timestamp(n as i64), false);
        }
        assert_eq!(facts.take(Field::DnsQuery, "new.example", Timestamp(100), false), Taken::Refused);
        let later = Timestamp(REPLACEABLE_AFTER + 5);
        assert_eq!(facts.take(Field::DnsQuery, "new.example", later, false), Taken::Replaced(2));
        let values: Vec<_> = facts.iter().map(|(_, fact)| &*fact.value).collect();
        assert_eq!(values.len(), MAX_VALUES);
        assert!(values.contains(&"new.example") && !values.contains(&"0.example"));
    }

    #[test]
    fn a_device_with_all_its_facts_takes_no_further_field() {
        let mut facts = Facts::default();
        let mut taken = 0;
        for field in Field::ALL {
            for n in 0..MAX_VALUES {
                taken +=
                    usize::from(facts.take(*field, &n.to_string(), Timestamp(0), false) != Taken::Refused);
            }
        }
        assert_eq!(taken, MAX_FACTS);
        assert_eq!(facts.iter().count(), MAX_FACTS);
    }

    #[test]
    fn weak_facts_can_be_withdrawn_unless_confirmed() {
        let mut facts = Facts::default();
        facts.take(Field::HttpServer, "remote", Timestamp(0), true);
        facts.take(Field::HttpServer, "own", Timestamp(0), true);
        facts.take(Field::HttpServer, "own", Timestamp(1), false);
        let before = facts.bytes();
        let freed = facts.withdraw_weak();
        assert_eq!(facts.iter().map(|(_, fact)| &*fact.value).collect::<Vec<_>>(), ["own"]);
        assert_eq!(facts.bytes() + freed, before);
    }
}
