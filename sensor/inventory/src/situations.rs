//! Situations of a network, told as summaries and readings, and what the inventory makes of them.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use eyot_contract::{DeviceType, Location, MacAddr, Timestamp};
use eyot_dissect::{Field, Observation, Summary};

use super::*;
use crate::addresses::{MAX_ADDRESSES, MAX_WEAK, PROXY_CLAIMS};
use crate::facts::MAX_VALUES;

const HOUR: i64 = 3_600 * 1_000_000;

/// A network whose clock moves by a second with every event.
#[derive(Default)]
struct Network {
    inventory: Inventory,
    now: i64,
}

fn mac(n: u8) -> MacAddr {
    MacAddr([0x00, 0x11, 0x22, 0x33, 0x44, n])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Network {
    /// A frame with these readings; `from` as `address/hop limit`.
    fn frame(&mut self, sender: MacAddr, from: &str, readings: &[(MacAddr, Field, &str)]) {
        self.now += 1_000_000;
        let (address, hops) = from.split_once('/').unwrap_or((from, "64"));
        let summary = Summary {
            source: Some(sender),
            source_ip: address.parse().ok(),
            destination_ip: Some(ip("192.0.2.200")),
            hop_limit: hops.parse().ok(),
            ..Summary::default()
        };
        let at = Timestamp(self.now);
        self.inventory.sighting(&Sighting { at, frames: 1, bytes: 60, summary });
        let mut buffer = Readings::default();
        for (of, field, value) in readings {
            buffer.push(&Observation {
                mac: *of,
                ip: summary.source_ip,
                vlan: None,
                field: *field,
                value: (*value).into(),
            });
        }
        for reading in buffer.range(0..buffer.len()) {
            self.inventory.reading(Timestamp(self.now), &summary, &reading);
        }
    }

    fn arp(&mut self, sender: MacAddr, address: &str) {
        self.frame(sender, "", &[(sender, Field::ArpAddress, address)]);
    }

    fn lease(&mut self, client: MacAddr, address: &str) {
        self.frame(mac(250), "192.0.2.1", &[(client, Field::DhcpAddress, address)]);
    }

    fn ips(&self, of: MacAddr) -> Vec<String> {
        self.inventory.device(of).unwrap().ips().iter().map(ToString::to_string).collect()
    }

    fn values(&self, of: MacAddr) -> Vec<String> {
        self.inventory.device(of).unwrap().facts().map(|(_, f)| f.value.to_string()).collect()
    }
}

#[test]
fn a_client_that_gets_another_lease_keeps_its_identity_and_loses_the_address() {
    let mut net = Network::default();
    net.frame(mac(1), "", &[(mac(1), Field::DhcpHostname, "cam")]);
    net.lease(mac(1), "192.0.2.10");
    net.frame(mac(1), "192.0.2.10", &[]);
    net.lease(mac(1), "192.0.2.77");
    net.arp(mac(1), "192.0.2.77");
    assert_eq!(net.ips(mac(1)), ["192.0.2.77"]);
    assert_eq!(net.values(mac(1)), ["cam"]);
    // a static alias that it goes on using comes back by itself
    net.arp(mac(1), "192.0.2.10");
    assert_eq!(net.ips(mac(1)), ["192.0.2.10", "192.0.2.77"]);
}

#[test]
fn an_address_that_goes_to_another_device_leaves_the_first() {
    let mut net = Network::default();
    net.arp(mac(1), "192.0.2.10");
    net.arp(mac(2), "192.0.2.10");
    assert!(net.ips(mac(1)).is_empty());
    assert_eq!(net.ips(mac(2)), ["192.0.2.10"]);
    // an older capture read afterwards does not take it back
    net.now -= 2 * HOUR;
    net.arp(mac(1), "192.0.2.10");
    assert!(net.ips(mac(1)).is_empty());
    assert_eq!(net.ips(mac(2)), ["192.0.2.10"]);
}

#[test]
fn a_router_is_not_its_remote_senders() {
    let mut net = Network::default();
    net.arp(mac(9), "192.0.2.1");
    net.frame(mac(9), "192.0.2.1/64", &[(mac(9), Field::HttpServer, "router's own page")]);
    for (n, hops) in [(1, 57), (2, 117), (3, 242)] {
        let from = format!("198.51.100.{n}/{hops}");
        net.frame(mac(9), &from, &[(mac(9), Field::HttpServer, "somebody's web server")]);
    }
    let device = net.inventory.device(mac(9)).unwrap();
    assert!(device.is_router());
    assert_eq!(net.ips(mac(9)), ["192.0.2.1"]);
    assert_eq!(net.values(mac(9)), ["router's own page"]);
    assert_eq!(device.record().device_type, Some(DeviceType::Router));
    assert_eq!(net.inventory.counters().readings_of_remote, 3);
}

#[test]
fn a_router_that_never_says_its_address_gives_back_what_was_ascribed_to_it() {
    let mut net = Network::default();
    net.frame(mac(9), "198.51.100.1/64", &[(mac(9), Field::SipUserAgent, "a phone far away")]);
    assert_eq!(net.values(mac(9)).len(), 1, "the first sender might be the device itself");
    for n in 2..=MAX_WEAK + 1 {
        net.frame(mac(9), &format!("198.51.100.{n}/64"), &[]);
    }
    assert!(net.inventory.device(mac(9)).unwrap().is_router());
    assert!(net.ips(mac(9)).is_empty());
    assert!(net.values(mac(9)).is_empty());
}

#[test]
fn traceroute_and_multicast_make_no_router() {
    let mut net = Network::default();
    for hops in 1..=30 {
        net.frame(mac(1), &format!("192.0.2.10/{hops}"), &[]);
    }
    let device = net.inventory.device(mac(1)).unwrap();
    assert!(!device.is_router());
    assert_eq!(net.ips(mac(1)), ["192.0.2.10"]);
}

#[test]
fn a_router_by_announcement_and_by_virtual_address() {
    let mut net = Network::default();
    net.frame(mac(1), "fe80::1/255", &[(mac(1), Field::NdRouter, "1800")]);
    assert!(net.inventory.device(mac(1)).unwrap().is_router());
    assert_eq!(net.ips(mac(1)), ["fe80::1"]);
    let vrrp = MacAddr([0x00, 0x00, 0x5e, 0x00, 0x01, 0x05]);
    net.arp(vrrp, "192.0.2.254");
    assert!(net.inventory.device(vrrp).unwrap().is_router());
}

#[test]
fn a_proxy_answers_for_others_and_takes_nothing_from_them() {
    let mut net = Network::default();
    net.arp(mac(1), "192.0.2.20");
    net.frame(mac(9), "192.0.2.1", &[(mac(9), Field::ArpAddress, "192.0.2.1")]);
    for n in 21..=(21 + PROXY_CLAIMS as u8) {
        net.arp(mac(9), &format!("192.0.2.{n}"));
    }
    net.arp(mac(9), "192.0.2.20");
    assert_eq!(net.ips(mac(1)), ["192.0.2.20"]);
    assert_eq!(net.ips(mac(9)), ["192.0.2.1"]);
    net.frame(mac(9), "192.0.2.25/63", &[(mac(9), Field::HttpUserAgent, "of a host behind it")]);
    assert!(net.values(mac(9)).is_empty());
}

#[test]
fn the_same_frame_twice_as_a_span_port_sends_it_is_one_device_and_one_fact() {
    let mut net = Network::default();
    for _ in 0..2 {
        net.frame(mac(1), "192.0.2.10", &[(mac(1), Field::MdnsService, "_ipp._tcp")]);
    }
    assert_eq!(net.inventory.len(), 1);
    let device = net.inventory.device(mac(1)).unwrap();
    let facts: Vec<_> = device.facts().collect();
    assert_eq!((facts.len(), facts[0].1.count), (1, 2));
}

#[test]
fn a_random_mac_is_flagged_and_a_group_or_zero_address_is_no_device() {
    let mut net = Network::default();
    let random = MacAddr([0xda, 0xa1, 0x19, 1, 2, 3]);
    net.arp(random, "192.0.2.10");
    net.arp(MacAddr::BROADCAST, "192.0.2.11");
    net.arp(MacAddr([0x01, 0x00, 0x5e, 0, 0, 1]), "192.0.2.12");
    net.arp(MacAddr::ZERO, "192.0.2.13");
    let records = net.inventory.records();
    assert_eq!(records.len(), 1);
    assert!(records[0].randomized_mac);
    assert_eq!(net.inventory.counters().frames_without_device, 3);
}

#[test]
fn an_answer_about_somebody_else_belongs_to_them() {
    let mut net = Network::default();
    net.frame(mac(250), "192.0.2.1", &[(mac(1), Field::DhcpHostname, "behind a relay")]);
    assert_eq!(net.values(mac(1)), ["behind a relay"]);
    assert!(net.values(mac(250)).is_empty());
}

#[test]
fn a_reading_with_an_address_that_another_device_claims_is_passed_on() {
    let mut net = Network::default();
    net.arp(mac(1), "192.0.2.10");
    net.frame(mac(2), "192.0.2.10", &[(mac(2), Field::MdnsHostname, "reflected")]);
    assert!(net.values(mac(2)).is_empty());
    assert!(net.values(mac(1)).is_empty());
    assert_eq!(net.inventory.counters().readings_of_remote, 1);
}

#[test]
fn nonsense_addresses_are_nobodys() {
    let mut net = Network::default();
    for address in ["0.0.0.0", "255.255.255.255", "224.0.0.251", "127.0.0.1", "::", "ff02::1", "::1"] {
        net.arp(mac(1), address);
        net.frame(mac(1), address, &[]);
    }
    assert!(net.inventory.device(mac(1)).unwrap().addresses().is_empty());
}

#[test]
fn one_device_cannot_take_all_the_room() {
    let mut net = Network::default();
    for n in 0..300_u32 {
        net.arp(mac(1), &format!("10.0.{}.{}", n / 200, n % 200 + 1));
        net.frame(mac(1), "", &[(mac(1), Field::DnsQuery, &format!("{n}.example"))]);
    }
    let device = net.inventory.device(mac(1)).unwrap();
    assert_eq!(device.addresses().len(), MAX_ADDRESSES);
    assert_eq!(device.facts().count(), MAX_VALUES);
    let counters = net.inventory.counters();
    assert_eq!(counters.addresses_refused, 300 - MAX_ADDRESSES as u64);
    assert_eq!(counters.facts_refused, 300 - MAX_VALUES as u64);
}

#[test]
fn a_flood_of_made_up_senders_gives_way_to_real_ones_later() {
    let mut net = Network::default();
    net.arp(mac(1), "192.0.2.10");
    let made_up = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        MacAddr([0x02, 0, a, b, c, d])
    };
    for n in 0..MAX_DEVICES as u32 + 10 {
        net.frame(made_up(n), "", &[]);
        net.now -= 1_000_000;
    }
    assert_eq!(net.inventory.len(), MAX_DEVICES);
    assert_eq!(net.inventory.counters().devices_refused, 11);
    net.now += 2 * HOUR;
    for _ in 0..SWEEP_EVERY {
        net.arp(mac(2), "192.0.2.11");
    }
    assert!(net.inventory.device(mac(1)).is_some(), "a device of which something is known stays");
    assert!(net.inventory.device(mac(2)).is_some());
    assert_eq!(net.inventory.len(), 2);
}

#[test]
fn presence_retention_and_reports_follow_the_callers_clock() {
    let mut net = Network { now: 1_000 * HOUR, ..Network::default() };
    net.arp(mac(1), "192.0.2.10");
    let (at, minute) = (net.now, 60_000_000);
    assert!(net.inventory.due(Timestamp(at), minute, HOUR).is_empty(), "not before it is identified");
    assert_eq!(net.inventory.identify(10), 1);
    assert_eq!(net.inventory.due(Timestamp(at), minute, HOUR), [mac(1)]);
    let device = net.inventory.device_mut(mac(1)).unwrap();
    device.reported_at = Some(Timestamp(at));
    device.unreported = Changed::No;
    net.frame(mac(1), "192.0.2.10", &[]);
    assert!(net.inventory.due(Timestamp(at + 2 * minute), minute, HOUR).is_empty(), "seen again is no news");
    assert_eq!(net.inventory.due(Timestamp(at + HOUR), minute, HOUR), [mac(1)], "but a sign of life");
    net.frame(mac(1), "", &[(mac(1), Field::DhcpHostname, "cam")]);
    net.inventory.identify(10);
    assert!(net.inventory.due(Timestamp(at + minute / 2), minute, HOUR).is_empty(), "too soon");
    assert_eq!(net.inventory.due(Timestamp(at + minute), minute, HOUR), [mac(1)]);

    assert_eq!(net.inventory.present(Timestamp(net.now)), 1);
    assert_eq!(net.inventory.present(Timestamp(net.now + PRESENT_FOR + 1)), 0);
    assert_eq!(net.inventory.forget_quiet(Timestamp(net.now)), 0);
    assert_eq!(net.inventory.forget_quiet(Timestamp(net.now + 1)), 1);
    assert!(net.inventory.is_empty());
    net.arp(mac(2), "192.0.2.10");
    assert_eq!(net.ips(mac(2)), ["192.0.2.10"], "a forgotten device holds no address");
}

#[test]
fn an_unused_address_is_no_longer_listed_after_a_day() {
    let mut net = Network::default();
    net.arp(mac(1), "192.0.2.10");
    net.frame(mac(1), "fe80::5", &[]);
    net.now += 25 * HOUR;
    net.arp(mac(1), "192.0.2.11");
    assert_eq!(net.ips(mac(1)), ["192.0.2.11", "fe80::5"]);
}

/// A frame in a VLAN with one reading about its sender.
fn in_vlan(net: &mut Network, sender: MacAddr, vlan: Option<u16>, field: Field, value: &str) {
    net.now += 1_000_000;
    let summary = Summary { source: Some(sender), vlan, ..Summary::default() };
    net.inventory.sighting(&Sighting { at: Timestamp(net.now), frames: 1, bytes: 60, summary });
    let mut buffer = Readings::default();
    buffer.push(&Observation { mac: sender, ip: value.parse().ok(), vlan, field, value: value.into() });
    for reading in buffer.range(0..buffer.len()) {
        net.inventory.reading(Timestamp(net.now), &summary, &reading);
    }
}

#[test]
fn a_telephone_and_the_computer_behind_it_are_two_devices_on_one_port() {
    let mut net = Network::default();
    let (phone, computer) = (mac(1), mac(2));
    in_vlan(&mut net, phone, Some(100), Field::CdpPlatform, "Cisco IP Phone 7962");
    in_vlan(&mut net, phone, Some(100), Field::ArpAddress, "192.0.2.130");
    in_vlan(&mut net, computer, None, Field::DhcpHostname, "PC-42");
    in_vlan(&mut net, computer, None, Field::ArpAddress, "192.0.2.30");
    // the telephone also sends in the computer's VLAN before it learns its own
    in_vlan(&mut net, phone, Some(10), Field::LldpName, "SEP001122334401");
    assert_eq!(net.inventory.len(), 2);
    let records = net.inventory.records();
    assert_eq!((records[0].vlans.as_slice(), records[1].vlans.as_slice()), (&[10, 100][..], &[][..]));
    assert_eq!(net.values(computer), ["PC-42"]);
    assert!(!net.values(phone).contains(&"PC-42".to_owned()));
    assert_eq!((net.ips(phone), net.ips(computer)), (vec!["192.0.2.130".into()], vec!["192.0.2.30".into()]));
}

#[test]
fn a_dhcp_relay_is_neither_its_clients_nor_the_server() {
    let mut net = Network::default();
    let (relay, client) = (mac(9), mac(1));
    net.arp(relay, "192.0.2.1");
    // what the relay passes on is about the client's hardware address, both ways
    net.frame(
        relay,
        "192.0.2.1",
        &[(client, Field::DhcpHostname, "cam"), (client, Field::DhcpVendorClass, "axis")],
    );
    net.frame(relay, "192.0.2.1", &[(client, Field::DhcpAddress, "198.51.100.20")]);
    assert_eq!(net.values(client), ["cam", "axis"]);
    assert_eq!(net.ips(client), ["198.51.100.20"]);
    assert!(net.values(relay).is_empty());
    assert_eq!(net.ips(relay), ["192.0.2.1"]);
}

#[test]
fn an_mdns_reflector_does_not_become_what_it_repeats() {
    let mut net = Network::default();
    let (printer, reflector) = (mac(1), mac(9));
    net.arp(printer, "192.0.2.10");
    net.arp(reflector, "192.0.2.1");
    net.frame(printer, "192.0.2.10", &[(printer, Field::MdnsService, "_ipp._tcp")]);
    // a router's reflector repeats it into the other VLAN with the printer's address, or with its own
    net.frame(reflector, "192.0.2.10", &[(reflector, Field::MdnsService, "_ipp._tcp")]);
    assert_eq!(net.values(printer), ["_ipp._tcp"]);
    assert!(net.values(reflector).is_empty(), "{:?}", net.values(reflector));
}

#[test]
fn a_virtual_router_is_a_device_of_its_own_whoever_carries_it() {
    for virtual_mac in [
        [0x00, 0x00, 0x5e, 0x00, 0x01, 0x05],
        [0x00, 0x00, 0x5e, 0x00, 0x02, 0x05],
        [0x00, 0x00, 0x0c, 0x07, 0xac, 0x01],
        [0x00, 0x00, 0x0c, 0x9f, 0xf0, 0x01],
        [0x00, 0x05, 0x73, 0xa0, 0x00, 0x01],
        [0x00, 0x07, 0xb4, 0x00, 0x01, 0x01],
    ] {
        let mut net = Network::default();
        let virtual_mac = MacAddr(virtual_mac);
        net.arp(mac(1), "192.0.2.2");
        net.arp(mac(2), "192.0.2.3");
        // both bodies answer for it in turn; neither loses its own address, nor takes the virtual one
        for _ in 0..3 {
            net.arp(virtual_mac, "192.0.2.1");
            net.frame(virtual_mac, "198.51.100.7/57", &[]);
        }
        assert!(net.inventory.device(virtual_mac).unwrap().is_router());
        assert_eq!(net.ips(virtual_mac), ["192.0.2.1"]);
        assert_eq!((net.ips(mac(1)), net.ips(mac(2))), (vec!["192.0.2.2".into()], vec!["192.0.2.3".into()]));
    }
}

#[test]
fn p19_a_device_with_several_addresses_stays_one_and_says_where_it_is() {
    let mut net = Network::default();
    for address in ["192.0.2.10", "192.0.2.11", "198.51.100.10", "2001:db8::10"] {
        net.frame(mac(1), "", &[(mac(1), Field::ArpAddress, address)]);
    }
    net.frame(mac(1), "", &[]);
    assert_eq!((net.inventory.len(), net.ips(mac(1)).len()), (1, 4));
    assert_eq!(net.inventory.record(mac(1)).unwrap().activity.location, None, "nobody said what is local");
    for (network, location) in [("2001:db8::/64", Location::Local), ("10.0.0.0/8", Location::Routed)] {
        net.inventory.set_local_networks(LocalNetworks::new(vec![network.parse().unwrap()]));
        assert_eq!(net.inventory.record(mac(1)).unwrap().activity.location, Some(location), "{network}");
    }
}

#[test]
fn new_transient_and_unclassified_follow_from_times_and_type() {
    let mut net = Network { now: 1_000 * HOUR, ..Network::default() };
    net.arp(mac(1), "192.0.2.10");
    let record = net.inventory.record(mac(1)).unwrap();
    let after = |hours: i64| Timestamp(net.now + hours * HOUR);
    assert!(record.is_unclassified());
    assert!(record.is_new(after(1)) && !record.is_new(after(24 * 8)));
    assert!(!record.is_transient(after(23)) && record.is_transient(after(25)));
    let mut judged = record.clone();
    judged.managed.authorized = Some(true);
    assert!(!judged.is_new(after(1)), "what somebody judged is not new any more");
}
