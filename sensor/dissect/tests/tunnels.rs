//! Frames inside tunnels, datagrams in fragments, and frames that a mirror shows twice.
//!
//! Each tunnel is built here byte by byte around the same inner frame: a DNS query of a device that the outside knows nothing
//! of.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::IpAddr;

use eyot_capture::{Frame, LinkType};
use eyot_contract::{MacAddr, Timestamp};
use eyot_dissect::{Field, Limits, Summary, Tunnel, TunnelKind};
use support::{client, ipv4, server, tcp, udp, End, Listener, ACK, CLIENT, SERVER};

/// Who wraps, and for whom.
const EXPORTER: End = End { mac: MacAddr([0x00, 0x00, 0x5e, 0x10, 0, 1]), ip: [10, 0, 0, 1], port: 50_000 };
const COLLECTOR: End = End { mac: MacAddr([0x00, 0x00, 0x5e, 0x10, 0, 2]), ip: [10, 0, 0, 2], port: 0 };

fn query() -> Vec<u8> {
    let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(b"\x04ntp1\x05dlink\x03com\0\0\x01\0\x01");
    bytes
}

fn inner() -> Vec<u8> {
    udp(client(40000), server(53), &query())
}

/// The inner frame with a tag.
fn tagged(vlan: u16) -> Vec<u8> {
    let plain = inner();
    [&plain[..12], &[0x81, 0], &vlan.to_be_bytes(), &plain[12..]].concat()
}

fn over_gre(flags: u16, protocol: u16, rest: &[u8]) -> Vec<u8> {
    let header = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
    ipv4(EXPORTER, COLLECTOR, 47, 0, &[&header[..], rest].concat())
}

fn over_udp(port: u16, rest: &[u8]) -> Vec<u8> {
    udp(EXPORTER, End { port, ..COLLECTOR }, rest)
}

/// What the dissector makes of it; the device inside must have been heard and nobody else.
fn heard(bytes: &[u8]) -> Summary {
    let mut listener = Listener::new(Limits::default());
    let summary = listener.hear(bytes);
    assert_eq!(listener.all(Field::DnsQuery), ["ntp1.dlink.com"]);
    assert!(listener.said.iter().all(|(mac, ..)| *mac == CLIENT));
    assert_eq!((summary.source, summary.destination), (Some(CLIENT), Some(SERVER)));
    assert_eq!(summary.protocol, Some("dns"));
    assert!(!summary.truncated);
    assert_eq!(listener.dissector.counters().tunnelled, 1);
    summary
}

fn tunnel(kind: TunnelKind, id: u32) -> Option<Tunnel> {
    let exporter = Some(IpAddr::from(EXPORTER.ip));
    Some(Tunnel { kind, id, exporter })
}

#[test]
fn erspan_of_all_types() {
    let summary = heard(&over_gre(0, 0x88be, &tagged(12)));
    assert_eq!((summary.tunnel, summary.vlan), (tunnel(TunnelKind::Erspan, 0), Some(12)));

    // version 1, VLAN 30; session 5; index
    let second = [&[0, 0, 0, 9, 0x10, 30, 0x00, 5, 0, 0, 0, 7][..], &inner()].concat();
    let summary = heard(&over_gre(0x1000, 0x88be, &second));
    assert_eq!((summary.tunnel, summary.vlan), (tunnel(TunnelKind::Erspan, 5), Some(30)));

    // version 2, VLAN 31; session 6; time; group; frame type Ethernet; then with a subheader
    let head = [0, 0, 0, 9, 0x20, 31, 0x00, 6, 0, 0, 0, 1, 0, 0];
    let third = [&head[..], &[0, 0], &tagged(32)].concat();
    let summary = heard(&over_gre(0x1000, 0x22eb, &third));
    assert_eq!((summary.tunnel, summary.vlan), (tunnel(TunnelKind::Erspan, 6), Some(32)));
    let third = [&head[..], &[0, 1], &[0; 8], &inner()].concat();
    assert_eq!(heard(&over_gre(0x1000, 0x22eb, &third)).vlan, Some(31));
}

#[test]
fn gre_with_frames_and_with_packets() {
    let keyed = [&[0, 0, 0x12, 0x34][..], &inner()].concat();
    assert_eq!(heard(&over_gre(0x2000, 0x6558, &keyed)).tunnel, tunnel(TunnelKind::Gre, 0x1234));
    let summed = [&[0, 0, 0, 0][..], &inner()].concat();
    assert_eq!(heard(&over_gre(0x8000, 0x6558, &summed)).tunnel, tunnel(TunnelKind::Gre, 0));

    // a bare packet belongs to the machine that sent it on
    let mut listener = Listener::new(Limits::default());
    let summary = listener.hear(&over_gre(0, 0x0800, &inner()[14..]));
    assert_eq!(summary.source, Some(EXPORTER.mac));
    assert_eq!(summary.source_ip, Some(IpAddr::from(client(0).ip)));
    assert_eq!(summary.tunnel, tunnel(TunnelKind::Gre, 0));
    // what PPTP carries, and a source route, are left alone
    for flags in [0x0001, 0x4000] {
        assert_eq!(listener.hear(&over_gre(flags, 0x6558, &inner())).tunnel, None);
    }
}

#[test]
fn packets_in_packets_and_ethernet_in_ip() {
    let mut listener = Listener::new(Limits::default());
    let summary = listener.hear(&ipv4(EXPORTER, COLLECTOR, 4, 0, &inner()[14..]));
    assert_eq!(summary.source_ip, Some(IpAddr::from(client(0).ip)));
    assert_eq!(summary.tunnel, tunnel(TunnelKind::Ip, 0));
    let ether_ip = ipv4(EXPORTER, COLLECTOR, 97, 0, &[&[0x30, 0][..], &inner()].concat());
    assert_eq!(heard(&ether_ip).tunnel, tunnel(TunnelKind::EtherIp, 0));
}

#[test]
fn vxlan_and_geneve() {
    let vxlan = [&[0x08, 0, 0, 0, 0, 0x12, 0x34, 0][..], &tagged(7)].concat();
    for port in [4789, 8472] {
        let summary = heard(&over_udp(port, &vxlan));
        assert_eq!((summary.tunnel, summary.vlan), (tunnel(TunnelKind::Vxlan, 0x1234), Some(7)));
    }
    let geneve = [&[0x02, 0, 0x65, 0x58, 0, 0, 9, 0][..], &[0; 8], &inner()].concat();
    assert_eq!(heard(&over_udp(6081, &geneve)).tunnel, tunnel(TunnelKind::Geneve, 9));
}

#[test]
fn tzsp_with_its_tags() {
    let head = [1, 0, 0, 1, 0x0a, 2, 0xff, 0xee, 0, 1];
    assert_eq!(heard(&over_udp(37008, &[&head[..], &inner()].concat())).tunnel, tunnel(TunnelKind::Tzsp, 0));
    // the same as a frame of 802.11, from the station to its access point
    let plain = inner();
    let wifi = [&[1, 0, 0, 18, 1, 0x08, 1, 0, 0][..], &[6; 6], &plain[6..12], &plain[..6], &[0, 0]].concat();
    let wifi = [&wifi[..], &[0xaa, 0xaa, 3, 0, 0, 0], &plain[12..]].concat();
    assert_eq!(heard(&over_udp(37008, &wifi)).tunnel, tunnel(TunnelKind::Tzsp, 0));
}

#[test]
fn capwap_data_either_way_round() {
    // header of two words, binding 802.11; bridged, then native, then with Cisco's frame control
    let bridged = [&[0, 0x10, 0x02, 0x00, 0, 0, 0, 0][..], &inner()].concat();
    assert_eq!(heard(&over_udp(5247, &bridged)).tunnel, tunnel(TunnelKind::Capwap, 0));
    let plain = inner();
    for control in [[0x08, 1], [1, 0x08]] {
        let head = [0, 0x10, 0x03, 0x00, 0, 0, 0, 0];
        let native = [&head[..], &control, &[0, 0], &[6; 6], &plain[6..12], &plain[..6], &[0, 0]].concat();
        let native = [&native[..], &[0xaa, 0xaa, 3, 0, 0, 0], &plain[12..]].concat();
        assert_eq!(heard(&over_udp(5247, &native)).tunnel, tunnel(TunnelKind::Capwap, 0));
    }
}

#[test]
fn mpls_and_pppoe_over_the_link() {
    let plain = inner();
    let no_exporter = |kind, id| Some(Tunnel { kind, id, exporter: None });
    // two labels, then IP: the addresses outside stay
    let labels = [0x00, 0x01, 0x00, 0x40, 0x00, 0x01, 0x11, 0x40];
    let packet = [&plain[..12], &[0x88, 0x47], &labels, &plain[14..]].concat();
    assert_eq!(heard(&packet).tunnel, no_exporter(TunnelKind::Mpls, 0x11));
    // a pseudo-wire, with and without a control word
    let outside = [&[9; 6][..], &[8; 6], &[0x88, 0x47], &labels[4..]].concat();
    for word in [&[0, 0, 0, 0][..], &[]] {
        let wire = [&outside[..], word, &plain].concat();
        assert_eq!(heard(&wire).tunnel, no_exporter(TunnelKind::Mpls, 0x11));
    }
    let length = (plain.len() as u16 - 14 + 2).to_be_bytes();
    let session = [&plain[..12], &[0x88, 0x64, 0x11, 0, 0, 3], &length, &[0, 0x21], &plain[14..]].concat();
    assert_eq!(heard(&session).tunnel, no_exporter(TunnelKind::Pppoe, 3));
    let double = [&plain[..12], &[0x88, 0xa8, 0, 100, 0x81, 0, 0, 200], &plain[12..]].concat();
    let mut listener = Listener::new(Limits::default());
    assert_eq!(listener.hear(&double).vlan, Some(200));
}

#[test]
fn a_mirror_of_a_tunnel_and_the_bound() {
    let vxlan = |frame: &[u8]| over_udp(4789, &[&[0x08, 0, 0, 0, 0, 0, 5, 0][..], frame].concat());
    let mirrored = over_gre(0, 0x88be, &vxlan(&inner()));
    assert_eq!(heard(&mirrored).tunnel, tunnel(TunnelKind::Vxlan, 5));
    let mut frame = inner();
    for _ in 0..4 {
        frame = vxlan(&frame);
    }
    let mut listener = Listener::new(Limits::default());
    let summary = listener.hear(&frame);
    assert_eq!(summary.source, None, "an endless tunnel is nobody's");
    assert!(listener.said.is_empty());
}

#[test]
fn any_cut_of_any_tunnel_is_survived() {
    let vxlan = over_udp(4789, &[&[0x08, 0, 0, 0, 0, 0, 5, 0][..], &inner()].concat());
    let erspan =
        over_gre(0x1000, 0x88be, &[&[0, 0, 0, 9, 0x10, 30, 0, 5, 0, 0, 0, 7][..], &inner()].concat());
    let capwap = over_udp(5247, &[&[0, 0x10, 0x02, 0x00, 0, 0, 0, 0][..], &inner()].concat());
    for whole in [vxlan, erspan, capwap] {
        for length in 0..whole.len() {
            let mut listener = Listener::new(Limits::default());
            let frame = Frame {
                at: Timestamp(0),
                link: LinkType::ETHERNET,
                bytes: &whole[..length],
                wire_len: whole.len() as u32,
                vlan: None,
            };
            assert!(listener.hear_frame(&frame).truncated, "{length}");
        }
    }
}

/// The datagram in pieces of so many bytes, by IPv4.
fn pieces(from: End, to: End, protocol: u8, bytes: &[u8], each: usize) -> Vec<Vec<u8>> {
    let last = (bytes.len() - 1) / each;
    bytes
        .chunks(each)
        .enumerate()
        .map(|(n, piece)| {
            let more = if n < last { 0x2000 } else { 0 };
            ipv4(from, to, protocol, more | (n * each / 8) as u16, piece)
        })
        .collect()
}

#[test]
fn a_datagram_in_fragments_is_read_whole_in_any_order() {
    let answer =
        [&b"HTTP/1.1 200 OK\r\nSERVER: Linux UPnP/1.0 Sonos/70.3\r\nST: "[..], &[b'x'; 600], b"\r\n\r\n"]
            .concat();
    let datagram = inner_datagram(1900, 50_000, &answer);
    for order in [&[0, 1, 2, 3, 4][..], &[4, 3, 2, 1, 0], &[1, 1, 0, 4, 0, 2, 3]] {
        let mut listener = Listener::new(Limits::default());
        let pieces = pieces(client(0), server(0), 17, &datagram, 160);
        assert_eq!(pieces.len(), 5);
        for n in order {
            listener.hear(&pieces[*n]);
        }
        assert!(listener.all(Field::SsdpServer).contains(&"Linux UPnP/1.0 Sonos/70.3"), "{order:?}");
        assert_eq!(listener.dissector.counters().fragments.whole, 1, "{order:?}");
    }
}

fn inner_datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let frame = udp(client(source), server(destination), payload);
    frame[34..].to_vec()
}

#[test]
fn fragments_of_ipv6_and_of_a_connection() {
    let mut listener = Listener::new(Limits::default());
    let datagram = inner_datagram(40_000, 53, &query());
    let parts: Vec<_> = datagram.chunks(16).collect();
    for (n, part) in parts.iter().enumerate() {
        let more = u16::from(n + 1 < parts.len());
        let mut frame = [SERVER.0, CLIENT.0].concat();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((part.len() as u16 + 8).to_be_bytes());
        frame.extend([44, 64]);
        frame.extend([0xfd; 32]);
        frame.extend([17, 0]);
        frame.extend(((n * 16) as u16 | more).to_be_bytes());
        frame.extend([0, 0, 0, 9]);
        frame.extend(*part);
        listener.hear(&frame);
    }
    assert_eq!(listener.all(Field::DnsQuery).last(), Some(&"ntp1.dlink.com"));

    let request = b"GET /a HTTP/1.1\r\nUser-Agent: in pieces\r\n\r\n";
    let segment = tcp(client(50_000), server(80), 100, ACK, request)[34..].to_vec();
    for piece in pieces(client(0), server(0), 6, &segment, 32) {
        listener.hear(&piece);
    }
    assert_eq!(listener.all(Field::HttpUserAgent), ["in pieces"]);
}

#[test]
fn a_mirrors_frame_that_had_to_be_cut_up() {
    let erspan = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 9, 0x10, 30, 0, 5, 0, 0, 0, 7][..], &inner()].concat();
    let mut listener = Listener::new(Limits::default());
    for piece in pieces(EXPORTER, COLLECTOR, 47, &erspan, 48) {
        listener.hear(&piece);
    }
    assert_eq!(listener.all(Field::DnsQuery), ["ntp1.dlink.com"]);
    assert!(listener.said.iter().all(|(mac, ..)| *mac == CLIENT));
}

#[test]
fn a_frame_that_the_mirror_shows_twice_is_counted_and_read_once() {
    let mut listener = Listener::new(Limits::default());
    let mut hear = |at: i64, bytes: &[u8], vlan| {
        let wire_len = bytes.len() as u32;
        listener.hear_frame(&Frame { at: Timestamp(at), link: LinkType::ETHERNET, bytes, wire_len, vlan })
    };
    assert!(!hear(1_000_000, &inner(), None).duplicate);
    assert!(hear(1_000_150, &inner(), Some(12)).duplicate, "with the tag of the port it left by");
    // and the same twice inside a mirror that travels, whose outer packets differ
    let erspan =
        |n| over_gre(0x1000, 0x88be, &[&[0, 0, 0, n, 0x10, 30, 0, 5, 0, 0, 0, 7][..], &tagged(9)].concat());
    assert!(hear(1_000_300, &erspan(1), None).duplicate);
    assert!(!hear(1_500_000, &erspan(2), None).duplicate);
    assert_eq!(listener.said.len(), 2);
    assert_eq!(listener.dissector.counters().duplicates, 2);
}
