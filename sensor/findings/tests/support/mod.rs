//! A network whose frames are built by hand and go the whole way: dissector, inventory, findings.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use etherparse::PacketBuilder;
use eyot_capture::{Frame, LinkType};
use eyot_contract::{Finding, FindingKind, MacAddr, Timestamp};
use eyot_dissect::{Dissector, Limits};
use eyot_findings::{Findings, Policy};
use eyot_inventory::Inventory;

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// 2025-01-01.
const BEGIN: i64 = 1_735_689_600 * SECOND;

/// One end of a conversation: device `n` of the local network, or somebody behind the gateway.
#[derive(Clone, Copy)]
pub struct End {
    pub mac: MacAddr,
    pub ip: [u8; 4],
    pub port: u16,
}

/// Device `n` at 192.168.1.n.
pub fn local(n: u8, port: u16) -> End {
    End { mac: mac(n), ip: [192, 168, 1, n], port }
}

/// A public address, seen with the gateway's hardware address.
pub fn outside(ip: [u8; 4], port: u16) -> End {
    End { mac: mac(1), ip, port }
}

pub fn mac(n: u8) -> MacAddr {
    MacAddr([0x00, 0x1b, 0x44, 0x33, 0x44, n])
}

pub struct Network {
    pub now: i64,
    pub dissector: Dissector,
    pub inventory: Inventory,
    pub findings: Findings,
    sequence: u32,
}

impl Network {
    pub fn new() -> Self {
        Self::with(Policy::default())
    }

    pub fn with(policy: Policy) -> Self {
        Self {
            now: BEGIN,
            dissector: Dissector::new(Limits::default()),
            inventory: Inventory::new(),
            findings: Findings::new(policy),
            sequence: 1,
        }
    }

    /// A network that has been watched for longer than a day.
    pub fn learnt() -> Self {
        let mut network = Self::new();
        network.arp(200, 200);
        network.udp(local(200, 5000), local(201, 5001), b"x");
        network.now += 2 * DAY;
        network
    }

    pub fn frame(&mut self, bytes: &[u8]) {
        self.in_vlan(bytes, None);
    }

    pub fn in_vlan(&mut self, bytes: &[u8], vlan: Option<u16>) {
        self.now += SECOND / 100;
        let at = Timestamp(self.now);
        let frame = Frame { at, link: LinkType::ETHERNET, bytes, wire_len: bytes.len() as u32, vlan };
        let summary = self.inventory.frame(&mut self.dissector, &frame);
        self.findings.frame(at, &summary, &self.inventory);
    }

    pub fn assess(&mut self) {
        self.inventory.identify(usize::MAX);
        self.findings.assess(&self.inventory, Timestamp(self.now));
    }

    /// An announcement of device `n` at 192.168.1.`address`.
    pub fn arp(&mut self, n: u8, address: u8) {
        self.arp_message(mac(n), MacAddr::BROADCAST, [192, 168, 1, address], [192, 168, 1, address]);
    }

    pub fn arp_message(&mut self, from: MacAddr, to: MacAddr, sender: [u8; 4], target: [u8; 4]) {
        let mut frame = [to.0, from.0].concat();
        let operation = if to == MacAddr::BROADCAST { 1 } else { 2 };
        frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation]);
        frame.extend(from.0);
        frame.extend(sender);
        frame.extend([0; 6]);
        frame.extend(target);
        self.frame(&frame);
    }

    pub fn udp(&mut self, from: End, to: End, payload: &[u8]) {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(from.mac.0, to.mac.0)
            .ipv4(from.ip, to.ip, 64)
            .udp(from.port, to.port)
            .write(&mut frame, payload)
            .unwrap();
        self.frame(&frame);
    }

    pub fn segment(&mut self, from: End, to: End, flags: (bool, bool), payload: &[u8]) {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(from.mac.0, to.mac.0).ipv4(from.ip, to.ip, 64).tcp(
            from.port,
            to.port,
            self.sequence,
            1000,
        );
        let builder = if flags.0 { builder.syn() } else { builder };
        let builder = if flags.1 { builder.ack(1) } else { builder };
        builder.write(&mut frame, payload).unwrap();
        self.sequence += payload.len() as u32 + 1;
        self.frame(&frame);
    }

    pub fn asks(&mut self, from: End, to: End) {
        self.segment(from, to, (true, false), b"");
    }

    pub fn agrees(&mut self, from: End, to: End) {
        self.segment(from, to, (true, true), b"");
    }

    /// A connection in which the client says something and the server says something.
    pub fn connection(&mut self, client: End, server: End, said: &[u8], answered: &[u8]) {
        self.asks(client, server);
        self.agrees(server, client);
        for (from, to, bytes) in [(client, server, said), (server, client, answered)] {
            if !bytes.is_empty() {
                self.segment(from, to, (false, true), bytes);
            }
        }
    }

    /// DHCP acknowledgement for device `client` from `server`, which names a router and a name server.
    pub fn dhcp_ack(&mut self, server: u8, client: u8, router: u8, dns: [u8; 4]) {
        let server_ip = [192, 168, 1, server];
        let mut dhcp = vec![2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        dhcp.extend([192, 168, 1, client]);
        dhcp.extend([0; 8]);
        dhcp.extend(mac(client).0);
        dhcp.extend([0; 10 + 64 + 128]);
        dhcp.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 5, 54, 4]);
        dhcp.extend(server_ip);
        dhcp.extend([3, 4, 192, 168, 1, router, 6, 4]);
        dhcp.extend(dns);
        dhcp.push(255);
        self.udp(local(server, 67), End { mac: mac(client), ip: [192, 168, 1, client], port: 68 }, &dhcp);
    }

    /// A router advertisement of device `n` (RFC 4861), from fe80::n.
    pub fn router_advertisement(&mut self, n: u8, lifetime: u16) {
        let mut source = [0; 16];
        (source[0], source[1], source[15]) = (0xfe, 0x80, n);
        let all = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let mut message = vec![134, 0, 0, 0, 64, 0];
        message.extend(lifetime.to_be_bytes());
        message.extend([0; 8]);
        let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
        frame.extend(mac(n).0);
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, 58, 255]);
        frame.extend(source);
        frame.extend(all);
        frame.extend(message);
        self.frame(&frame);
    }

    /// A question for a name's address.
    pub fn dns(&mut self, from: End, to: End, name: &str) {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        message.extend([0, 0, 1, 0, 1]);
        self.udp(from, to, &message);
    }

    pub fn of(&self, kind: FindingKind) -> Vec<&Finding> {
        self.findings.all().into_iter().filter(|f| f.kind == kind).collect()
    }

    /// The only finding there is, which must be of this kind.
    pub fn only(&self, kind: FindingKind) -> &Finding {
        let all = self.findings.all();
        assert_eq!(all.iter().map(|f| f.kind).collect::<Vec<_>>(), [kind], "{all:#?}");
        all[0]
    }

    pub fn nothing(&self) {
        let all = self.findings.all();
        assert!(all.is_empty(), "{all:#?}");
    }
}

pub fn ip(address: [u8; 4]) -> IpAddr {
    Ipv4Addr::from(address).into()
}
