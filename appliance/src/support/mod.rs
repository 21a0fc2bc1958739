//! A support bundle: everything that says how the appliance is, in one `.tar.gz` that a stranger may read.
//!
//! What cannot be had is in it too, as the reason why. Every text passes the [`mask`] before it is written anywhere.

pub mod mask;

use std::io::Write;

use eyot_contract::settings::DEFINITIONS;
use eyot_contract::Timestamp;
use flate2::write::GzEncoder;
use flate2::Compression;

use crate::activate::KEY;
use crate::health::{sanity, validate};
use crate::host::Host;
use crate::paths;
use crate::settings::{chain, Gathered};

use mask::Mask;

/// Longest text of one entry, in bytes; of a longer one the end is kept, where logs have what happened last.
const ENTRY_BYTES: usize = 2 << 20;

/// Programs whose answers tell something: name of the entry, program, arguments.
const QUESTIONS: &[(&str, &str, &[&str])] = &[
    ("system/uname.txt", "uname", &["-a"]),
    ("system/processes.txt", "ps", &["-eo", "pid,ppid,user,rss,etime,comm"]),
    ("system/memory.txt", "free", &["-m"]),
    ("system/disk.txt", "df", &["-h"]),
    ("system/time.txt", "timedatectl", &[]),
    ("system/packages.txt", "dpkg-query", &["-W", "eyot-*", "linux-image-*", "open-vm-tools", "cloud-init"]),
    ("network/addresses.txt", "ip", &["-s", "-d", "address"]),
    ("network/routes.txt", "ip", &["route", "show", "table", "all"]),
    ("network/neighbours.txt", "ip", &["neigh"]),
    ("network/sockets.txt", "ss", &["-tuanp"]),
    ("network/firewall.txt", "nft", &["list", "ruleset"]),
    (
        "services/status.txt",
        "systemctl",
        &["status", "--no-pager", "--full", "eyot-*", "systemd-networkd", "systemd-timesyncd", "cloud-init*"],
    ),
    (
        "logs/eyot.txt",
        "journalctl",
        &[
            "--no-pager",
            "-n",
            "5000",
            "-u",
            "eyot-appliance",
            "-u",
            "eyot-sensor",
            "-u",
            "eyot-network",
            "-u",
            "eyot-firewall",
        ],
    ),
    ("logs/kernel.txt", "journalctl", &["--no-pager", "-n", "2000", "-k"]),
    (
        "logs/network.txt",
        "journalctl",
        &[
            "--no-pager",
            "-n",
            "1000",
            "-u",
            "systemd-networkd",
            "-u",
            "systemd-timesyncd",
            "-u",
            "cloud-init",
        ],
    ),
];

/// Files that tell something. Keys and passwords are not among them.
const FILES: &[&str] = &[
    paths::HEALTH,
    paths::SENSOR_STATUS,
    paths::SENSOR_CONFIG,
    paths::FORGOTTEN,
    paths::NETPLAN,
    paths::TIMESYNCD,
    paths::FIREWALL,
    paths::APT_PROXY,
    paths::CLOUD_INIT_RESULT,
    "/etc/os-release",
    "/etc/resolv.conf",
    "/var/lib/eyot/identity/enrolment.json",
];

/// The bundle's bytes, readable by anybody.
///
/// # Errors
/// Nothing but the compressor's, which has none in memory.
pub async fn bundle(host: &dyn Host, gathered: &Gathered, now: Timestamp) -> std::io::Result<Vec<u8>> {
    let mask = Mask::of(gathered, secrets(host));
    let mut entries: Vec<(String, String)> = vec![
        ("settings.txt".to_owned(), settings(gathered)),
        ("sanity.json".to_owned(), json(&sanity::sanity(host, gathered, now).0)),
        ("validate.json".to_owned(), json(&validate::validate(host, gathered).await)),
        ("adapters.txt".to_owned(), adapters(host)),
    ];
    for (name, program, arguments) in QUESTIONS {
        let said = host.run(program, arguments).unwrap_or_else(|e| format!("not to be had: {}\n", chain(&e)));
        entries.push(((*name).to_owned(), said));
    }
    for path in FILES {
        let said = match host.read(path) {
            Ok(Some(content)) => String::from_utf8_lossy(&content).into_owned(),
            Ok(None) => "there is no such file\n".to_owned(),
            Err(error) => format!("not to be had: {}\n", chain(&error)),
        };
        entries.push((format!("files{path}"), said));
    }
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, text) in entries {
        let text = mask.cover(end_of(&text));
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now.seconds().try_into().unwrap_or(0));
        archive.append_data(&mut header, format!("eyot-support/{name}"), text.as_bytes())?;
    }
    let mut compressed = archive.into_inner()?;
    compressed.flush()?;
    compressed.finish()
}

/// Secrets that no setting carries: the key of the identity, old or in the making, and what was written from settings that
/// are gone.
fn secrets(host: &dyn Host) -> Vec<String> {
    let below = |dir: &str| format!("{dir}/{KEY}");
    [
        below(paths::IDENTITY_DIR),
        below(paths::NEXT_IDENTITY_DIR),
        paths::SENSOR_PROXY_PASSWORD.to_owned(),
        paths::SENSOR_PROXY_KEY.to_owned(),
        paths::SENSOR_AZURE_KEY.to_owned(),
        paths::SENSOR_EVENT_HUB.to_owned(),
    ]
    .iter()
    .filter_map(|path| String::from_utf8(host.read(path).ok()??).ok())
    .map(|text| text.trim().to_owned())
    .collect()
}

fn settings(gathered: &Gathered) -> String {
    let mut text = String::new();
    for definition in DEFINITIONS {
        for (source, layer) in &gathered.layers {
            if let Some(value) = layer.values.get(definition.key).map(|v| v.trim()).filter(|v| !v.is_empty())
            {
                let shown = if definition.is_secret() { mask::MASK } else { value };
                text.push_str(&format!("{} = {shown}    # {}\n", definition.key, source.place()));
            }
        }
    }
    for (source, error) in &gathered.failures {
        text.push_str(&format!("# {}: {}\n", source.place(), chain(error)));
    }
    if let Err(problem) = gathered.resolve() {
        text.push_str(&format!("# cannot be used: {problem}\n"));
    }
    text
}

fn adapters(host: &dyn Host) -> String {
    match host.adapters() {
        Ok(adapters) => adapters.iter().map(|a| format!("{a:#?}\n")).collect(),
        Err(error) => format!("not to be had: {}\n", chain(&error)),
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|e| e.to_string())
}

/// The last [`ENTRY_BYTES`] of a text, from a whole line on.
fn end_of(text: &str) -> &str {
    let mut at = text.len().saturating_sub(ENTRY_BYTES);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    let end = &text[at..];
    match (at, end.split_once('\n')) {
        (0, _) | (_, None) => end,
        (_, Some((_, whole))) => whole,
    }
}
