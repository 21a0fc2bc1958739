//! Situations: each a sample of frames and what a mirror that looks so is called.

#![allow(clippy::unwrap_used)]

use eyot_contract::settings::{resolve, Layer};

use super::*;
use crate::apply::role;
use crate::host::double::{adapter, Double};
use crate::host::Sampled;

const OWN: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 3]);

fn frame(to: [u8; 6], from: [u8; 6], tag: Option<u16>, kind: u16, payload: &[u8]) -> Sampled {
    let mut bytes = [to, from].concat();
    if let Some(vlan) = tag {
        bytes.extend([0x81, 0x00]);
        bytes.extend(vlan.to_be_bytes());
    }
    bytes.extend(kind.to_be_bytes());
    bytes.extend(payload);
    Sampled { bytes, tag_taken_off: false }
}

fn station(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, n]
}

/// Who has 10.0.`network`.1? asks station `n` of that network.
fn arp(network: u8, n: u8, tag: Option<u16>) -> Sampled {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(station(n));
    packet.extend([10, 0, network, n]);
    packet.extend([0; 6]);
    packet.extend([10, 0, network, 1]);
    frame([0xff; 6], station(n), tag, 0x0806, &packet)
}

/// A TCP segment from station `from` to station `to`, one port each.
fn tcp(from: u8, to: u8, tag: Option<u16>) -> Sampled {
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, to];
    packet.extend([from, 0, to, 0]);
    packet.extend([0; 16]);
    frame(station(to), station(from), tag, 0x0800, &packet)
}

fn judged(frames: impl IntoIterator<Item = Sampled>) -> Verdict {
    let mut shape = Shape::default();
    for frame in frames {
        shape.see(&frame, OWN);
    }
    Verdict::of(&shape)
}

/// Conversations of stations 10 to 19 with station 1, `times` frames each way.
fn both_ways(times: usize, tag: Option<u16>) -> Vec<Sampled> {
    let pair = move |n| [tcp(n, 1, tag), tcp(1, n, tag)];
    (10..20).flat_map(|n| std::iter::repeat_n(pair(n), times).flatten()).collect()
}

#[test]
fn each_kind_of_mirror_has_its_name() {
    assert_eq!(judged([]), Verdict::NoFrames);
    assert_eq!(judged(both_ways(1, None)), Verdict::NotEnough);
    assert_eq!(judged(both_ways(3, None)), Verdict::Good);
    // an ordinary port: everybody's questions, and the odd frame that a learning switch floods
    let flooded = (0..100).map(|n| arp(0, n, None)).chain([tcp(10, 1, None), tcp(11, 1, None)]);
    assert_eq!(judged(flooded), Verdict::Flooded);
    let requests = (10..30).flat_map(|n| std::iter::repeat_n(tcp(n, 1, None), 4));
    assert_eq!(judged(requests), Verdict::OneWay);
    // two networks in which nobody asks for the other's addresses, and no tag on any frame
    let networks = |tag| (0..6).flat_map(move |n| [arp(1, 10 + n, tag), arp(2, 20 + n, tag)]);
    assert_eq!(judged(both_ways(3, None).into_iter().chain(networks(None))), Verdict::TagsMissing);
    assert_eq!(judged(both_ways(3, Some(7)).into_iter().chain(networks(Some(7)))), Verdict::Good);
}

#[test]
fn a_tag_that_the_adapter_took_off_counts() {
    let mut shape = Shape::default();
    shape.see(&Sampled { tag_taken_off: true, ..tcp(10, 1, None) }, OWN);
    assert_eq!((shape.tagged, shape.between_others), (1, 1));
}

#[test]
fn what_is_meant_for_the_adapter_itself_proves_no_mirror() {
    let own = (0..200).map(|n| frame(OWN.0, station(n), None, 0x0800, &[]));
    assert_eq!(judged(own), Verdict::NotEnough);
}

#[test]
fn any_bytes_are_survived() {
    let whole =
        [arp(1, 2, Some(3)), tcp(1, 2, Some(3)), frame(station(1), station(2), None, 0x86dd, &[6; 60])];
    let mut shape = Shape::default();
    for sampled in &whole {
        for cut in 0..sampled.bytes.len() {
            for flipped in [0x00, 0x0f, 0xff] {
                let mut bytes = sampled.bytes[..cut].to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= flipped;
                }
                shape.see(&Sampled { bytes, tag_taken_off: false }, OWN);
            }
        }
    }
    assert!(shape.frames > 0);
}

#[test]
fn the_fix_fits_the_platform() {
    let expected = [
        ("VMware, Inc.", "Promiscuous mode = Accept"),
        ("Microsoft Corporation", "MonitorMode = 2"),
        ("QEMU", "ageing"),
        ("Dell Inc.", "SPAN session"),
    ];
    for (vendor, words) in expected {
        let host = Double::default();
        host.write(crate::paths::DMI_VENDOR, vendor.as_bytes(), crate::host::Access::Everyone).unwrap();
        let mut listening = adapter("ens192", 3, Some("0000:0b:00.0"));
        listening.flags.up = true;
        let adapters = [adapter("ens160", 2, Some("0000:03:00.0")), listening];
        let settings = resolve(&[Layer::from_toml("test", "version = 1\n").unwrap()]).unwrap().settings;
        let roles = role::assign(&settings, &adapters);
        host.arrive("ens192", (0..100).map(|n| arp(0, n, None)).collect());
        let mut mirrors = Mirrors::default();
        mirrors.look(&host, &adapters, &roles);
        let complaints = mirrors.complaints();
        assert_eq!(complaints.len(), 1, "{vendor}");
        let (code, detail) = &complaints[0];
        assert_eq!(*code, ConditionCode::MirrorFlooded);
        assert!(detail.starts_with("ens192: of 100 frames 0 are between other machines"), "{detail}");
        assert!(detail.contains(words), "{vendor}: {detail}");
    }
}

#[test]
fn every_fault_has_a_fix_on_every_platform() {
    for verdict in [Verdict::NoFrames, Verdict::Flooded, Verdict::OneWay, Verdict::TagsMissing] {
        assert!(verdict.condition().is_some());
        let (_, fixes) = REMEDIES.iter().find(|(v, _)| *v == verdict).unwrap();
        assert!(fixes.iter().all(|f| !f.is_empty()));
    }
    assert_eq!(Verdict::Good.condition(), None);
}
