//! Frames made up by a small generator, each kind of mirror with its verdict, and the fix for each platform.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::apply::role;
use crate::host::double::{adapter, Double};
use crate::host::Sampled;

/// The monitored adapter's own address.
const OWN: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 3]);
const EVERYBODY: [u8; 6] = [0xff; 6];

fn station(n: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, 1, n]
}

fn frame(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Sampled {
    let bytes = [&to[..], &from[..], &kind.to_be_bytes()[..], payload].concat();
    Sampled { bytes, tag_taken_off: false }
}

/// The same frame in VLAN 10.
fn tagged(plain: &Sampled) -> Sampled {
    let (addresses, rest) = plain.bytes.split_at(12);
    Sampled { bytes: [addresses, &[0x81, 0, 0, 10], rest].concat(), tag_taken_off: false }
}

fn broadcast(n: u8) -> Sampled {
    // the ethertype is one that nobody reads (IEEE 802, local experimental)
    frame(EVERYBODY, station(n), 0x88b5, &[0; 46])
}

/// Who has `target`? Asked by station `n`, which is `sender`.
fn arp(n: u8, sender: [u8; 4], target: [u8; 4]) -> Sampled {
    let packet =
        [&[0, 1, 8, 0, 6, 4, 0, 1][..], &station(n)[..], &sender[..], &[0; 6][..], &target[..]].concat();
    frame(EVERYBODY, station(n), 0x0806, &packet)
}

/// One frame of TCP conversation `port`, from its client or back.
fn tcp(port: u16, back: bool) -> Sampled {
    let (client, server) = (([192, 0, 2, 1], port), ([192, 0, 2, 2], 502_u16));
    let ((from, from_port), (to, to_port)) = if back { (server, client) } else { (client, server) };
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend([from, to].concat());
    packet.extend([from_port.to_be_bytes(), to_port.to_be_bytes()].concat());
    packet.extend([0; 16]);
    let (a, b) = if back { (2, 1) } else { (1, 2) };
    frame(station(b), station(a), 0x0800, &packet)
}

/// So many conversations, each of four frames, of which so many are answered.
fn conversations(all: u16, answered: u16) -> Vec<Sampled> {
    (0..all).flat_map(|c| (0..4).map(move |i| tcp(40_000 + c, c < answered && i % 2 == 1))).collect()
}

/// ARP inside two networks, of so many stations each.
fn two_networks(stations: u8) -> Vec<Sampled> {
    let of = |network: u8| {
        (1..=stations).map(move |n| arp(network * 16 + n, [192, 168, network, n], [192, 168, network, 254]))
    };
    of(1).chain(of(2)).collect()
}

fn shape(frames: &[Sampled]) -> Shape {
    let mut shape = Shape::default();
    frames.iter().for_each(|f| shape.see(f, OWN));
    shape
}

fn verdict(frames: &[Sampled]) -> Verdict {
    Verdict::of(&shape(frames))
}

fn times(n: usize, frame: Sampled) -> Vec<Sampled> {
    vec![frame; n]
}

#[test]
fn p10_each_kind_of_mirror_is_told_from_the_others() {
    let good = conversations(10, 10);
    let tags: Vec<Sampled> = [two_networks(3), good.clone()].concat();
    let one_tagged = [tags.clone(), vec![tagged(&tcp(1, false))]].concat();
    let taken_off = [tags.clone(), vec![Sampled { tag_taken_off: true, ..tcp(1, false) }]].concat();
    let one_domain = [tags.clone(), vec![arp(1, [192, 168, 1, 1], [192, 168, 2, 1])]].concat();
    let own = frame(OWN.0, station(1), 0x0800, &[0; 46]);
    let cases = [
        ("nothing", vec![], Verdict::NoFrames),
        ("only what is meant for the adapter itself", times(100, own), Verdict::NotEnough),
        ("broadcasts", times(100, broadcast(1)), Verdict::Flooded),
        (
            "multicasts",
            times(100, frame([1, 0, 0x5e, 0, 0, 1], station(1), 0x0800, &[0; 46])),
            Verdict::Flooded,
        ),
        ("ARP", times(100, arp(1, [192, 0, 2, 1], [192, 0, 2, 9])), Verdict::Flooded),
        ("one direction", conversations(10, 0), Verdict::OneWay),
        ("two networks, no tag", tags, Verdict::TagsMissing),
        ("two networks, a tag", one_tagged, Verdict::Good),
        ("two networks, a tag that the adapter took off", taken_off, Verdict::Good),
        ("two networks in one broadcast domain", one_domain, Verdict::Good),
        ("a mirror", good.clone(), Verdict::Good),
        ("a mirror, all of it tagged", good.iter().map(tagged).collect(), Verdict::Good),
        ("one direction, tagged", conversations(10, 0).iter().map(tagged).collect(), Verdict::OneWay),
    ];
    for (what, frames, expected) in cases {
        assert_eq!(verdict(&frames), expected, "{what}: {:?}", shape(&frames));
    }
}

/// P11: a tag may arrive in the frame, twice, or beside it because the adapter took it off; none of these is a frame without
/// a tag. A mirror that takes tags off is told by what is left.
#[test]
fn p11_a_tag_counts_wherever_it_is_and_a_mirror_that_takes_tags_off_is_told() {
    let plain = tcp(1, false);
    let beside = Sampled { tag_taken_off: true, ..plain.clone() };
    for (what, frame, tags) in [
        ("in the frame", tagged(&plain), 1),
        ("two in the frame", tagged(&tagged(&plain)), 1),
        ("beside it", beside.clone(), 1),
        ("one beside it, one in it", Sampled { tag_taken_off: true, ..tagged(&plain) }, 1),
        ("none", plain.clone(), 0),
    ] {
        let seen = shape(&[frame]);
        assert_eq!((seen.tagged, seen.between_others), (tags, 1), "{what}");
    }
    let stripped = [two_networks(3), conversations(10, 10)].concat();
    assert_eq!(verdict(&stripped).condition(), Some(ConditionCode::MirrorTags));
    assert_eq!(verdict(&[stripped, vec![beside]].concat()).condition(), None);
}

#[test]
fn each_threshold_from_both_sides() {
    let unknown = || frame(station(2), station(1), 0x88b5, &[0; 46]);
    // frames
    assert_eq!(verdict(&times(29, unknown())), Verdict::NotEnough);
    assert_eq!(verdict(&times(30, unknown())), Verdict::Good);
    // frames between others: one in twenty
    let mixed = |between, flooded| [times(between, unknown()), times(flooded, broadcast(1))].concat();
    assert_eq!(verdict(&mixed(4, 96)), Verdict::Flooded);
    assert_eq!(verdict(&mixed(5, 95)), Verdict::Good);
    // ARP: half
    let asked = |arps, between| {
        [times(arps, arp(1, [192, 0, 2, 1], [192, 0, 2, 9])), times(between, unknown())].concat()
    };
    assert_eq!(verdict(&asked(51, 49)), Verdict::Flooded);
    assert_eq!(verdict(&asked(50, 50)), Verdict::Good);
    // conversations answered: one in five; and three of them at least
    assert_eq!(verdict(&conversations(10, 1)), Verdict::OneWay);
    assert_eq!(verdict(&conversations(10, 2)), Verdict::Good);
    let few = |n| [conversations(n, 0), times(30, unknown())].concat();
    assert_eq!(verdict(&few(2)), Verdict::Good);
    assert_eq!(verdict(&few(3)), Verdict::OneWay);
    // stations of a network: two
    let good = conversations(10, 10);
    assert_eq!(verdict(&[two_networks(1), good.clone()].concat()), Verdict::Good);
    assert_eq!(verdict(&[two_networks(2), good].concat()), Verdict::TagsMissing);
}

#[test]
fn probes_and_link_local_addresses_are_no_networks() {
    let probe = |n| arp(n, [0; 4], [192, 168, n, 1]);
    let local = |n| arp(n, [169, 254, n, 1], [169, 254, n, 2]);
    let frames: Vec<Sampled> =
        (1..9).flat_map(|n| [probe(n), probe(n + 16), local(n), local(n + 16)]).collect();
    assert_eq!(shape(&frames).separate_networks(1), 0);
}

#[test]
fn samples_add_up_to_the_whole() {
    let frames = [two_networks(3), conversations(20, 11), times(7, broadcast(1))].concat();
    let mut sum = Shape::default();
    for part in frames.chunks(5) {
        sum.add(shape(part));
    }
    assert_eq!(sum, shape(&frames));
}

#[test]
fn what_is_remembered_is_bounded() {
    let many: Vec<Sampled> = (0..10_000_u16).flat_map(|port| times(3, tcp(port, false))).collect();
    let (all, _) = shape(&many).conversations();
    assert_eq!(all, 4096);
    let mut sum = shape(&many);
    sum.add(shape(&(20_000..30_000_u16).flat_map(|port| times(3, tcp(port, false))).collect::<Vec<_>>()));
    assert_eq!(sum.conversations().0, 4096);
}

#[test]
fn any_bytes_are_survived() {
    let kinds =
        [tcp(1, false), tagged(&tagged(&tcp(1, true))), arp(1, [192, 0, 2, 1], [192, 0, 2, 9]), broadcast(1)];
    let mut seen = Shape::default();
    let mut count = 0;
    for sample in &kinds {
        for end in 0..=sample.bytes.len() {
            seen.see(&Sampled { bytes: sample.bytes[..end].to_vec(), tag_taken_off: false }, OWN);
            count += u64::from(end >= 12);
        }
        for at in 0..sample.bytes.len() {
            for value in [0, 0x0f, 0x45, 0x81, 0xff] {
                let mut bytes = sample.bytes.clone();
                bytes[at] = value;
                seen.see(&Sampled { bytes, tag_taken_off: false }, OWN);
                count += 1;
            }
        }
    }
    // xorshift64: the same bytes in every run
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for _ in 0..20_000 {
        let length = usize::from(next()[0] % 129);
        let mut bytes: Vec<u8> = std::iter::from_fn(|| Some(next())).flatten().take(length).collect();
        // half of them say that they are something
        let kind: [u8; 2] = [[8, 0], [8, 6], [0x86, 0xdd], [0x81, 0]][usize::from(next()[0] % 4)];
        if let Some(place) = bytes.get_mut(12..14).filter(|_| length % 2 == 0) {
            place.copy_from_slice(&kind);
        }
        seen.see(&Sampled { bytes, tag_taken_off: false }, OWN);
        count += u64::from(length >= 12);
    }
    assert_eq!(seen.frames, count, "all that has two addresses is a frame");
    assert_eq!(seen.frames, seen.own + seen.flooded + seen.between_others);
    Verdict::of(&seen);
}

#[test]
fn p10_the_fix_is_the_one_for_this_platform() {
    let platforms =
        [("VMware, Inc.\n", 0), ("Microsoft Corporation\n", 1), ("QEMU\n", 2), ("Dell Inc.\n", 3), ("", 3)];
    let words: [(Verdict, Vec<Sampled>, [&str; 4]); 4] = [
        (Verdict::NoFrames, vec![], ["port group", "mirror switch", "bridge", "check the cable"]),
        (
            Verdict::Flooded,
            times(40, broadcast(1)),
            [
                "Promiscuous mode = Accept",
                "MonitorMode = 2",
                "ageing_time 0",
                "destination of a SPAN session",
            ],
        ),
        (
            Verdict::OneWay,
            conversations(10, 0),
            ["port mirroring session", "-PortMirroring Source", "clsact", "rx and tx"],
        ),
        (
            Verdict::TagsMissing,
            [two_networks(3), conversations(10, 10)].concat(),
            [
                "VLAN ID to All (4095)",
                "Set-VMNetworkAdapterVlan -Trunk",
                "trunk mode",
                "encapsulation replicate",
            ],
        ),
    ];
    for (vendor, column) in platforms {
        let host = Double::with_adapters(vec![adapter("ens192", 3, None)]);
        host.put(crate::paths::DMI_VENDOR, vendor);
        for (expected, frames, fixes) in &words {
            host.arrive("ens192", frames.clone());
            let adapters = host.adapters().unwrap();
            let found = listen(&host, &[&adapters[0]], Duration::ZERO).unwrap();
            let (name, verdict, detail) = &found[0];
            assert_eq!((name.as_str(), verdict), ("ens192", expected));
            for (other, fix) in fixes.iter().enumerate() {
                assert_eq!(detail.contains(fix), other == column, "{vendor:?}, {expected:?}: {detail}");
            }
        }
    }
    // nothing to mend where nothing is wrong, or nothing is known
    for frames in [conversations(10, 10), conversations(1, 1)] {
        let detail = words::detail("ens192", verdict(&frames), &shape(&frames), Platform::Vmware);
        assert!(!detail.contains(';'), "{detail}");
    }
}

/// A management adapter and a monitored one that is up.
fn listening() -> (Double, Roles) {
    let mut adapters =
        vec![adapter("ens160", 2, Some("0000:03:00.0")), adapter("ens192", 3, Some("0000:0b:00.0"))];
    adapters[1].flags.up = true;
    let settings = eyot_contract::settings::resolve(&[]).unwrap().settings;
    let roles = role::assign(&settings, &adapters);
    (Double::with_adapters(adapters), roles)
}

#[test]
fn p10_a_verdict_covers_some_looks_and_then_forgets() {
    let (host, roles) = listening();
    host.put(crate::paths::DMI_VENDOR, "VMware, Inc.");
    host.arrive("ens160", conversations(10, 10));
    host.arrive("ens192", times(40, broadcast(1)));
    let mut mirrors = Mirrors::default();
    let mut look = || {
        mirrors.look(&host, &host.adapters().unwrap(), &roles);
        (mirrors.verdict("ens192").unwrap().0, mirrors.complaints())
    };
    let (first, complaints) = look();
    assert_eq!(first, Verdict::Flooded);
    assert_eq!(complaints[0].0, ConditionCode::MirrorFlooded);
    assert!(complaints[0].1.contains("Promiscuous mode"), "{complaints:?}");
    for _ in 1..LOOKS {
        assert_eq!(look().0, Verdict::Flooded);
    }
    // silence is told by the counters, so it is no complaint here
    assert_eq!(look(), (Verdict::NoFrames, vec![]));
    assert!(mirrors.verdict("ens160").is_none(), "the management adapter is not listened to");
}

#[test]
fn only_adapters_that_are_up_and_listen_are_sampled_and_a_new_one_begins_anew() {
    let (host, roles) = listening();
    host.arrive("ens192", conversations(10, 10));
    let mut mirrors = Mirrors::default();
    let mut heard = |host: &Double| {
        mirrors.look(host, &host.adapters().unwrap(), &roles);
        (mirrors.verdict("ens192").map(|(_, shape)| shape.frames), mirrors.that_hear_others())
    };
    assert_eq!(heard(&host), (Some(40), vec!["ens192".to_owned()]));
    // the driver came back: the same name, another adapter, and its frames are the only ones that count
    host.arrive("ens192", times(3, broadcast(1)));
    host.change(|s| s.adapters[1].index = 9);
    assert_eq!(heard(&host), (Some(3), vec![]));
    host.change(|s| s.adapters[1].flags.up = false);
    assert_eq!(heard(&host), (None, vec![]));
}

#[test]
fn overhearing_tells_the_mirror_and_leaves_adapters_as_they_were() {
    let names = ["ens160", "ens192", "ens224", "docker0"];
    let slots = [Some("0000:03:00.0"), Some("0000:0b:00.0"), Some("0000:13:00.0"), None];
    let mut adapters: Vec<Adapter> =
        names.into_iter().zip(slots).zip(2..).map(|((n, s), i)| adapter(n, i, s)).collect();
    adapters[2].addressed = true;
    let host = Double::with_adapters(adapters.clone());
    host.arrive("ens160", [conversations(2, 2), times(40, broadcast(1))].concat());
    for loud in ["ens192", "ens224", "docker0"] {
        host.arrive(loud, conversations(10, 10));
    }
    assert_eq!(overhear(&host, &adapters).unwrap(), ["ens192"]);
    assert_eq!(host.state().adapters, adapters);
    let log = host.take_log();
    assert!(!log.iter().any(|l| l.contains("ens224") || l.contains("docker0")), "{log:?}");
    let of: Vec<&str> = log.iter().map(String::as_str).filter(|l| l.ends_with("ens192")).collect();
    assert_eq!(of[..3], ["ipv6 ens192", "flags ens192", "flags ens192"], "silent first, up last");
}
