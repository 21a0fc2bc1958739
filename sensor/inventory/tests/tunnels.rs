//! Which devices there are when frames come in tunnels: whoever speaks inside, and the tunnel's end, unless the tunnel is a mirror,
//! whose end has nothing to do with the network it shows.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{MacAddr, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::{Gatherer, Inventory};

/// The tunnel's end, to whom it sends, and who speaks inside.
const END: [u8; 6] = [0x00, 0x00, 0x5e, 0x10, 0, 1];
const OTHER_END: [u8; 6] = [0x00, 0x00, 0x5e, 0x10, 0, 2];
const HOST: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];

fn ethernet(from: [u8; 6], to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((payload.len() as u16 + 20).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    bytes.extend(from);
    bytes.extend(to);
    bytes.extend(payload);
    bytes
}

fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16 + 8;
    [&[50_000_u16, port, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat()
}

/// What the host says: a datagram to nowhere in particular.
fn packet() -> Vec<u8> {
    ipv4([192, 168, 7, 20], [192, 168, 7, 1], 17, &datagram(9_999, b"something that nobody reads"))
}

fn inner() -> Vec<u8> {
    ethernet(HOST, [2, 0, 0, 0, 0, 9], 0x0800, &packet())
}

fn over_udp(port: u16, header: &[u8]) -> Vec<u8> {
    let carried = datagram(port, &[header, &inner()].concat());
    ethernet(END, OTHER_END, 0x0800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &carried))
}

fn over_gre(header: &[u8], carried: &[u8]) -> Vec<u8> {
    let bytes = [header, carried].concat();
    ethernet(END, OTHER_END, 0x0800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 47, &bytes))
}

/// Frames, and addresses, of each device after the frame has passed twice, a second apart; both ways to the inventory
/// must agree.
fn devices(bytes: &[u8]) -> Vec<([u8; 6], u64, Vec<IpAddr>)> {
    let wire_len = bytes.len() as u32;
    let frames = [1_700_000_000_000_000, 1_700_000_001_000_000].map(|at| Frame {
        at: Timestamp(at),
        link: LinkType::ETHERNET,
        bytes,
        wire_len,
        vlan: None,
    });
    let mut gathered = Inventory::new();
    let mut gatherer = Gatherer::new(Limits::default());
    frames.iter().for_each(|frame| gatherer.frame(frame));
    gatherer.settle();
    gathered.take(gatherer.gathered_mut(), |_, _| ());
    let mut direct = Inventory::new();
    let mut dissector = Dissector::new(Limits::default());
    for frame in &frames {
        direct.frame(&mut dissector, frame);
    }
    assert_eq!(gathered.records(), direct.records());
    assert_eq!(gathered.counters().frames, 2, "each frame is counted once, whoever carried it");
    gathered.records().into_iter().map(|r| (r.mac.0, r.frames, r.ips)).collect()
}

fn ip(text: &str) -> Vec<IpAddr> {
    vec![text.parse().unwrap()]
}

#[test]
fn the_end_of_a_vxlan_or_geneve_tunnel_is_a_device_beside_the_one_inside() {
    let vxlan = over_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0]);
    let geneve = over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 9, 0]);
    for frame in [vxlan, geneve] {
        assert_eq!(devices(&frame), [(END, 2, ip("10.0.0.1")), (HOST, 2, ip("192.168.7.20"))]);
    }
}

#[test]
fn the_end_of_an_mpls_pseudowire_is_a_device() {
    // label 16, bottom of the stack; a control word
    let frame = ethernet(END, OTHER_END, 0x8847, &[&[0, 1, 1, 64, 0, 0, 0, 0][..], &inner()].concat());
    assert_eq!(devices(&frame), [(END, 2, vec![]), (HOST, 2, ip("192.168.7.20"))]);
}

#[test]
fn the_end_of_a_tunnel_of_bare_packets_is_the_device_that_sends_them_and_counts_them_once() {
    let mpls = ethernet(END, OTHER_END, 0x8847, &[&[0, 1, 1, 64][..], &packet()].concat());
    let session = packet();
    let length = (session.len() as u16 + 2).to_be_bytes();
    let pppoe = [&[0x11, 0, 0, 1, length[0], length[1], 0, 0x21][..], &session].concat();
    for frame in [mpls, ethernet(END, OTHER_END, 0x8864, &pppoe)] {
        let found = devices(&frame);
        assert_eq!((found.len(), found[0].0, found[0].1), (1, END, 2), "{found:?}");
    }
    // over IP it also has the address that the tunnel runs from
    let found = devices(&over_gre(&[0, 0, 8, 0], &packet()));
    assert_eq!((found.len(), found[0].0, found[0].1), (1, END, 2), "{found:?}");
    assert!(found[0].2.contains(&"10.0.0.1".parse().unwrap()), "{found:?}");
}

#[test]
fn the_end_of_a_mirror_is_no_device() {
    let erspan = over_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 9, 0x10, 0, 0, 5, 0, 0, 0, 7], &inner());
    let tzsp = over_udp(37_008, &[1, 0, 0, 1, 1]);
    for frame in [erspan, tzsp] {
        assert_eq!(devices(&frame), [(HOST, 2, ip("192.168.7.20"))]);
    }
}

#[test]
fn a_tunnel_that_a_mirror_shows_has_an_end_that_is_a_device() {
    let shown = over_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0]);
    let mirror = [2, 0, 0, 0, 0, 0x77];
    let bytes = [&[0_u8, 0, 0x88, 0xbe][..], &shown].concat();
    let frame = ethernet(mirror, OTHER_END, 0x0800, &ipv4([10, 9, 0, 1], [10, 9, 0, 2], 47, &bytes));
    let found: Vec<_> = devices(&frame).into_iter().map(|(mac, ..)| MacAddr(mac)).collect();
    assert_eq!(found, [MacAddr(END), MacAddr(HOST)]);
}
