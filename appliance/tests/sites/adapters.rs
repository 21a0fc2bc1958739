//! Situations of adapters and mirrors, with the daemon looking on.
//!
//! Adapters are veth pairs and a tap, so there are no PCI slots and no hardware: what the slot and the evidence decide is
//! shown by the journey `matrix`, in machines.

use std::time::Duration;

use eyot_contract::ConditionCode as C;
use serde_json::Value;

use super::site::{Place, Site};
use super::situations::{ready, Situation};

/// Three rounds of the agent and a machine that has other things to do.
const SOON: Duration = Duration::from_secs(60);
/// An adapter must be silent for two minutes before anybody is told.
const SILENCE: Duration = Duration::from_secs(200);
/// Address of the adapter that comes and goes.
const MAC: &str = "02:00:00:00:00:92";

const fn watched(
    name: &'static str,
    expect: C,
    words: &'static [&'static str],
    play: fn(&Site),
) -> Situation {
    Situation { name, expect, words, play, shows_at_once: false }
}

/// Something plays this kind of traffic into the far end of the monitored adapter's cable.
fn plays(site: &Site, kind: &str) {
    generate(site, Place::Router, kind, "mirror");
}

fn generate(site: &Site, place: Place, kind: &str, link: &str) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sites/mirror.py");
    site.serve(place, &["python3", program, kind, link], None, None);
}

/// The far end says nothing by itself.
fn quiet(site: &Site) {
    site.on(
        Place::Router,
        "ip link set mirror down; sysctl -qw net.ipv6.conf.mirror.disable_ipv6=1; ip link set mirror up",
    );
}

/// What the first condition is.
fn first(report: &Value) -> &str {
    report["conditions"][0]["code"].as_str().unwrap_or_default()
}

/// Whether this adapter listens and nothing is wrong.
fn well_with(report: &Value, adapter: &str) -> bool {
    let listens =
        |i: &Value| i["name"] == adapter && i["role"] == "capture" && i["rx_frames"].as_u64() > Some(0);
    first(report) == C::Connected.name()
        && report["interfaces"].as_array().is_some_and(|all| all.iter().any(listens))
}

/// The daemon comes to say this, and `mirror` says the same.
fn comes_to(site: &Site, kind: &str, code: C) {
    ready(site);
    quiet(site);
    plays(site, kind);
    site.start();
    site.when(SOON, code.name(), |report| first(report) == code.name());
    let said = site.mirror();
    assert_eq!(said[0]["code"], code.name(), "mirror says {said}");
}

/// The monitored adapter is known by its address, and traffic is there.
fn by_address(site: &Site) {
    ready(site);
    site.on(Place::Appliance, &format!("ip link set ens192 address {MAC}"));
    site.set("capture.interfaces", format!("mac:{MAC}"));
    quiet(site);
    plays(site, "good");
    site.start();
    site.when(SOON, "connected", |report| well_with(report, "ens192"));
}

/// The longest first: the others are played meanwhile.
pub const ADAPTERS: &[Situation] = &[
    Situation {
        shows_at_once: true,
        ..watched(
            "mirror: no frames",
            C::NoTraffic,
            &["ens192 has a link but received nothing for 120 s"],
            |s| {
                ready(s);
                quiet(s);
                s.start();
                s.when(SILENCE, "silent", |report| first(report) == C::NoTraffic.name());
                assert_eq!(s.mirror()[0]["title"], C::NoTraffic.title());
            },
        )
    },
    Situation {
        shows_at_once: true,
        ..watched("mirror: cable pulled", C::NoTraffic, &["ens192 has no link"], |s| {
            ready(s);
            quiet(s);
            plays(s, "good");
            s.start();
            s.when(SOON, "connected", |report| well_with(report, "ens192"));
            s.on(Place::Router, "ip link set mirror down");
            s.when(SILENCE, "silent", |report| first(report) == C::NoTraffic.name());
        })
    },
    watched(
        "mirror: broadcast, multicast and ARP only",
        C::MirrorFlooded,
        &["0 are between other machines", "SPAN session"],
        |s| comes_to(s, "flooded", C::MirrorFlooded),
    ),
    watched(
        "mirror: one direction",
        C::MirrorOneWay,
        &["0 show both directions", "both directions (rx and tx)"],
        |s| {
            comes_to(s, "one-way", C::MirrorOneWay);
        },
    ),
    watched(
        "mirror: VLAN tags stripped",
        C::MirrorTags,
        &["2 separate networks", "encapsulation replicate"],
        |s| {
            comes_to(s, "untagged", C::MirrorTags);
        },
    ),
    watched("mirror: good", C::Connected, &[], |s| {
        ready(s);
        quiet(s);
        plays(s, "good");
        s.start();
        s.when(SOON, "connected", |report| well_with(report, "ens192"));
        let said = s.mirror();
        assert_eq!(said[0]["title"], "Mirror is good", "{said}");
        // two more rounds, in which the agent has seen enough to complain
        std::thread::sleep(Duration::from_secs(21));
        s.when(SOON, "connected", |report| well_with(report, "ens192"));
    }),
    watched("role by name", C::Connected, &[], |s| {
        ready(s);
        plays(s, "good");
        s.start();
        s.when(SOON, "connected", |report| well_with(report, "ens192"));
    }),
    watched("role by MAC", C::Connected, &[], by_address),
    watched("role by driver", C::Connected, &[], |s| {
        ready(s);
        s.on(Place::Appliance, "ip tuntap add ens224 mode tap");
        s.set("capture.interfaces", "driver:tun");
        generate(s, Place::Appliance, "good", "ens224");
        s.start();
        s.when(SOON, "connected", |report| well_with(report, "ens224"));
    }),
    watched(
        "role by a name that no adapter has",
        C::SettingsInvalid,
        &["name:ens999 matches no adapter; present are ens160"],
        |s| {
            ready(s);
            s.set("capture.interfaces", "name:ens999");
            s.start();
            s.when(SOON, "told", |report| first(report) == C::SettingsInvalid.name());
        },
    ),
    watched("monitored adapter renamed", C::Connected, &[], |s| {
        by_address(s);
        s.on(Place::Appliance, "ip link set ens192 down; ip link set ens192 name span0");
        s.when(SOON, "listening again", |report| well_with(report, "span0"));
    }),
    watched("monitored adapter added while running", C::Connected, &[], |s| {
        ready(s);
        s.on(Place::Router, "ip link delete mirror");
        s.set("capture.interfaces", format!("mac:{MAC}"));
        s.start();
        s.when(SOON, "told", |report| first(report) == C::SettingsInvalid.name());
        let [appliance, router] = [Place::Appliance, Place::Router].map(|p| s.namespace(p));
        s.add_cable("ens256", MAC, &appliance, &router);
        quiet(s);
        plays(s, "good");
        s.when(SOON, "listening", |report| well_with(report, "ens256"));
    }),
    watched("monitored adapter's link flaps", C::Connected, &[], |s| {
        by_address(s);
        for _ in 0..3 {
            s.on(Place::Router, "ip link set mirror down; sleep 0.3; ip link set mirror up; sleep 0.3");
        }
        let before = s.when(SOON, "connected", |report| well_with(report, "ens192"));
        let received = |report: &Value| {
            let all = report["interfaces"].as_array().cloned().unwrap_or_default();
            all.iter().find(|i| i["name"] == "ens192").and_then(|i| i["rx_frames"].as_u64())
        };
        s.when(SOON, "receiving again", |report| {
            well_with(report, "ens192") && received(report) > received(&before)
        });
    }),
    watched("somebody changes the monitored adapter", C::InterfaceDrift, &["ens192 was put back"], |s| {
        by_address(s);
        s.on(Place::Appliance, "ip link set ens192 promisc off arp on");
        s.when(SOON, "told", |report| first(report) == C::InterfaceDrift.name());
    }),
];
