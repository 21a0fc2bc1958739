//! What a report changes about a device that is known already: what its timeline tells.
//!
//! Only what people would look back for is a change. That it spoke again is none, nor that it spoke one more protocol; that
//! it was silent for an hour or longer and came back is one, if the sensor's own intervals say so (the time between two
//! reports says nothing).

use std::net::IpAddr;

use eyot_contract::{DeviceRecord, Timestamp};

/// Silence from which coming back is worth telling, in µs: an hour.
pub const GAP: i64 = 3_600 * 1_000_000;
/// Longest text of one change, in bytes; addresses beyond it are cut.
const MAX_DETAIL: usize = 400;

/// What was known before the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// VLANs.
    pub vlans: Vec<u16>,
    /// Texts by their [`Kind`].
    pub texts: Vec<(Kind, Option<String>)>,
    /// Latest frame.
    pub last_seen: Timestamp,
    /// Fields a person set: reports do not change them.
    pub locked: Vec<String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $title:literal;)+) => {
        /// What happened to a device.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Name in the database and the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),+ }
            }

            /// Name for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),+ }
            }
        }
    };
}

kinds! {
    /// Its first frame.
    FirstSeen = "first_seen", "First seen";
    /// Its latest frame.
    LastSeen = "last_seen", "Last activity";
    /// Addresses came or went.
    Ips = "ips", "Address changed";
    /// VLANs came or went.
    Vlans = "vlans", "VLAN changed";
    /// Another name.
    Hostname = "hostname", "Name changed";
    /// Another vendor.
    Vendor = "vendor", "Vendor changed";
    /// Another model.
    Model = "model", "Model changed";
    /// Another type.
    Type = "type", "Type changed";
    /// Another operating system.
    Os = "os", "OS changed";
    /// Another firmware.
    Firmware = "firmware", "Firmware changed";
    /// Another serial number.
    Serial = "serial", "Serial number changed";
    /// It spoke again after a silence.
    Returned = "returned", "Came back";
    /// A person changed it.
    Edited = "edited", "Edited";
    /// Others were merged into it.
    Merged = "merged", "Devices merged";
    /// A merge was undone.
    Unmerged = "unmerged", "Merge undone";
    /// A finding about it.
    Alert = "alert", "Alert";
    /// More happened that day than is kept.
    Limit = "limit", "More changes that day, not listed";
}

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// From what to what.
    pub detail: String,
}

impl Known {
    /// What is known once this record is stored; what is locked stays locked and as it was.
    pub fn of(record: &DeviceRecord, before: Option<&Self>) -> Self {
        let locked = before.map(|b| b.locked.clone()).unwrap_or_default();
        let kept = |kind: Kind, text: Option<String>| {
            let stays = locked.iter().any(|l| l == kind.name());
            let old = before.and_then(|b| b.texts.iter().find(|(k, _)| *k == kind));
            (kind, if stays { old.and_then(|(_, text)| text.clone()) } else { text })
        };
        let texts = texts(record).into_iter().map(|(kind, text)| kept(kind, text)).collect();
        Self {
            ips: record.ips.clone(),
            vlans: record.vlans.clone(),
            texts,
            last_seen: record.last_seen,
            locked,
        }
    }
}

fn texts(record: &DeviceRecord) -> [(Kind, Option<String>); 7] {
    let clean = |text: &Option<String>| text.as_ref().map(|t| t.replace('\0', ""));
    [
        (Kind::Hostname, clean(&record.hostname)),
        (Kind::Vendor, clean(&record.vendor)),
        (Kind::Model, clean(&record.model)),
        (Kind::Type, record.device_type.map(|t| t.name().to_owned())),
        (Kind::Os, clean(&record.os)),
        (Kind::Firmware, clean(&record.firmware)),
        (Kind::Serial, clean(&record.serial)),
    ]
}

/// What the record changes, told at `at`; a return is told at the moment of the return.
pub fn changes(before: &Known, record: &DeviceRecord, at: Timestamp) -> Vec<Change> {
    let mut all = Vec::new();
    let mut push = |kind, detail: String| all.push(Change { at, kind, detail: cut(detail) });
    if let Some(detail) = set_change(&before.ips, &record.ips) {
        push(Kind::Ips, detail);
    }
    if let Some(detail) = set_change(&before.vlans, &record.vlans) {
        push(Kind::Vlans, detail);
    }
    let after = Known::of(record, Some(before));
    for (kind, new) in &after.texts {
        let old = before.texts.iter().find(|(k, _)| k == kind).and_then(|(_, text)| text.as_deref());
        if old != new.as_deref() {
            push(*kind, format!("{} → {}", old.unwrap_or("unknown"), new.as_deref().unwrap_or("unknown")));
        }
    }
    let gone = before.last_seen;
    let returned = record.activity.intervals.iter().find(|i| i.from > gone);
    if let Some(interval) = returned.filter(|i| i.from.0.saturating_sub(gone.0) >= GAP) {
        let silence = (interval.from.0 - gone.0) / 1_000_000;
        let detail = format!("after {} h {} min of silence", silence / 3_600, silence % 3_600 / 60);
        all.push(Change { at: interval.from, kind: Kind::Returned, detail });
    }
    all
}

/// `+ new, − gone`; nothing where the order alone changed.
fn set_change<T: PartialEq + ToString>(before: &[T], after: &[T]) -> Option<String> {
    let signed = |sign: &str, of: &[T], not_in: &[T]| -> Vec<String> {
        of.iter().filter(|v| !not_in.contains(v)).map(|v| format!("{sign} {}", v.to_string())).collect()
    };
    let parts = [signed("+", after, before), signed("−", before, after)].concat();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_DETAIL {
        let end = (0..=MAX_DETAIL).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use eyot_contract::{Interval, MacAddr};

    fn record() -> DeviceRecord {
        let text = r#"{"mac":"00:40:00:00:00:01","ips":["10.0.0.1"],"vlans":[5],"hostname":"cam","vendor":"Axis","model":null,
            "os":null,"firmware":"1","confidence":0.5,"first_seen":"2026-01-01T00:00:00Z",
            "last_seen":"2026-01-01T00:00:00Z","evidence":[]}"#;
        let mut record: DeviceRecord = serde_json::from_str(text).unwrap();
        record.mac = MacAddr([0, 0x40, 0, 0, 0, 1]);
        (record.first_seen, record.last_seen) = (Timestamp(0), Timestamp(0));
        record
    }

    #[test]
    fn what_changed_is_told_and_what_did_not_is_not() {
        let old = record();
        let known = Known::of(&old, None);
        let mut same = old.clone();
        same.protocols.push("mdns".to_owned());
        same.last_seen = Timestamp(2 * GAP);
        assert_eq!(
            changes(&known, &same, Timestamp(1)),
            [],
            "a later report alone says nothing of a silence"
        );
        let mut new = old.clone();
        new.ips = vec!["10.0.0.2".parse().unwrap()];
        new.firmware = Some("2".to_owned());
        new.hostname = None;
        let told: Vec<_> =
            changes(&known, &new, Timestamp(9)).into_iter().map(|c| (c.kind, c.detail, c.at.0)).collect();
        assert_eq!(
            told,
            [
                (Kind::Ips, "+ 10.0.0.2, − 10.0.0.1".to_owned(), 9),
                (Kind::Hostname, "cam → unknown".to_owned(), 9),
                (Kind::Firmware, "1 → 2".to_owned(), 9)
            ]
        );
    }

    #[test]
    fn locked_fields_do_not_change_and_silences_count_from_an_hour() {
        let old = record();
        let known = Known { locked: vec!["hostname".to_owned()], ..Known::of(&old, None) };
        let mut new = old.clone();
        new.hostname = Some("other".to_owned());
        assert_eq!(changes(&known, &new, Timestamp(1)), []);
        assert_eq!(Known::of(&new, Some(&known)).texts, known.texts);
        for (silence, told) in [(GAP - 1, 0), (GAP, 1)] {
            new.activity.intervals = vec![
                Interval { from: Timestamp(0), to: Timestamp(0) },
                Interval { from: Timestamp(silence), to: Timestamp(silence + 5) },
            ];
            assert_eq!(changes(&known, &new, Timestamp(1)).len(), told, "{silence}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let text = cut("ü".repeat(MAX_DETAIL));
        assert!(text.len() <= MAX_DETAIL + '…'.len_utf8() && text.ends_with('…'));
    }
}
