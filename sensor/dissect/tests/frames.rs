//! Whole frames in, readings out: dispatch, VLANs, fragments, cut frames, and what the flow table does with segments
//! that are split, repeated, lost or sent on purpose to harm it.

#![allow(clippy::unwrap_used)]

mod support;

use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;
use eyot_dissect::{protocols, Dissector, Field, Limits};
use proptest::prelude::*;
use support::{client, ipv4, server, tcp, udp, Listener, ACK, CLIENT, FIN, SERVER, SYN};

const REQUEST: &[u8] = b"GET /setup.xml HTTP/1.1\r\nHost: 192.168.1.1\r\nUser-Agent: WeMo/1.0\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: Unspecified, UPnP/1.0\r\nContent-Type: text/xml\r\n\r\n\
    <root xmlns=\"urn:Belkin:schemas-upnp-org:device-1-0\"><device><modelName>Insight</modelName>\
    <firmwareVersion>WeMo_WW_2.00</firmwareVersion></device></root>";

fn listener() -> Listener {
    Listener::new(Limits::default())
}

fn query() -> Vec<u8> {
    let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(b"\x04ntp1\x05dlink\x03com\0\0\x01\0\x01");
    bytes
}

#[test]
fn a_summary_says_what_the_frame_was() {
    let mut listener = listener();
    let summary = listener.hear(&udp(client(40000), server(53), &query()));
    assert_eq!(summary.source, Some(CLIENT));
    assert_eq!(summary.destination, Some(SERVER));
    assert_eq!(summary.source_ip.unwrap().to_string(), "192.168.1.20");
    assert_eq!(summary.destination_ip.unwrap().to_string(), "192.168.1.1");
    assert_eq!(summary.hop_limit, Some(64));
    assert_eq!(summary.protocol, Some("dns"));
    assert!(!summary.truncated);
    assert_eq!(listener.all(Field::DnsQuery), ["ntp1.dlink.com"]);
    // and of a frame that carries nothing to read too
    let summary = listener.hear(&udp(client(40000), server(40001), b"x"));
    assert_eq!((summary.source, summary.protocol), (Some(CLIENT), None));
    let counters = listener.dissector.counters();
    assert_eq!(counters.frames, 2);
    let dns = counters.protocols.iter().find(|p| p.name == "dns").unwrap();
    assert_eq!((dns.messages, dns.malformed, dns.readings), (1, 0, 1));
}

#[test]
fn tags_in_the_bytes_and_beside_them() {
    let plain = udp(client(40000), server(53), &query());
    let tagged = [&plain[..12], &[0x81, 0, 0, 30], &plain[12..]].concat();
    let mut dissector = Dissector::new(Limits::default());
    let mut vlans = Vec::new();
    let frames = [(&plain, None), (&plain, Some(20)), (&tagged, None), (&tagged, Some(20))];
    for (second, (bytes, vlan)) in (0..).zip(frames) {
        let at = Timestamp::from_seconds(second);
        let frame = Frame { at, link: LinkType::ETHERNET, bytes, wire_len: bytes.len() as u32, vlan };
        dissector.frame(&frame, &mut |o| vlans.push(o.vlan));
    }
    assert_eq!(vlans, [None, Some(20), Some(30), Some(30)]);
}

#[test]
fn a_name_asked_for_over_tcp_in_one_segment_or_in_several() {
    let message = query();
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    for cut in [framed.len(), 16, 20] {
        let mut listener = listener();
        listener.hear(&tcp(client(50000), server(53), 100, ACK, &framed[..cut]));
        listener.hear(&tcp(client(50000), server(53), 100 + cut as u32, ACK, &framed[cut..]));
        assert_eq!(listener.all(Field::DnsQuery), ["ntp1.dlink.com"], "{cut}");
    }
}

#[test]
fn of_a_datagram_that_is_never_whole_the_first_fragment_is_read() {
    let mut listener = listener();
    let mut datagram = vec![0x9c, 0x40, 0, 53, 0, 200, 0, 0];
    datagram.extend(query());
    let summary = listener.hear(&ipv4(client(0), server(0), 17, 0x2000, &datagram));
    assert!(summary.truncated);
    assert_eq!(listener.all(Field::DnsQuery), ["ntp1.dlink.com"]);
    listener.hear(&ipv4(client(0), server(0), 17, 0x0010, &datagram));
    assert_eq!(listener.said.len(), 1);
}

#[test]
fn a_cut_frame_is_flagged_and_read_as_far_as_it_goes() {
    let whole = udp(client(40000), server(53), &query());
    for length in 0..whole.len() {
        let mut listener = listener();
        let frame = Frame {
            at: Timestamp(0),
            link: LinkType::ETHERNET,
            bytes: &whole[..length],
            wire_len: whole.len() as u32,
            vlan: None,
        };
        assert!(listener.hear_frame(&frame).truncated, "{length}");
        assert_eq!(listener.dissector.counters().truncated, 1);
    }
}

#[test]
fn both_directions_of_a_connection() {
    let mut listener = listener();
    listener.hear(&tcp(client(50000), server(49153), 99, SYN, b""));
    listener.hear(&tcp(client(50000), server(49153), 100, ACK, REQUEST));
    let summary = listener.hear(&tcp(server(49153), client(50000), 500, ACK, ANSWER));
    assert_eq!(summary.protocol, Some("http"));
    assert_eq!(listener.all(Field::HttpUserAgent), ["WeMo/1.0"]);
    assert_eq!(listener.all(Field::UpnpDevice), ["modelName=Insight", "firmwareVersion=WeMo_WW_2.00"]);
    assert!(listener.said.iter().all(|(mac, field, _)| {
        let asks = matches!(field, Field::TcpSyn | Field::HttpUserAgent | Field::HttpHost | Field::HttpPath);
        *mac == if asks { CLIENT } else { SERVER }
    }));
}

#[test]
fn a_message_in_pieces_of_any_size_says_the_same() {
    let expected = {
        let mut listener = listener();
        listener.hear(&tcp(server(80), client(50000), 500, ACK, ANSWER));
        listener.said
    };
    for size in [24, 25, 40, 100, 200] {
        let mut listener = listener();
        for (number, piece) in ANSWER.chunks(size).enumerate() {
            let sequence = (u32::MAX - 60).wrapping_add((number * size) as u32);
            let frame = tcp(server(80), client(50000), sequence, ACK, piece);
            // a mirror that shows every frame twice
            listener.hear(&frame);
            listener.hear(&frame);
        }
        assert_eq!(listener.said, expected, "pieces of {size}");
    }
}

#[test]
fn the_end_of_a_connection_ends_waiting() {
    let mut listener = listener();
    let cut = &ANSWER[..ANSWER.len() - 16];
    listener.hear(&tcp(server(80), client(50000), 500, ACK, cut));
    assert_eq!(listener.all(Field::UpnpDevice), [""; 0]);
    listener.hear(&tcp(server(80), client(50000), 500 + cut.len() as u32, FIN | ACK, b""));
    assert_eq!(listener.all(Field::UpnpDevice), ["modelName=Insight", "firmwareVersion=WeMo_WW_2.00"]);
}

#[test]
fn a_lost_segment_costs_what_is_behind_it() {
    let mut listener = listener();
    listener.hear(&tcp(server(80), client(50000), 500, ACK, &ANSWER[..190]));
    for number in 0..3 {
        listener.hear(&tcp(server(80), client(50000), 2000 + number * 10, ACK, b"0123456789"));
    }
    assert_eq!(listener.all(Field::UpnpDevice), ["modelName=Insight"]);
    assert_eq!(listener.dissector.counters().gaps, 1);
}

#[test]
fn several_requests_on_one_connection() {
    let mut listener = listener();
    let mut sequence = 1;
    for number in 0..20 {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        listener.hear(&tcp(client(50000), server(80), sequence, ACK, request.as_bytes()));
        sequence += request.len() as u32;
    }
    let paths = listener.all(Field::HttpPath);
    assert_eq!(paths.len(), 8, "the bound on messages");
    assert_eq!(paths[7], "GET /7");
}

#[test]
fn a_new_connection_between_the_same_ports_is_read_again() {
    let mut listener = listener();
    for _ in 0..2 {
        listener.hear(&tcp(client(50000), server(80), 10, SYN, b""));
        listener.hear(&tcp(client(50000), server(80), 11, ACK, REQUEST));
    }
    assert_eq!(listener.all(Field::HttpUserAgent).len(), 2);
    // and without a SYN, after a long silence
    listener.at += 3600;
    listener.hear(&tcp(client(50000), server(80), 11, ACK, REQUEST));
    assert_eq!(listener.all(Field::HttpUserAgent).len(), 3);
}

/// A ClientHello of TLS 1.0 that asks for `cam.local`.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x41\x01\x00\x00\x3d\x03\x0100000000000000000000000000000000\x00\x00\x02\x00\x2f\x01\x00\
    \x00\x12\x00\x00\x00\x0e\x00\x0c\x00\x00\x09cam.local";

#[test]
fn a_connection_turns_to_tls_on_the_way() {
    let mut listener = listener();
    let connect = b"CONNECT cam.local:443 HTTP/1.1\r\nHost: cam.local\r\n\r\n";
    listener.hear(&tcp(client(50000), server(3128), 1, ACK, connect));
    listener.hear(&tcp(client(50000), server(3128), 1 + connect.len() as u32, ACK, HELLO));
    assert_eq!(listener.all(Field::HttpPath), ["CONNECT cam.local:443"]);
    assert_eq!(listener.all(Field::TlsSni), ["cam.local"]);

    let mut sequence = 1;
    for line in ["220 mail ESMTP Postfix\r\n", "250-STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n"] {
        listener.hear(&tcp(server(25), client(50001), sequence, ACK, line.as_bytes()));
        sequence += line.len() as u32;
    }
    assert_eq!(listener.all(Field::SmtpBanner), ["mail ESMTP Postfix"]);
    listener.hear(&tcp(client(50001), server(25), 1, ACK, HELLO));
    assert_eq!(listener.all(Field::TlsSni).len(), 2);
}

#[test]
fn a_flood_of_unfinished_messages_does_not_hide_a_device() {
    let limits = Limits { max_flows: 256, max_flow_bytes: 4096, max_collecting: 16 };
    let mut listener = Listener::new(limits);
    for number in 0..20_000_u32 {
        let mut from = client(1024 + (number % 60_000) as u16);
        from.ip = [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
        listener.hear(&tcp(from, server(80), number, ACK, b"GET / HTTP/1.1\r\nHost: flood"));
    }
    listener.hear(&tcp(client(50000), server(80), 1, ACK, REQUEST));
    assert_eq!(listener.all(Field::HttpUserAgent), ["WeMo/1.0"]);
    let counters = listener.dissector.counters();
    assert!(counters.collecting_evicted + counters.flows_evicted > 19_000, "{counters:?}");
}

#[test]
fn an_endless_head_is_given_up() {
    let limits = Limits { max_flow_bytes: 4096, ..Limits::default() };
    let mut listener = Listener::new(limits);
    let filler = [b'a'; 1000];
    listener.hear(&tcp(server(80), client(50000), 0, ACK, b"HTTP/1.1 200 OK\r\nServer: x\r\nA: "));
    for number in 0..100 {
        listener.hear(&tcp(server(80), client(50000), 31 + number * 1000, ACK, &filler));
    }
    assert_eq!(listener.all(Field::HttpServer), ["x"]);
    assert_eq!(listener.dissector.counters().oversized, 1);
}

#[test]
fn group_addresses_are_nobodys() {
    let mut listener = listener();
    let mut from = client(40000);
    from.mac.0[0] |= 1;
    listener.hear(&udp(from, server(53), &query()));
    from.mac.0 = [0; 6];
    listener.hear(&udp(from, server(53), &query()));
    assert!(listener.said.is_empty());
}

#[test]
fn the_registry_is_told_in_the_counters() {
    let counters = Dissector::new(Limits::default()).counters();
    let counted: Vec<_> = counters.protocols.iter().map(|p| p.name).collect();
    let listed: Vec<_> = protocols().iter().map(|p| p.name).collect();
    assert_eq!(counted, listed);
}

/// A frame that gets past the first look, with anything behind it.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let ports = prop::sample::select(vec![
        22_u16, 25, 53, 67, 68, 80, 123, 137, 138, 161, 162, 443, 502, 546, 547, 554, 1883, 1900, 2000, 3702,
        5060, 5353, 5355, 5678, 9999, 10001, 34964, 44818, 47808,
    ]);
    let starts = prop::sample::select(vec![
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03",
        b"REGISTER sip:a SIP/2.0\r\n",
        b"NOTIFY * HTTP/1.1\r\n",
        b"RTSP/1.0 200 OK\r\n",
        b"SSH-2.0-",
        b"\x81\x0a",
        b"\x30\x40\x02\x01",
    ]);
    let tail = prop::collection::vec(any::<u8>(), 0..200);
    (any::<bool>(), ports, starts, tail).prop_map(|(is_tcp, port, start, tail)| {
        let payload = [start, &tail].concat();
        if is_tcp {
            tcp(client(port), server(50000), 0, ACK, &payload)
        } else {
            udp(client(port), server(port), &payload)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4),
        link in prop::sample::select(vec![1_u16, 101, 113, 276, 147]),
        wire_len in any::<u32>(),
        vlan in prop::option::of(any::<u16>()),
    ) {
        let mut dissector = Dissector::new(Limits { max_flows: 4, max_flow_bytes: 64, max_collecting: 1 });
        for bytes in &frames {
            let frame = Frame { at: Timestamp(i64::MAX), link: LinkType(link), bytes, wire_len, vlan };
            dissector.frame(&frame, &mut |o| assert!(!o.value.is_empty() && o.value.len() <= 512));
        }
    }

    #[test]
    fn plausible_frames_are_survived(frames in prop::collection::vec(plausible(), 1..4), cut in 0_usize..300) {
        let mut dissector = Dissector::new(Limits { max_flows: 4, max_flow_bytes: 256, max_collecting: 1 });
        for bytes in &frames {
            let shown = &bytes[..cut.max(40).min(bytes.len())];
            for (link, bytes) in [(LinkType::ETHERNET, shown), (LinkType::RAW, &shown[14..])] {
                let frame = Frame { at: Timestamp(i64::MIN), link, bytes, wire_len: bytes.len() as u32, vlan: None };
                dissector.frame(&frame, &mut |o| {
                    assert!(!o.value.is_empty() && o.value.len() <= 512);
                    assert!(!o.value.chars().any(char::is_control));
                });
            }
        }
    }
}
