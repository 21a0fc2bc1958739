//! Sets of protocols, as bits over the dissector's names.

use std::sync::OnceLock;

use eyot_dissect::Field;

/// Room for names; more than that and the set would need another word.
const MAX_PROTOCOLS: usize = 128;

/// Names that need not be looked up: what most devices speak, taken together.
const REMEMBERED: usize = 4;

/// A set of protocol names.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProtocolSet {
    bits: u128,
    /// The names that were added last, which are often the next ones too: a device says the same things again and again.
    latest: [&'static str; REMEMBERED],
}

struct Names {
    /// Ascending.
    names: Vec<&'static str>,
    /// Bit of each field's protocol, by the field's number.
    of_field: Vec<u8>,
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: Vec<&'static str> = Field::ALL
            .iter()
            .map(|f| f.protocol())
            .chain(eyot_dissect::protocols().iter().map(|p| p.name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(MAX_PROTOCOLS);
        let bit = |name: &str| names.binary_search(&name).map_or(u8::MAX, |at| at as u8);
        let of_field = Field::ALL.iter().map(|f| bit(f.protocol())).collect();
        Names { of_field, names }
    })
}

impl ProtocolSet {
    /// Adds the protocol of a field; whether it is new.
    pub fn insert_field(&mut self, field: Field) -> bool {
        self.insert_bit(names().of_field.get(field as usize).copied())
    }

    /// Adds a protocol by the registry's own name; whether it is new.
    #[inline]
    pub fn insert_registered(&mut self, name: &'static str) -> bool {
        if self.latest.iter().any(|known| std::ptr::eq(*known, name)) {
            return false;
        }
        self.latest.rotate_right(1);
        self.latest[0] = name;
        self.insert(name)
    }

    /// Adds a protocol by its registry name; whether it is new.
    pub fn insert(&mut self, name: &str) -> bool {
        self.insert_bit(names().names.binary_search(&name).ok().map(|at| at as u8))
    }

    /// The names, ascending.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        names()
            .names
            .iter()
            .enumerate()
            .filter(move |(at, _)| self.bits >> at & 1 != 0)
            .map(|(_, name)| *name)
    }

    fn insert_bit(&mut self, bit: Option<u8>) -> bool {
        let Some(bit) = bit.filter(|b| usize::from(*b) < MAX_PROTOCOLS) else { return false };
        let before = self.bits;
        self.bits |= 1 << bit;
        self.bits != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_bit_and_names_come_back_in_order() {
        let mut set = ProtocolSet::default();
        for field in Field::ALL {
            set.insert_field(*field);
        }
        let mut expected: Vec<_> = Field::ALL.iter().map(|f| f.protocol()).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(set.names().collect::<Vec<_>>(), expected);
        assert!(names().names.len() < MAX_PROTOCOLS, "the set needs another word");
        assert!(!set.insert(expected[0]));
        assert!(!set.insert("no such protocol"));
    }

    #[test]
    fn the_same_name_again_is_not_new() {
        let mut set = ProtocolSet::default();
        let [one, other] = [eyot_dissect::protocols()[0].name, eyot_dissect::protocols()[1].name];
        assert!(set.insert_registered(one));
        assert!(!set.insert_registered(one));
        assert!(set.insert_registered(other));
        assert!(!set.insert_registered(one));
        assert_eq!(set.names().count(), 2);
    }
}
