//! One situation per kind of finding, in frames, and the ordinary situation next to it, in which nothing is raised.

#![allow(clippy::unwrap_used)]

mod support;

use eyot_contract::{DeviceType, FindingKind, MacAddr, Severity, Timestamp, MAX_FINDING_EVIDENCE};
use eyot_findings::{Findings, Policy, Threats};
use eyot_inventory::Store;
use support::{ip, local, mac, outside, End, Network, DAY, HOUR, SECOND};

fn threats(list: &str) -> Threats {
    let mut threats = Threats::new();
    threats.add("feed.txt", list.as_bytes(), Timestamp(0)).unwrap();
    threats
}

#[test]
fn traffic_with_an_address_on_a_list_is_one_finding_that_counts() {
    let mut net = Network::new();
    net.findings.set_threats(threats("198.51.100.66\n203.0.113.0/24\n"));
    net.arp(20, 20);
    for _ in 0..3 {
        net.connection(local(20, 40_000), outside([198, 51, 100, 66], 443), b"", b"");
        net.now += 6 * 60 * SECOND;
    }
    net.udp(local(20, 40_000), outside([198, 51, 100, 67], 443), b"x");
    let finding = net.only(FindingKind::MaliciousAddress);
    assert_eq!((finding.mac, finding.severity), (Some(mac(20)), Severity::High));
    assert_eq!(finding.id, format!("malicious_address/{}/198.51.100.66", mac(20)));
    // both directions, three times
    assert_eq!(finding.count, 6);
    assert!(finding.evidence.len() <= MAX_FINDING_EVIDENCE);
    assert_eq!(finding.evidence[0].destination, Some(ip([198, 51, 100, 66])));
    assert_eq!(finding.evidence[0].port, Some(443));
    assert!(finding.summary.contains("feed.txt"), "{}", finding.summary);
    assert!(finding.last_seen.0 - finding.first_seen.0 > 10 * 60 * SECOND);
    net.udp(local(21, 40_000), outside([203, 0, 113, 9], 53), b"x");
    assert_eq!(
        net.of(FindingKind::MaliciousAddress).len(),
        2,
        "a network's addresses are bad, and each device is told"
    );
}

#[test]
fn a_name_on_a_list_is_found_in_dns_tls_and_http() {
    let mut net = Network::new();
    net.findings.set_threats(threats("bad.example\n"));
    net.dns(local(20, 40_000), local(1, 53), "c2.BAD.example");
    net.dns(local(20, 40_000), local(1, 53), "good.example");
    net.dns(local(20, 40_000), local(1, 53), "notbad.example");
    let finding = net.only(FindingKind::MaliciousDomain);
    assert_eq!(finding.mac, Some(mac(20)));
    assert_eq!(finding.evidence[0].protocol, "dns");
    net.connection(
        local(21, 40_000),
        outside([198, 51, 100, 1], 80),
        b"GET / HTTP/1.1\r\nHost: bad.example:80\r\n\r\n",
        b"",
    );
    let found = net.of(FindingKind::MaliciousDomain);
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|f| f.evidence[0].protocol == "http"));
}

#[test]
fn two_devices_that_fight_over_an_address() {
    let mut net = Network::new();
    for _ in 0..2 {
        net.arp(20, 20);
        net.arp(66, 20);
    }
    let finding = net.only(FindingKind::ArpSpoofing);
    assert!(finding.summary.contains("192.168.1.20") && finding.summary.contains(&mac(66).to_string()));
    for _ in 0..8 {
        net.arp(20, 20);
        net.arp(66, 20);
    }
    assert!(net.only(FindingKind::ArpSpoofing).count > 1, "the same fight is the same finding");
}

#[test]
fn an_address_that_moves_fails_over_or_is_a_virtual_routers_is_no_fight() {
    let mut net = Network::new();
    net.arp(20, 20);
    net.arp(21, 20);
    // a fail-over pair swaps, once an hour
    for n in [1, 2, 1, 2, 1] {
        net.arp(n, 99);
        net.now += HOUR;
    }
    let virtual_router = MacAddr([0x00, 0x00, 0x5e, 0x00, 0x01, 0x05]);
    for _ in 0..4 {
        net.arp_message(virtual_router, MacAddr::BROADCAST, [192, 168, 1, 254], [192, 168, 1, 254]);
        net.arp(2, 254);
    }
    net.nothing();
}

#[test]
fn a_router_that_answers_for_others_is_no_fight_unless_it_is_about_the_gateway() {
    let mut net = Network::new();
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    for address in 100..120 {
        net.arp(9, address);
    }
    for _ in 0..4 {
        net.arp(20, 20);
        net.arp(9, 20);
    }
    net.nothing();
    for _ in 0..4 {
        net.arp(1, 1);
        net.arp(9, 1);
    }
    assert!(net.only(FindingKind::ArpSpoofing).summary.contains("the gateway's address"));
}

#[test]
fn a_dhcp_server_that_was_not_there_before() {
    let mut net = Network::new();
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    net.now += 2 * DAY;
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    net.nothing();
    net.dhcp_ack(66, 21, 1, [192, 168, 1, 1]);
    let finding = net.only(FindingKind::RogueDhcpServer);
    assert_eq!(finding.mac, Some(mac(66)));
    assert!(finding.summary.contains("first day"), "{}", finding.summary);
}

#[test]
fn a_dhcp_server_that_names_another_router_on_the_first_day() {
    let mut net = Network::new();
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    // a second one that agrees with the first is redundancy
    net.dhcp_ack(2, 20, 1, [192, 168, 1, 1]);
    net.nothing();
    net.dhcp_ack(66, 21, 66, [192, 168, 1, 66]);
    assert!(net.only(FindingKind::RogueDhcpServer).summary.contains("192.168.1.66 as router"));
}

#[test]
fn a_list_of_servers_replaces_what_is_learnt() {
    let list = |n: u8| vec![ip([192, 168, 1, n])];
    let mut net = Network::with(Policy {
        dhcp_servers: list(1),
        dns_servers: list(1),
        time_servers: list(1),
        routers: vec!["fe80::1".parse().unwrap()],
        ..Policy::default()
    });
    let ntp = |net: &mut Network, to: End| {
        let mut message = vec![0x23];
        message.extend([0; 47]);
        net.udp(local(20, 123), to, &message);
    };
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    net.router_advertisement(1, 1800);
    net.dns(local(20, 40_000), local(1, 53), "a.example");
    ntp(&mut net, local(1, 123));
    // the resolver itself asks outside
    net.dns(local(1, 40_000), outside([9, 9, 9, 9], 53), "a.example");
    net.nothing();
    net.dhcp_ack(2, 20, 1, [192, 168, 1, 1]);
    net.router_advertisement(2, 1800);
    net.dns(local(20, 40_000), outside([8, 8, 8, 8], 53), "a.example");
    ntp(&mut net, outside([203, 0, 113, 5], 123));
    for kind in [
        FindingKind::RogueDhcpServer,
        FindingKind::RogueRouter,
        FindingKind::UnexpectedDnsServer,
        FindingKind::UnexpectedTimeServer,
    ] {
        assert_eq!(net.of(kind).len(), 1, "{kind}");
    }
    assert_eq!(net.findings.all().len(), 4);
}

#[test]
fn an_ipv6_router_that_was_not_there_before() {
    let mut net = Network::new();
    net.router_advertisement(1, 1800);
    net.now += 2 * DAY;
    net.router_advertisement(1, 1800);
    // one that says it is no default router any more
    net.router_advertisement(7, 0);
    net.nothing();
    net.router_advertisement(66, 9000);
    assert_eq!(net.only(FindingKind::RogueRouter).mac, Some(mac(66)));
}

#[test]
fn names_asked_of_a_server_nobody_asked_before() {
    let mut net = Network::new();
    net.dns(local(20, 40_000), outside([9, 9, 9, 9], 53), "a.example");
    net.dhcp_ack(1, 20, 1, [1, 1, 1, 1]);
    net.now += 2 * DAY;
    net.dns(local(20, 40_000), outside([9, 9, 9, 9], 53), "a.example");
    net.dns(local(20, 40_000), outside([1, 1, 1, 1], 53), "a.example");
    net.dns(local(20, 40_000), local(7, 53), "a.example");
    net.nothing();
    net.dns(local(20, 40_000), outside([8, 8, 8, 8], 53), "a.example");
    assert_eq!(net.only(FindingKind::UnexpectedDnsServer).mac, Some(mac(20)));
}

#[test]
fn a_search_for_addresses_by_tcp_and_by_arp() {
    let mut net = Network::new();
    for n in 100..180 {
        net.asks(local(66, 40_000), local(n, 445));
    }
    let finding = net.only(FindingKind::AddressScan);
    assert_eq!(finding.mac, Some(mac(66)));
    assert!(finding.summary.contains("port 445"), "{}", finding.summary);

    let mut net = Network::new();
    for n in 100..180 {
        net.arp_message(mac(66), MacAddr::BROADCAST, [192, 168, 1, 66], [192, 168, 1, n]);
    }
    assert_eq!(net.only(FindingKind::AddressScan).evidence[0].protocol, "arp");
}

#[test]
fn monitoring_browsing_and_a_slow_search_are_none() {
    let mut net = Network::new();
    // everybody answers the monitoring server
    for n in 100..180 {
        net.asks(local(5, 40_000), local(n, 9_100));
        net.agrees(local(n, 9_100), local(5, 40_000));
    }
    for n in 100..180 {
        net.arp_message(mac(5), MacAddr::BROADCAST, [192, 168, 1, 5], [192, 168, 1, n]);
        net.arp_message(mac(n), mac(5), [192, 168, 1, n], [192, 168, 1, 5]);
    }
    for n in 0..100 {
        net.asks(local(20, 40_000), outside([198, 51, 100, n], 443));
    }
    for n in 100..180 {
        net.now += 10 * SECOND;
        net.asks(local(30, 40_000), local(n, 22));
    }
    // the same address again and again
    for _ in 0..100 {
        net.asks(local(31, 40_000), local(32, 22));
    }
    net.nothing();
}

#[test]
fn a_search_for_ports() {
    let mut net = Network::new();
    for port in 1..80 {
        net.asks(local(66, 40_000), local(20, port));
    }
    let finding = net.only(FindingKind::PortScan);
    assert!(finding.evidence[0].seen.starts_with("ports 1, 2, 3, 4"), "{}", finding.evidence[0].seen);
}

#[test]
fn a_device_that_comes_after_the_first_day() {
    let mut net = Network::learnt();
    net.assess();
    net.nothing();
    net.arp(77, 77);
    // a telephone with a random address comes and goes
    net.arp_message(MacAddr([0xda, 1, 2, 3, 4, 5]), MacAddr::BROADCAST, [192, 168, 1, 78], [192, 168, 1, 78]);
    net.assess();
    net.assess();
    let finding = net.only(FindingKind::NewDevice);
    assert_eq!((finding.mac, finding.count, finding.severity), (Some(mac(77)), 1, Severity::Info));
}

/// A WS-Discovery announcement of a camera (ONVIF core specification, section 7).
const CAMERA: &[u8] = b"<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\">\
    <s:Header><a:Action xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Hello</a:Action></s:Header>\
    <s:Body><d:Hello><d:Types>dn:NetworkVideoTransmitter</d:Types>\
    <d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/P1435 onvif://www.onvif.org/name/AXIS</d:Scopes>\
    </d:Hello></s:Body></s:Envelope>";

#[test]
fn a_camera_that_talks_to_the_internet() {
    let mut net = Network::new();
    net.arp(20, 20);
    // what it is becomes known only later
    net.udp(local(20, 40_000), outside([198, 51, 100, 9], 32_100), b"x");
    net.assess();
    net.nothing();
    net.udp(
        local(20, 3_702),
        End { mac: MacAddr([1, 0, 0x5e, 0x7f, 0xff, 0xfa]), ip: [239, 255, 255, 250], port: 3_702 },
        CAMERA,
    );
    net.assess();
    let finding = net.only(FindingKind::InternetContact);
    assert_eq!(finding.mac, Some(mac(20)));
    assert!(
        finding.summary.starts_with("the camera 192.168.1.20 talks to 198.51.100.9"),
        "{}",
        finding.summary
    );
}

#[test]
fn a_camera_that_stays_at_home_and_a_computer_that_does_not() {
    let mut net = Network::new();
    net.arp(20, 20);
    net.udp(
        local(20, 3_702),
        End { mac: MacAddr([1, 0, 0x5e, 0x7f, 0xff, 0xfa]), ip: [239, 255, 255, 250], port: 3_702 },
        CAMERA,
    );
    net.udp(local(20, 40_000), local(5, 554), b"x");
    net.udp(local(21, 40_000), outside([198, 51, 100, 9], 443), b"x");
    net.assess();
    net.nothing();
}

/// A DHCP request with a vendor class that names what it is.
fn dhcp_request(net: &mut Network, n: u8, class: &str) {
    let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
    dhcp.extend([0; 16]);
    dhcp.extend(mac(n).0);
    dhcp.extend([0; 10 + 64 + 128]);
    dhcp.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 3, 60, class.len() as u8]);
    dhcp.extend(class.bytes());
    dhcp.push(255);
    let from = End { mac: mac(n), ip: [0; 4], port: 68 };
    net.udp(from, End { mac: MacAddr::BROADCAST, ip: [255; 4], port: 67 }, &dhcp);
}

/// The same network with other devices in it, as after the operator had one forgotten.
fn without_what_it_knew(net: Network) -> Network {
    let mut again = Network::new();
    again.now = net.now;
    again.findings = net.findings;
    again
}

#[test]
fn an_access_point_that_becomes_a_camera() {
    let camera = |net: &mut Network| {
        let group =
            End { mac: MacAddr([1, 0, 0x5e, 0x7f, 0xff, 0xfa]), ip: [239, 255, 255, 250], port: 3_702 };
        net.arp(20, 20);
        net.udp(local(20, 3_702), group, CAMERA);
        net.assess();
        net.inventory.device(mac(20)).unwrap().device_type().unwrap()
    };
    let mut net = Network::new();
    dhcp_request(&mut net, 20, "ArubaAP");
    net.assess();
    assert_eq!(net.inventory.device(mac(20)).unwrap().device_type().unwrap().0, DeviceType::AccessPoint);

    // within the hour it may still be finding out who it is
    let mut soon = without_what_it_knew(net);
    assert_eq!(camera(&mut soon).0, DeviceType::Camera);
    soon.nothing();

    let mut late = without_what_it_knew(soon);
    late.now += 2 * HOUR;
    assert_eq!(camera(&mut late).0, DeviceType::Camera);
    late.nothing();
    let mut again = without_what_it_knew(late);
    again.now += 2 * HOUR;
    dhcp_request(&mut again, 20, "ArubaAP");
    again.assess();
    let finding = again.only(FindingKind::TypeChanged);
    assert_eq!(finding.mac, Some(mac(20)));
    assert!(finding.summary.ends_with("was taken for: camera; now for: access_point"), "{}", finding.summary);
}

#[test]
fn telnet_ftp_http_and_snmp_in_clear() {
    let mut net = Network::new();
    let client = local(20, 40_000);
    net.connection(client, local(30, 23), b"", b"\xff\xfd\x18\xff\xfb\x01Welcome\r\nlogin: ");
    assert_eq!(net.only(FindingKind::ClearTelnet).mac, Some(mac(30)));

    let mut net = Network::new();
    net.connection(client, local(30, 21), b"USER carol\r\n", b"");
    assert_eq!(net.only(FindingKind::ClearFtp).mac, Some(mac(30)));

    let mut net = Network::new();
    net.connection(
        client,
        local(30, 80),
        b"GET / HTTP/1.1\r\nHost: 192.168.1.30\r\nAuthorization: Basic Y2Fyb2w6czNjcmV0\r\n\r\n",
        b"",
    );
    let finding = net.only(FindingKind::ClearHttpLogin);
    assert_eq!((finding.mac, finding.evidence[0].port), (Some(mac(30)), Some(80)));
    let text = serde_json::to_string(finding).unwrap();
    assert!(!text.contains("carol") && !text.contains("s3cret") && !text.contains("Y2Fyb2w6"), "{text}");

    let mut net = Network::new();
    let answer = [
        0x30, 0x2b, 2, 1, 1, 4, 6, b's', b'3', b'c', b'r', b'e', b't', 0xa2, 0x1e, 2, 1, 1, 2, 1, 0, 2, 1, 0,
        0x30, 0x13, 0x30, 0x11, 6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0, 4, 5, b'a', b'g', b'e', b'n', b't',
    ];
    net.udp(local(30, 161), client, &answer);
    let finding = net.only(FindingKind::ClearSnmp);
    assert!(finding.evidence[0].seen.contains("2c"));
    assert!(!serde_json::to_string(finding).unwrap().contains("s3cret"));
}

#[test]
fn anonymous_ftp_web_pages_of_the_internet_and_a_mere_question_are_none() {
    let mut net = Network::new();
    let client = local(20, 40_000);
    net.connection(client, local(30, 21), b"USER anonymous\r\n", b"220 welcome\r\n");
    net.connection(
        client,
        outside([198, 51, 100, 1], 80),
        b"GET / HTTP/1.1\r\nHost: x.example\r\nAuthorization: Basic Y2Fyb2w6czNjcmV0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    );
    net.connection(
        client,
        local(30, 80),
        b"GET / HTTP/1.1\r\nHost: 192.168.1.30\r\nAuthorization: Digest username=\"carol\"\r\n\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"Administrator login\"\r\n\r\n",
    );
    net.nothing();
}

#[test]
fn factory_credentials_by_prompt_by_use_and_by_community() {
    let client = local(20, 40_000);
    let mut net = Network::new();
    net.connection(
        client,
        local(30, 80),
        b"",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"Default Name:admin Password:1234\"\r\n\r\n",
    );
    let finding = net.only(FindingKind::DefaultCredentials);
    assert!(!serde_json::to_string(finding).unwrap().contains("1234"));

    let mut net = Network::new();
    net.connection(
        client,
        local(30, 80),
        b"GET / HTTP/1.1\r\nHost: 192.168.1.30\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n",
        b"",
    );
    assert_eq!(net.of(FindingKind::DefaultCredentials).len(), 1);

    let mut net = Network::new();
    let answer = [
        0x30, 0x2b, 2, 1, 1, 4, 6, b'p', b'u', b'b', b'l', b'i', b'c', 0xa2, 0x1e, 2, 1, 1, 2, 1, 0, 2, 1, 0,
        0x30, 0x13, 0x30, 0x11, 6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0, 4, 5, b'a', b'g', b'e', b'n', b't',
    ];
    net.udp(local(30, 161), client, &answer);
    assert_eq!(net.of(FindingKind::DefaultCredentials).len(), 1);
}

/// ServerHello and Certificate (RFC 5246) with this version and end of validity.
fn server_flight(version: u8, end: &[u8]) -> Vec<u8> {
    let element = |tag: u8, value: &[u8]| {
        let [high, low] = (value.len() as u16).to_be_bytes();
        [&[tag, 0x82, high, low], value].concat()
    };
    let name = element(
        0x30,
        &element(0x31, &element(0x30, &[element(6, &[0x55, 4, 3]), element(0x0c, b"cam")].concat())),
    );
    let validity = element(0x30, &[element(0x17, b"200101000000Z"), element(0x17, end)].concat());
    let tbs =
        [element(2, &[1]), element(0x30, &[]), name.clone(), validity, name, element(0x30, &[])].concat();
    let certificate = element(0x30, &element(0x30, &tbs));
    let mut hello = vec![2, 0, 0, 38, 3, version];
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x2f, 0]);
    let length = |more: usize| (certificate.len() as u16 + more as u16).to_be_bytes();
    let ([a, b], [c, d], [e, f]) = (length(6), length(3), length(0));
    let mut message = vec![11, 0, a, b, 0, c, d, 0, e, f];
    message.extend(&certificate);
    let mut out = vec![22, 3, version, 0, hello.len() as u8];
    out.extend(hello);
    out.extend([22, 3, version]);
    out.extend((message.len() as u16).to_be_bytes());
    out.extend(message);
    out
}

#[test]
fn old_tls_and_a_certificate_that_has_ended() {
    let client = local(20, 40_000);
    let mut net = Network::new();
    net.connection(client, local(30, 443), b"", &server_flight(1, b"300101000000Z"));
    assert!(net.only(FindingKind::OldTls).summary.contains("TLS 1.0"));

    let mut net = Network::new();
    net.connection(client, local(30, 443), b"", &server_flight(3, b"241231235959Z"));
    assert!(net.only(FindingKind::ExpiredCertificate).summary.contains("2024-12-31"));

    let mut net = Network::new();
    net.connection(client, local(30, 443), b"", &server_flight(3, b"300101000000Z"));
    net.connection(client, outside([198, 51, 100, 1], 443), b"", &server_flight(1, b"200101000000Z"));
    net.nothing();
}

#[test]
fn a_muted_kind_is_not_raised() {
    let mut net = Network::with(Policy { muted: vec![FindingKind::ClearTelnet], ..Policy::default() });
    net.connection(local(20, 40_000), local(30, 23), b"", b"\xff\xfd\x18\xff\xfb\x01Welcome\r\nlogin: ");
    net.nothing();
}

#[test]
fn findings_and_what_was_learnt_survive_a_restart_and_are_queued_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inventory.sqlite");
    let mut store = Store::open(&path).unwrap();
    let mut net = Network::new();
    net.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    net.connection(local(20, 40_000), local(30, 23), b"", b"\xff\xfd\x18\xff\xfb\x01Welcome\r\nlogin: ");
    assert!(net.findings.save(&mut store, true, Timestamp(net.now)).unwrap());
    assert!(!net.findings.save(&mut store, true, Timestamp(net.now)).unwrap());
    let kept = net.only(FindingKind::ClearTelnet).clone();

    let mut spool = eyot_inventory::Spool::open(&path).unwrap();
    let batch = spool.next(10, Timestamp(1)).unwrap().unwrap();
    assert_eq!((batch.devices.len(), &batch.findings[..]), (0, &[kept.clone()][..]));
    assert_eq!(spool.next(10, Timestamp(2)).unwrap(), Some(batch.clone()), "until it is acknowledged");
    spool.acknowledge(batch.sequence).unwrap();
    assert_eq!(spool.next(10, Timestamp(3)).unwrap(), None);

    let mut later = Network::new();
    later.now = net.now + 2 * DAY;
    later.findings = Findings::load(Policy::default(), &store).unwrap();
    assert_eq!(later.only(FindingKind::ClearTelnet), &kept);
    later.dhcp_ack(1, 20, 1, [192, 168, 1, 1]);
    assert_eq!(later.of(FindingKind::RogueDhcpServer).len(), 0, "the server is known from before");
    later.dhcp_ack(66, 20, 1, [192, 168, 1, 1]);
    assert_eq!(later.of(FindingKind::RogueDhcpServer).len(), 1);

    assert_eq!(later.findings.forget_quiet(Timestamp(later.now + 89 * DAY)), 1);
    later.findings.save(&mut store, false, Timestamp(later.now)).unwrap();
    assert_eq!(store.findings().unwrap().len(), 1);
    assert_eq!(spool.next(10, Timestamp(4)).unwrap(), None, "without a portal nothing is queued");
}
