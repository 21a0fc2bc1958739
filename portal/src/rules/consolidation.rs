//! Several sensors, one device: which sensor's word counts.
//!
//! Sensors of one zone that see the same address see the same device. The surest record speaks for what the device is
//! (a sensor that catches only the device's broadcasts knows less than one on its path); on a tie the latest does.
//! Addresses, networks and protocols are put together, and the times span them all.
//!
//! Addresses that a person merged into one device are consolidated one by one and then together. There the person has
//! chosen who speaks: the surviving address, and of the others the surest for what it does not know.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use eyot_contract::{DeviceRecord, MacAddr};

/// One record out of those of all sensors of a zone. `None` for none.
pub fn consolidate(records: &[DeviceRecord]) -> Option<DeviceRecord> {
    let surest = |a: &&DeviceRecord, b: &&DeviceRecord| {
        a.confidence.partial_cmp(&b.confidence).unwrap_or(Ordering::Equal).then(a.last_seen.cmp(&b.last_seen))
    };
    let mut one = records.iter().max_by(surest)?.clone();
    let mut newest_first: Vec<_> = records.iter().collect();
    newest_first.sort_by_key(|r| std::cmp::Reverse(r.last_seen));
    one.ips.clear();
    for record in newest_first {
        for ip in &record.ips {
            if !one.ips.contains(ip) {
                one.ips.push(*ip);
            }
        }
        one.vlans.extend(&record.vlans);
        one.protocols.extend(record.protocols.iter().cloned());
        one.first_seen = one.first_seen.min(record.first_seen);
        one.last_seen = one.last_seen.max(record.last_seen);
    }
    one.vlans.sort_unstable();
    one.vlans.dedup();
    one.protocols.sort_unstable();
    one.protocols.dedup();
    // two sensors may have counted the same frame: the larger count is the one that is surely true
    one.frames = records.iter().map(|r| r.frames).max().unwrap_or(0);
    Some(one)
}

/// One record, under the address `own`, out of those about all the addresses that a person merged into one device. `None`
/// for none.
pub fn merge(own: MacAddr, records: Vec<DeviceRecord>) -> Option<DeviceRecord> {
    let mut by_address: BTreeMap<MacAddr, Vec<DeviceRecord>> = BTreeMap::new();
    for record in records {
        by_address.entry(record.mac).or_default().push(record);
    }
    let each: Vec<_> = by_address.values().filter_map(|of_one| consolidate(of_one)).collect();
    let mut one = consolidate(&each)?;
    // frames of different addresses are different frames
    one.frames = each.iter().map(|r| r.frames).fold(0, u64::saturating_add);
    one.managed.macs.extend(each.iter().map(|r| r.mac).chain([one.mac]));
    one.managed.macs.sort_unstable();
    one.managed.macs.dedup();
    one.managed.macs.retain(|mac| *mac != own);
    one.mac = own;
    if let Some(chosen) = each.into_iter().find(|r| r.mac == own) {
        one.hostname = chosen.hostname.or(one.hostname);
        one.vendor = chosen.vendor.or(one.vendor);
        one.model = chosen.model.or(one.model);
        if chosen.device_type.is_some() || chosen.class.is_some() {
            (one.device_type, one.class) = (chosen.device_type, chosen.class);
            one.confidence = chosen.confidence;
        }
        one.os = chosen.os.or(one.os);
        one.firmware = chosen.firmware.or(one.firmware);
        one.serial = chosen.serial.or(one.serial);
        one.randomized_mac = chosen.randomized_mac;
    }
    Some(one)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use eyot_contract::Timestamp;

    fn record(vendor: &str, confidence: f32, ips: &[&str], seen: (i64, i64)) -> DeviceRecord {
        DeviceRecord {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            ips: ips.iter().map(|i| i.parse().unwrap()).collect(),
            vlans: vec![seen.0 as u16],
            hostname: None,
            vendor: Some(vendor.to_owned()),
            model: None,
            device_type: None,
            class: None,
            os: None,
            firmware: None,
            serial: None,
            confidence,
            randomized_mac: true,
            protocols: vec!["arp".to_owned()],
            frames: seen.1 as u64,
            first_seen: Timestamp(seen.0),
            last_seen: Timestamp(seen.1),
            evidence: Vec::new(),
            activity: Default::default(),
            managed: Default::default(),
        }
    }

    #[test]
    fn the_surest_speaks_and_the_rest_is_put_together() {
        assert!(consolidate(&[]).is_none());
        let path = record("Axis", 0.9, &["10.0.0.1", "10.0.0.2"], (5, 10));
        let edge = record("unknown", 0.2, &["10.0.0.3", "10.0.0.1"], (1, 20));
        for order in [[path.clone(), edge.clone()], [edge, path]] {
            let one = consolidate(&order).unwrap();
            assert_eq!(one.vendor.as_deref(), Some("Axis"));
            let ips: Vec<_> = one.ips.iter().map(ToString::to_string).collect();
            assert_eq!(ips, ["10.0.0.3", "10.0.0.1", "10.0.0.2"]);
            assert_eq!((one.first_seen, one.last_seen, one.frames), (Timestamp(1), Timestamp(20), 20));
            assert_eq!((one.vlans, one.protocols), (vec![1, 5], vec!["arp".to_owned()]));
        }
    }

    #[test]
    fn merged_addresses_are_one_device_under_the_surviving_address() {
        let own = record("Axis", 0.4, &["10.0.0.1"], (5, 10));
        let mut other = record("Bosch", 0.9, &["10.0.0.2"], (3, 20));
        other.mac = MacAddr([2, 0, 0, 0, 0, 2]);
        other.os = Some("Linux".to_owned());
        let mut seen_twice = other.clone();
        seen_twice.confidence = 0.1;
        let expected = own.frames + other.frames;
        let one = merge(own.mac, vec![own.clone(), other.clone(), seen_twice]).unwrap();
        assert_eq!((one.mac, one.vendor.as_deref()), (own.mac, Some("Axis")), "who stays speaks");
        assert_eq!(one.os.as_deref(), Some("Linux"), "and others for what it does not know");
        assert_eq!(one.managed.macs, [other.mac]);
        assert_eq!((one.frames, one.first_seen, one.last_seen), (expected, Timestamp(3), Timestamp(20)));
        assert!(merge(own.mac, Vec::new()).is_none());
    }
}
