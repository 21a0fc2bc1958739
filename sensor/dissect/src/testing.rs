//! What the protocols' tests share: a device that says something, and the proof that a reader survives any bytes.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use eyot_contract::MacAddr;
use proptest::test_runner::{Config, TestRunner};

use crate::flow::{Stream, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::{Field, Observation, Protocol};

/// Who speaks in tests.
pub(crate) const DEVICE: MacAddr = MacAddr([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
/// Who is spoken to.
pub(crate) const PEER: MacAddr = MacAddr([0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
pub(crate) const DEVICE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 20));
pub(crate) const PEER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1));

/// A message from [`DEVICE`] to [`PEER`].
pub(crate) fn packet(payload: &[u8]) -> Packet<'_> {
    Packet {
        source: Some(DEVICE),
        destination: Some(PEER),
        source_ip: Some(DEVICE_IP),
        destination_ip: Some(PEER_IP),
        hop_limit: Some(255),
        source_port: 0,
        destination_port: 0,
        payload,
        truncated: false,
    }
}

/// What was said.
pub(crate) struct Said {
    pub outcome: Option<Outcome>,
    pub verdict: Option<Verdict>,
    pub observations: Vec<Observation<'static>>,
}

impl Said {
    /// By a message of that protocol.
    pub(crate) fn by(protocol: &Protocol, payload: &[u8]) -> Self {
        Self::in_packet(protocol, &packet(payload))
    }

    pub(crate) fn in_packet(protocol: &Protocol, packet: &Packet<'_>) -> Self {
        let read = protocol.message.unwrap();
        let mut outcome = None;
        let observations = collect(packet, |readings| outcome = Some(read(packet, readings)));
        Self { outcome, verdict: None, observations }
    }

    /// By the whole of one direction of a connection of that protocol, from its first byte.
    pub(crate) fn in_stream(protocol: &Protocol, packet: &Packet<'_>) -> Self {
        let reader = protocol.stream.unwrap();
        let mut verdict = None;
        let observations = collect(packet, |readings| {
            if (reader.starts)(packet.payload, packet) {
                let mut mark = 0;
                let mut stream = Stream {
                    bytes: packet.payload,
                    fresh: 0,
                    last: true,
                    first: true,
                    mark: &mut mark,
                    packet,
                };
                verdict = Some((reader.read)(&mut stream, readings));
            }
        });
        Self { outcome: None, verdict, observations }
    }

    pub(crate) fn pairs(&self) -> Vec<(Field, &str)> {
        self.observations.iter().map(|o| (o.field, o.value.as_ref())).collect()
    }

    pub(crate) fn all(&self, field: Field) -> Vec<&str> {
        self.observations.iter().filter(|o| o.field == field).map(|o| o.value.as_ref()).collect()
    }

    pub(crate) fn macs(&self) -> Vec<String> {
        self.observations.iter().map(|o| o.mac.to_string()).collect()
    }
}

fn collect(packet: &Packet<'_>, run: impl FnOnce(&mut Readings<'_>)) -> Vec<Observation<'static>> {
    let mut observations = Vec::new();
    let mut sink = |o: &Observation<'_>| observations.push(owned(o));
    run(&mut Readings::new(&mut sink, packet.source, packet.source_ip, None));
    observations
}

pub(crate) fn owned(observation: &Observation<'_>) -> Observation<'static> {
    Observation {
        mac: observation.mac,
        ip: observation.ip,
        vlan: observation.vlan,
        field: observation.field,
        value: Cow::Owned(observation.value.to_string()),
    }
}

/// Every prefix of a good message, every single damaged byte of it, and bytes that were never a message.
pub(crate) fn survives(good: &[u8], read: impl Fn(&[u8])) {
    for end in 0..=good.len() {
        read(&good[..end]);
    }
    let mut damaged = good.to_vec();
    for place in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xc0, 0xff] {
            damaged[place] = value;
            read(&damaged);
        }
        damaged[place] = good[place];
    }
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(300) });
    let any = proptest::collection::vec(proptest::num::u8::ANY, 0..400);
    runner
        .run(&any, |bytes| {
            read(&bytes);
            Ok(())
        })
        .unwrap();
}
