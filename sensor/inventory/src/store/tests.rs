//! The store: what comes back, what a kill leaves, what the portal gets.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{DeviceRecord, MacAddr, Timestamp};
use eyot_dissect::{Dissector, Limits};

use super::*;

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
    assert!(message.contains("schema version 99, this program knows 1"), "{message}");
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
