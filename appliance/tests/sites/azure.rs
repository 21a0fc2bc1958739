//! Appliances that report to the owner's Azure and to no portal. `tests/azure/mock.py` stands in for Azure where the portal
//! is otherwise; the real sensor asks it (EYOT_SENSOR names the program), as on an appliance.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eyot_contract::ConditionCode as C;
use rcgen::{CertificateParams, KeyPair};

use super::double::Authority;
use super::servers::{basic_squid, inspecting_squid, names, names_with, PROXY};
use super::site::{Place, Site};
use super::situations::Situation;

const DPS: &str = "global.azure-devices-provisioning.net";
const HUB: &str = "lab.azure-devices.net";
const EVENTS: &str = "lab.servicebus.windows.net";
/// The storage account that the hub names, one that is nobody's, and where both would be.
const STORAGE: &str = "lab.blob.core.windows.net";
const STRANGER: &str = "files.stranger.example";
const STORAGE_ADDRESS: &str = "198.51.100.9";
/// base64 of 32 bytes; the enrolment group's.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=";

/// An address, names, Azure itself, and settings that fit it.
fn lab(site: &Site) {
    resolved(site);
    let ca = Authority::new("Lab CA");
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([DPS, HUB, EVENTS].map(str::to_owned)).unwrap();
    let certificate = site.file("azure.pem", &leaf.signed_by(&key, &ca.issuer).unwrap().pem());
    let key = site.file("azure.key", &key.serialize_pem());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/azure/mock.py");
    let journal = site.dir.path().join("journal.ndjson");
    let command = [
        "env",
        &format!("EYOT_MOCK_KEY={KEY}"),
        "EYOT_MOCK_RULE_KEY=rule-key-text",
        &format!("EYOT_MOCK_STORAGE_KEY={KEY}"),
        "python3",
        script,
        "--listen",
        "0.0.0.0:443",
        "--control",
        "9000",
        "--certificate",
        &certificate.display().to_string(),
        "--key",
        &key.display().to_string(),
        "--journal",
        &journal.display().to_string(),
        "--hub",
        HUB,
        "--event-hub-host",
        EVENTS,
        "--storage-host",
        STORAGE,
    ];
    site.serve(Place::Portal, &command, None, Some(("tcp", 443)));
    site.set("portal.ca", ca.pem);
}

/// Everything but Azure itself.
fn resolved(site: &Site) {
    site.addressed();
    let at = |names: &[&str], address: &str| -> Vec<String> {
        names.iter().map(|name| format!("--address=/{name}/{address}")).collect()
    };
    let options =
        [at(&[DPS, HUB, EVENTS], "198.51.100.2"), at(&[STORAGE, STRANGER], STORAGE_ADDRESS)].concat();
    names_with(site, &options.iter().map(String::as_str).collect::<Vec<_>>());
    settings(site);
}

fn settings(site: &Site) {
    sensor(site);
    site.set("azure.id_scope", "0ne00ABC123");
    site.set("azure.registration_id", "lab-7");
    site.set("azure.key", KEY);
    site.set("azure.enrolment", "group");
    site.set("azure.event_hub", format!("{EVENTS}/devices"));
    site.set("azure.event_hub_key", "rule-key-text");
}

/// The sensor's program in its place. The paths in its configuration are those below /; here they are below a folder.
fn sensor(site: &Site) {
    let program = std::env::var("EYOT_SENSOR")
        .expect("EYOT_SENSOR must name the eyot-sensor program; scripts/check-sites does so");
    assert!(Path::new(&program).is_file(), "there is no {program}; cargo build -p eyot-sensor makes it");
    let (root, copy) = (site.appliance_file("/"), site.dir.path().join("sensor.toml"));
    let root = root.display().to_string();
    let (root, copy) = (root.trim_end_matches('/'), copy.display());
    let file = site.dir.path().join("stand-ins/eyot-sensor");
    std::fs::write(
        &file,
        format!("#!/bin/sh\nset -e\nsed 's#\"/etc/eyot/#\"{root}/etc/eyot/#g' \"$3\" >{copy}\nexec {program} destinations --config {copy} --format json\n"),
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the router does with packets on their way out.
fn forward(site: &Site, rule: &str) {
    site.on(
        Place::Router,
        &format!(
            "nft 'table inet azure {{ chain forward {{ type filter hook forward priority 0; {rule}; }}; }}'"
        ),
    );
}

fn by_proxy(site: &Site) {
    forward(site, "iifname lan oifname wan drop");
    site.set("proxy.url", PROXY);
}

/// Behind an allow-list, with a sensor whom the hub has named this host for its files.
fn files_at(site: &Site, storage: &str) {
    lab(site);
    site.set("firewall.destinations", "192.0.2.1");
    site.set("azure.snapshot_hours", "24");
    let status = site.appliance_file(eyot_appliance::paths::SENSOR_STATUS);
    std::fs::create_dir_all(status.parent().unwrap()).unwrap();
    std::fs::write(status, serde_json::json!({ "storage_hosts": [storage] }).to_string()).unwrap();
    site.boot();
    site.round();
    site.round();
}

const fn situation(
    name: &'static str,
    expect: C,
    words: &'static [&'static str],
    play: fn(&Site),
) -> Situation {
    Situation { name, expect, words, play, shows_at_once: true }
}

/// The list.
pub const AZURE: &[Situation] = &[
    situation("Azure without a portal", C::Connected, &["reports to Azure, without a portal"], |s| {
        lab(s);
        s.boot();
    }),
    situation("Azure through a proxy with Basic authentication", C::Connected, &["reports to Azure"], |s| {
        lab(s);
        basic_squid(s);
        by_proxy(s);
        s.set("proxy.username", "sensor");
        s.set("proxy.password", "p@ss word");
        s.boot();
    }),
    situation("Azure with an allow-list of its own names", C::Connected, &["reports to Azure"], |s| {
        lab(s);
        s.set("firewall.destinations", "192.0.2.1");
        // the first round lets the provisioning service through, the second the hub that it named
        s.boot();
        s.round();
        s.round();
    }),
    situation("Azure, allow-list, files where the hub says", C::Connected, &["reports to Azure"], |s| {
        files_at(s, STORAGE);
        s.on(Place::Appliance, &format!("nft list set inet eyot allowed4 | grep -qw {STORAGE_ADDRESS}"));
    }),
    situation("Azure, allow-list, files to a stranger", C::Connected, &["reports to Azure"], |s| {
        files_at(s, STRANGER);
        // the rules are there, and he is not in them
        s.on(Place::Appliance, "nft list set inet eyot allowed4 | grep -qw 198.51.100.2");
        s.on(Place::Appliance, &format!("! nft list set inet eyot allowed4 | grep -w {STORAGE_ADDRESS}"));
    }),
    situation("Azure, name not resolved", C::EndpointDns, &[DPS], |s| {
        s.addressed();
        names(s);
        settings(s);
        s.boot();
    }),
    situation("Azure, 443 refused", C::DestinationUnreachable, &[DPS, "refused"], |s| {
        resolved(s);
        forward(s, "tcp dport 443 reject with tcp reset");
        s.boot();
    }),
    situation("Azure, proxy asks for a password", C::ProxyAuthentication, &["asks for a user name"], |s| {
        lab(s);
        basic_squid(s);
        by_proxy(s);
        s.boot();
    }),
    situation("Azure, TLS inspected", C::TlsInspected, &[DPS, "Corporate Inspection CA"], |s| {
        lab(s);
        inspecting_squid(s, false);
        by_proxy(s);
        s.boot();
    }),
    situation("Azure, wrong key of the enrolment", C::DestinationRefused, &["401", "azure.key"], |s| {
        lab(s);
        s.set("azure.key", OTHER_KEY);
        s.boot();
    }),
    situation(
        "Azure, wrong key of the event hub",
        C::DestinationRefused,
        &["401", "azure.event_hub_key"],
        |s| {
            lab(s);
            s.set("azure.event_hub_key", "another-key-text");
            s.boot();
        },
    ),
];
