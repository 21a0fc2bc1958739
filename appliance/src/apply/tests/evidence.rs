//! Which adapter does what by the evidence: what it did before, routes, addresses, what it hears, its slot.

use std::collections::BTreeMap;

use eyot_contract::settings::Settings;
use eyot_contract::{ConditionCode, InterfaceRole, MacAddr};

use super::{names, settings};
use crate::apply::role::{self, Evidence, Memory, Roles};
use crate::host::double::{adapter, Double};
use crate::host::{Adapter, Host};

/// Adapters in slots 3, 11, 19, 27, in this order.
fn adapters(names: &[&str]) -> Vec<Adapter> {
    let slots = ["0000:03:00.0", "0000:0b:00.0", "0000:13:00.0", "0000:1b:00.0"];
    names.iter().zip(slots).zip(2..).map(|((name, slot), i)| adapter(name, i, Some(slot))).collect()
}

fn mac(index: u8) -> MacAddr {
    adapter("", index, None).mac
}

fn remembered(management: u8, capture: &[u8]) -> Evidence {
    let memory =
        Memory { management: Some(mac(management)), capture: capture.iter().map(|i| mac(*i)).collect() };
    Evidence { remembered: Some(memory), ..Evidence::default() }
}

fn hearing(names: &[&str]) -> Evidence {
    Evidence { hears_others: names.iter().map(|n| (*n).to_owned()).collect(), ..Evidence::default() }
}

fn auto() -> Settings {
    settings("")
}

/// Each is stronger than those below it, and says why.
#[test]
fn p9_the_strongest_evidence_decides_who_manages() {
    type Make = fn(&mut [Adapter]);
    let everything: Make = |a| {
        a[1].default_route = true;
        a[1].addressed = true;
        a[2].addressed = true;
    };
    let address: Make = |a| a[2].addressed = true;
    let nothing: Make = |_| {};
    let before =
        || Evidence { hears_others: vec!["a".to_owned(), "d".to_owned()], ..remembered(5, &[2, 3, 4]) };
    let cases: [(&str, Make, Evidence, &str, &str); 7] = [
        ("what it did before beats a route", everything, before(), "d", "managed before"),
        ("a route beats an address", everything, hearing(&["b"]), "b", "default route"),
        ("an address beats silence", address, hearing(&["c"]), "c", "has an address"),
        ("silence beats the slot", nothing, hearing(&["a"]), "b", "hears no traffic of others"),
        ("all hear: the slot", nothing, hearing(&["a", "b", "c", "d"]), "a", "first in PCI order"),
        ("nothing known: the slot", nothing, Evidence::default(), "a", "first in PCI order"),
        ("one that is gone is not missed", nothing, remembered(77, &[78]), "a", "first in PCI order"),
    ];
    for (what, make, evidence, manages, why) in cases {
        let mut four = adapters(&["a", "b", "c", "d"]);
        make(&mut four);
        let roles = role::assign_by(&auto(), &four, &evidence);
        assert_eq!(roles.management.as_deref(), Some(manages), "{what}");
        assert!(roles.why[manages].contains(why), "{what}: {}", roles.why[manages]);
    }
}

/// One, two and four adapters in every order the kernel may number them in, under whatever names.
#[test]
fn p9_shuffled_and_renamed_adapters_keep_their_roles() {
    for count in [1, 2, 4] {
        let first = adapters(&["ens160", "ens192", "ens224", "ens256"][..count]);
        let roles = role::assign(&auto(), &first);
        let capture: Vec<MacAddr> = first.iter().filter(|a| roles.captures(&a.name)).map(|a| a.mac).collect();
        assert_eq!((roles.management.as_deref(), capture.len()), (Some("ens160"), count - 1));
        let memory = Memory { management: Some(first[0].mac), capture: capture.clone() };
        let evidence = Evidence { remembered: Some(memory), ..Evidence::default() };
        for turn in 0..count {
            // the slots move on too: another hypervisor numbers them its own way
            let mut shuffled = first.clone();
            for (i, adapter) in shuffled.iter_mut().enumerate() {
                adapter.bus = first[(i + turn) % count].bus.clone();
                adapter.index = 40 - u32::try_from(i).unwrap();
                adapter.name = format!("eth{}", (i + turn) % count);
            }
            shuffled.rotate_left(turn);
            let roles = role::assign_by(&auto(), &shuffled, &evidence);
            let manages = shuffled.iter().find(|a| roles.management.as_ref() == Some(&a.name)).unwrap();
            assert_eq!(manages.mac, first[0].mac, "{count} adapters, turned by {turn}");
            let mut listens: Vec<MacAddr> =
                shuffled.iter().filter(|a| roles.captures(&a.name)).map(|a| a.mac).collect();
            listens.sort_unstable();
            assert_eq!(listens, capture);
        }
    }
}

#[test]
fn somebodys_own_server_keeps_the_adapters_it_uses() {
    let mut three = adapters(&["eno1", "eno2", "eno3"]);
    three[0].addressed = true;
    three[0].default_route = true;
    three[1].addressed = true;
    let roles = role::assign(&auto(), &three);
    assert_eq!(names(&roles), (Some("eno1"), vec!["eno3"]));
    assert_eq!(roles.of("eno2"), InterfaceRole::Unused);
    assert!(roles.why["eno2"].contains("in use by others"), "{}", roles.why["eno2"]);
    assert!(roles.complaints.is_empty(), "{:?}", roles.complaints);
    // with none left over, none is taken
    let roles = role::assign(&auto(), &three[..2]);
    assert_eq!(names(&roles), (Some("eno1"), vec![]));
    assert_eq!(roles.complaints[0].0, ConditionCode::NoMonitoringInterface);
    // hearing a lot is no reason either
    let roles = role::assign_by(&auto(), &three[..2], &hearing(&["eno2"]));
    assert_eq!(names(&roles), (Some("eno1"), vec![]));
    // one that is named is taken, and the address is told
    let named = settings("[capture]\ninterfaces = \"name:eno2\"\n");
    let roles = role::assign(&named, &three);
    assert_eq!(names(&roles), (Some("eno1"), vec!["eno2"]));
    assert_eq!(roles.complaints[0].0, ConditionCode::AdapterRoles);
    assert!(roles.complaints[0].1.contains("eno2 (52:54:00:00:00:03)"), "{:?}", roles.complaints);
}

#[test]
fn an_adapter_that_listened_goes_on_when_somebody_gives_it_an_address() {
    let mut two = adapters(&["ens160", "ens192"]);
    two[1].addressed = true;
    two[1].default_route = true;
    let roles = role::assign_by(&auto(), &two, &remembered(2, &[3]));
    assert_eq!(names(&roles), (Some("ens160"), vec!["ens192"]));
    assert_eq!(roles.complaints[0].0, ConditionCode::AdapterRoles);
    assert!(roles.complaints[0].1.contains("the default route"), "{:?}", roles.complaints);
}

#[test]
fn an_adapter_that_is_added_later_listens_and_unseats_nobody() {
    // the new one takes the first slot, as some hypervisors do
    let mut three = adapters(&["new", "ens192", "ens224"]);
    three.rotate_left(1);
    let roles = role::assign_by(&auto(), &three, &remembered(3, &[4]));
    assert_eq!(roles.management.as_deref(), Some("ens192"));
    let mut capture = roles.capture.clone();
    capture.sort_unstable();
    assert_eq!(capture, ["ens224", "new"]);
    assert_eq!(roles.why["ens224"], "listened before");
    assert_eq!(roles.why["new"], "no address, and not the management one");
}

#[test]
fn p9_an_adapter_is_found_by_the_network_it_was_connected_to() {
    let swapped = adapters(&["ens160", "ens192"]);
    let networks = BTreeMap::from([(mac(2), "SPAN Network".to_owned()), (mac(3), "VM Network".to_owned())]);
    let evidence = Evidence { networks, ..Evidence::default() };
    let named = settings(
        "[management]\ninterface = \"network:VM Network\"\n[capture]\ninterfaces = \"network:SPAN Network\"\n",
    );
    let roles = role::assign_by(&named, &swapped, &evidence);
    assert_eq!(names(&roles), (Some("ens192"), vec!["ens160"]));
    assert!(roles.complaints.is_empty(), "{:?}", roles.complaints);
    // a network that is none: those there are, are told, and the machine stays in reach
    let wrong = settings("[management]\ninterface = \"network:Office\"\n");
    let roles = role::assign_by(&wrong, &swapped, &evidence);
    assert_eq!(roles.management.as_deref(), Some("ens160"));
    let detail = &roles.complaints[0].1;
    assert!(
        detail.contains("network:Office matches no adapter") && detail.contains("SPAN Network, VM Network")
    );
    let none = role::assign(&wrong, &swapped);
    assert!(none.complaints[0].1.contains("the OVF environment names no networks"), "{:?}", none.complaints);
}

#[test]
fn an_adapter_where_tunnels_end_neither_manages_nor_listens() {
    let tunnel = "[capture]\ntunnel = \"name:ens192\"\ntunnel_address = \"198.51.100.10/24\"\n";
    let mut three = adapters(&["ens160", "ens192", "ens224"]);
    // its own address is no sign of management
    three[1].addressed = true;
    let roles = role::assign(&settings(tunnel), &three);
    assert_eq!(names(&roles), (Some("ens160"), vec!["ens224"]));
    assert_eq!(roles.tunnel, ["ens192"]);
    assert_eq!(roles.of("ens192"), InterfaceRole::Capture);
    assert_eq!(roles.read(), ["ens224", "ens192"]);
    assert!(roles.why["ens192"].contains("198.51.100.10"), "{}", roles.why["ens192"]);
    // two adapters: the tunnel's is enough to monitor with
    let roles = role::assign(&settings(tunnel), &three[..2]);
    assert_eq!(names(&roles), (Some("ens160"), vec![]));
    assert!(roles.complaints.is_empty(), "{:?}", roles.complaints);
    // named for both: tunnels end there, and it is told
    let both = format!("{tunnel}interfaces = \"name:ens192\"\n");
    let roles = role::assign(&settings(&both), &three);
    assert_eq!((roles.tunnel.as_slice(), roles.capture.len()), (&["ens192".to_owned()][..], 0));
    assert!(roles.complaints[0].1.contains("both capture.interfaces and capture.tunnel"));
}

#[test]
fn what_is_remembered_has_proved_itself_and_outlives_damage() {
    let host = Double::default();
    let mut two = adapters(&["ens160", "ens192"]);
    let roles: Roles = role::assign(&auto(), &two);
    assert!(!Memory::keep(&host, &roles, &two).unwrap(), "it has no address, so it proved nothing");
    assert_eq!(Memory::load(&host).unwrap(), None);
    two[0].addressed = true;
    assert!(Memory::keep(&host, &roles, &two).unwrap());
    assert!(!Memory::keep(&host, &roles, &two).unwrap(), "the disk is not written for nothing");
    // swapped slots after that: the memory decides, also through `decide`, which reads it
    let (a, b) = (two[0].bus.clone(), two[1].bus.clone());
    (two[0].bus, two[1].bus, two[0].addressed) = (b, a, false);
    assert_eq!(names(&role::decide(&host, &auto(), &two).unwrap()), (Some("ens160"), vec!["ens192"]));
    host.put(crate::paths::ROLES, "{ torn");
    assert_eq!(names(&role::decide(&host, &auto(), &two).unwrap()), (Some("ens192"), vec!["ens160"]));
}

#[test]
fn waiting_for_traffic_is_for_those_who_know_nothing() {
    let two = adapters(&["ens160", "ens192"]);
    let undecided = |a: &[Adapter], m: Option<&Memory>| role::is_undecided(&auto(), a, m);
    assert!(undecided(&two, None));
    assert!(!undecided(&two[..1], None), "there is no choice");
    assert!(!undecided(&two, remembered(3, &[]).remembered.as_ref()), "it is known from before");
    assert!(undecided(&two, remembered(9, &[]).remembered.as_ref()), "that one is gone");
    let mut addressed = two.clone();
    addressed[1].addressed = true;
    assert!(!undecided(&addressed, None));
    let named = settings("[management]\ninterface = \"name:ens160\"\n");
    assert!(!role::is_undecided(&named, &two, None));
    let host = Double::with_adapters(two.clone());
    let heard = role::decide_hearing(&host, &auto(), &host.adapters().unwrap(), vec!["ens160".to_owned()]);
    assert_eq!(names(&heard.unwrap()), (Some("ens192"), vec!["ens160"]));
}
