//! The store: what comes back, what a kill leaves, what the portal gets.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{Attribute, DeviceRecord, DeviceType, MacAddr, Timestamp};
use eyot_dissect::{Dissector, Limits};

use super::*;
use crate::decisions::Decision;

const MICROS: i64 = 1_000_000;

fn mac(n: u8) -> MacAddr {
    MacAddr([0x00, 0x11, 0x22, 0x33, 0x44, n])
}

/// An ARP request of device `n` for itself at 192.0.2.n (RFC 826).
fn arp(n: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac(n).0);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac(n).0);
    frame.extend([192, 0, 2, n, 0, 0, 0, 0, 0, 0, 192, 0, 2, n]);
    frame
}

fn hear(inventory: &mut Inventory, frame: &[u8], at: i64) {
    let mut dissector = Dissector::new(Limits::default());
    let frame = Frame {
        at: Timestamp(at * MICROS),
        link: LinkType::ETHERNET,
        bytes: frame,
        wire_len: frame.len() as u32,
        vlan: None,
    };
    inventory.frame(&mut dissector, &frame);
}

fn office(devices: u8) -> Inventory {
    let mut inventory = Inventory::new();
    for n in 1..=devices {
        hear(&mut inventory, &arp(n), i64::from(n));
    }
    inventory.identify(usize::MAX);
    inventory
}

fn all(inventory: &Inventory) -> Vec<MacAddr> {
    let mut all: Vec<_> = inventory.devices().map(Device::mac).collect();
    all.sort();
    all
}

fn stored(path: &Path) -> Vec<DeviceRecord> {
    let mut inventory = Store::open_read_only(path).unwrap().load().unwrap();
    inventory.identify(usize::MAX);
    inventory.records()
}

#[test]
fn what_was_saved_comes_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut inventory = office(3);
    store.save(&mut inventory, false, &[], Timestamp(0)).unwrap();
    assert_eq!(stored(&path), inventory.records());
    assert_eq!(inventory.records()[1].ips, ["192.0.2.2".parse::<std::net::IpAddr>().unwrap()]);

    // counters alone wait for the save of everything
    hear(&mut inventory, &arp(2), 500);
    store.save(&mut inventory, false, &[], Timestamp(0)).unwrap();
    assert_eq!(stored(&path)[1].frames, 1);
    store.save(&mut inventory, true, &[], Timestamp(0)).unwrap();
    assert_eq!(stored(&path), inventory.records());
    assert_eq!(stored(&path)[1].last_seen, Timestamp(500 * MICROS));

    // an address that moved is gone from the first device's rows, a forgotten device from every table
    let mut moved = arp(3);
    moved[28..32].copy_from_slice(&[192, 0, 2, 2]);
    hear(&mut inventory, &moved, 600);
    inventory.forget_quiet(Timestamp(2 * MICROS));
    store.save(&mut inventory, true, &[], Timestamp(0)).unwrap();
    let records = stored(&path);
    assert_eq!(records, inventory.records());
    assert_eq!((records.len(), records[0].ips.len(), records[1].ips.len()), (2, 0, 2));
}

#[test]
fn a_reloaded_inventory_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    let mut inventory = office(2);
    let due = inventory.due(Timestamp(0), 0, 0);
    store.save(&mut inventory, true, &due, Timestamp(7)).unwrap();
    drop(store);

    let mut store = Store::open(&path).unwrap();
    let mut again = store.load().unwrap();
    again.identify(usize::MAX);
    assert!(again.due(Timestamp(8), 0, 0).is_empty(), "what was reported is not reported again");
    hear(&mut again, &arp(1), 900);
    store.save(&mut again, true, &[], Timestamp(9)).unwrap();
    assert_eq!(stored(&path)[0].frames, 2);
}

#[test]
fn other_files_and_newer_schemas_are_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("notes.txt");
    std::fs::write(&other, "no database at all, but long enough to look at".repeat(20)).unwrap();
    let message = Store::open(&other).unwrap_err().to_string();
    assert!(message.contains("move it away"), "{message}");
    let newer = dir.path().join("newer.sqlite");
    Store::open(&newer).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let message = Store::open(&newer).unwrap_err().to_string();
    assert!(message.contains("schema version 99, this program knows 4"), "{message}");
    assert!(matches!(Store::open_read_only(dir.path().join("none")), Err(StoreError::Open { .. })));
    assert!(matches!(Store::open("/nonexistent/x.sqlite"), Err(StoreError::Create { .. })));
}

#[test]
fn a_batch_keeps_its_number_and_content_until_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    let mut inventory = office(5);
    let macs = all(&inventory);
    store.save(&mut inventory, false, &macs, Timestamp(10)).unwrap();

    let mut spool = Spool::open(&path).unwrap();
    let first = spool.next(3, Timestamp(11)).unwrap().unwrap();
    assert_eq!((first.sequence, first.devices.len()), (1, 3));
    // a newer record of a device in flight waits its turn and does not change the batch
    hear(&mut inventory, &arp(1), 700);
    store.save(&mut inventory, true, &[mac(1)], Timestamp(12)).unwrap();
    drop(spool);
    let mut spool = Spool::open(&path).unwrap();
    assert_eq!(spool.next(500, Timestamp(13)).unwrap().unwrap(), first);
    let state = spool.state().unwrap();
    assert_eq!((state.in_flight, state.waiting, state.sequence), (3, 3, 1));
    assert_eq!(state.oldest, Some(Timestamp(10)));

    spool.acknowledge(1).unwrap();
    let second = spool.next(500, Timestamp(14)).unwrap().unwrap();
    assert_eq!((second.epoch, second.sequence), (first.epoch, 2));
    let mut macs: Vec<_> = second.devices.iter().map(|d| d.mac).collect();
    macs.sort();
    assert_eq!(macs, [mac(1), mac(4), mac(5)]);
    assert_eq!(second.devices.iter().find(|d| d.mac == mac(1)).unwrap().frames, 2);
    spool.acknowledge(2).unwrap();
    assert_eq!(spool.next(500, Timestamp(15)).unwrap(), None);
}

#[test]
fn a_refused_batch_is_taken_apart_until_what_is_refused_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    let mut inventory = office(3);
    let macs = all(&inventory);
    store.save(&mut inventory, false, &macs, Timestamp(10)).unwrap();
    let mut spool = Spool::open(&path).unwrap();
    assert_eq!(spool.next(500, Timestamp(11)).unwrap().unwrap().devices.len(), 3);
    // queued again while in flight: the newer record wins over the one given back
    hear(&mut inventory, &arp(2), 700);
    store.save(&mut inventory, true, &[mac(2)], Timestamp(12)).unwrap();
    assert_eq!(spool.give_back().unwrap(), 0);
    assert_eq!(spool.state().unwrap().waiting, 3);
    let one = spool.next(1, Timestamp(13)).unwrap().unwrap();
    assert_eq!((one.sequence, one.devices.len()), (2, 1));
    assert_eq!(spool.give_back().unwrap(), 1);
    let state = spool.state().unwrap();
    assert_eq!((state.waiting, state.in_flight, state.dropped), (2, 0, 1));
    let rest = spool.next(500, Timestamp(14)).unwrap().unwrap();
    assert_eq!((rest.sequence, rest.devices.len()), (3, 2));
    assert!(rest.devices.iter().any(|d| d.mac == mac(2) && d.frames == 2));
}

#[test]
fn the_oldest_records_go_when_the_spool_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let store = Store::open(&path).unwrap();
    let record = serde_json::to_string(&office(1).records()[0]).unwrap();
    store
        .connection
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO spool (mac, queued_at, record) SELECT i, i, ?2 FROM n",
            params![MAX_SPOOLED as i64 + 7, record],
        )
        .unwrap();
    spool::enforce_bound(&store.connection).unwrap();
    let state = Spool::open(&path).unwrap().state().unwrap();
    assert_eq!((state.waiting, state.dropped, state.oldest), (MAX_SPOOLED, 7, Some(Timestamp(8))));
}

#[test]
fn nothing_is_marked_saved_or_reported_when_the_disk_says_no() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    let mut inventory = office(2);
    let macs = all(&inventory);
    store.connection.execute_batch("ALTER TABLE spool RENAME TO elsewhere").unwrap();
    store.save(&mut inventory, true, &macs, Timestamp(10)).unwrap_err();
    assert!(stored(&path).is_empty(), "all of it or nothing");
    store.connection.execute_batch("ALTER TABLE elsewhere RENAME TO spool").unwrap();
    assert_eq!(inventory.due(Timestamp(11), 0, 0).len(), 2);
    store.save(&mut inventory, false, &macs, Timestamp(12)).unwrap();
    assert_eq!(stored(&path).len(), 2);
    assert_eq!(Spool::open(&path).unwrap().state().unwrap().waiting, 2);
}

#[test]
fn a_file_of_the_first_version_is_brought_up_and_keeps_its_devices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut inventory = Inventory::new();
    hear(&mut inventory, &arp(1), 5);
    Store::open(&path).unwrap().save(&mut inventory, true, &[], Timestamp(6)).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "DROP TABLE destination; DROP TABLE content; DROP TABLE waiting; DROP TABLE sending;
         DROP TABLE finding; DROP TABLE learnt; DROP TABLE decision; DELETE FROM meta WHERE key = 'decisions';
         ALTER TABLE device DROP COLUMN flows; ALTER TABLE device DROP COLUMN present_since;
         ALTER TABLE device DROP COLUMN intervals; ALTER TABLE device DROP COLUMN peers; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.load().unwrap().len(), 1);
    assert!(store.findings().unwrap().is_empty());
}

#[test]
fn decisions_hold_over_restarts_and_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut inventory = Inventory::new();
    for n in 1..=3 {
        hear(&mut inventory, &arp(n), i64::from(n));
    }
    inventory.identify(usize::MAX);
    let mut store = Store::open(&path).unwrap();
    store.save(&mut inventory, true, &[], Timestamp(9)).unwrap();
    let [one, two, three] = [1, 2, 3].map(mac);
    let stranger = mac(9);
    for (decision, said) in [
        (Decision::Merge(vec![one]), "1 devices are given; 2 to 10"),
        (Decision::Merge(vec![one, one]), "1 devices are given"),
        (Decision::Merge(vec![one, stranger]), "no such device is known"),
        (Decision::Unmerge(one), "is not merged"),
        (Decision::Set(one, Attribute::Type, "teapot".into()), "is not a device type; known are voip_phone"),
        (Decision::Set(one, Attribute::Model, " ".into()), "the value is empty"),
    ] {
        let message = store.decide(&decision, Timestamp(10)).unwrap_err().to_string();
        assert!(message.contains(said), "{decision:?} gave {message:?}");
    }
    for decision in [
        Decision::Merge(vec![one, two]),
        Decision::Set(one, Attribute::Type, "camera".into()),
        Decision::Set(one, Attribute::Model, "P1435".into()),
        Decision::Authorize(one, Some(true)),
    ] {
        store.decide(&decision, Timestamp(10)).unwrap();
    }
    assert!(store.decide(&Decision::Merge(vec![two, three]), Timestamp(10)).is_err());

    // the running sensor's side
    store.follow_decisions(&mut inventory).unwrap();
    for inventory in [&inventory, &Store::open(&path).unwrap().load().unwrap()] {
        let records = inventory.records();
        assert_eq!(records.len(), 2);
        let merged = &records[0];
        assert_eq!((merged.mac, merged.managed.macs.as_slice()), (one, &[two][..]));
        assert_eq!(merged.ips.len(), 2);
        assert_eq!((merged.model.as_deref(), merged.device_type), (Some("P1435"), Some(DeviceType::Camera)));
        assert_eq!(merged.managed.authorized, Some(true));
        assert_eq!(merged.managed.set, [Attribute::Model, Attribute::Type]);
        assert_eq!(merged.frames, 2);
        assert!(inventory.are_one(one, two) && !inventory.are_one(one, three));
    }
    assert_eq!(inventory.due(Timestamp(20), 0, 0), [one, three], "what is merged is told under one address");
    store.save(&mut inventory, true, &[one, three], Timestamp(20)).unwrap();
    assert!(inventory.due(Timestamp(21), 0, 0).is_empty());
    hear(&mut inventory, &arp(2), 30);
    assert_eq!(inventory.due(Timestamp(40), 0, 0), [one], "a sign of life of a part is one of the whole");

    for decision in [
        Decision::Unmerge(two),
        Decision::Unset(one, Attribute::Type),
        Decision::Authorize(one, None),
        Decision::Delete(three),
    ] {
        store.decide(&decision, Timestamp(50 * MICROS)).unwrap();
    }
    store.follow_decisions(&mut inventory).unwrap();
    let records = inventory.records();
    assert_eq!(records.iter().map(|r| r.mac).collect::<Vec<_>>(), [one, two]);
    assert_eq!((records[0].device_type, records[0].managed.authorized), (None, None));
    assert_eq!(records[0].model.as_deref(), Some("P1435"), "what was not taken back stays");
    hear(&mut inventory, &arp(3), 60);
    store.save(&mut inventory, true, &[], Timestamp(61)).unwrap();
    store.follow_decisions(&mut inventory).unwrap();
    let again = Store::open(&path).unwrap().load().unwrap();
    assert_eq!(
        again.device(three).unwrap().first_seen(),
        Timestamp(60 * MICROS),
        "seen again, it is a new device"
    );
}

#[test]
fn presence_is_kept_in_stretches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut inventory = Inventory::new();
    let hour = 3_600;
    for at in [10, 20, hour, hour + 5, 3 * hour] {
        hear(&mut inventory, &arp(1), at);
    }
    let stretches = |inventory: &Inventory| {
        let presence = inventory.device(mac(1)).unwrap().presence();
        presence.iter().map(|i| (i.from.0 / MICROS, i.to.0 / MICROS)).collect::<Vec<_>>()
    };
    let expected = [(10, 20), (hour, hour + 5), (3 * hour, 3 * hour)];
    assert_eq!(stretches(&inventory), expected);
    Store::open(&path).unwrap().save(&mut inventory, true, &[], Timestamp(0)).unwrap();
    let mut again = Store::open(&path).unwrap().load().unwrap();
    assert_eq!(stretches(&again), expected);
    for n in 4..100 {
        hear(&mut again, &arp(1), n * hour);
    }
    assert_eq!(stretches(&again).len(), crate::MAX_INTERVALS + 1);
}
