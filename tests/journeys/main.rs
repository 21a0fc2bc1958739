//! Journeys through the whole house, from the artefacts as they are shipped: read a capture, refuse bad tokens, boot each
//! image, activate it, see the recorded office's devices in the portal.
//!
//! usage: cargo test -p eyot-tests --test journeys -- [--nocapture] [read] [refusals] [vmdk] [vhdx] [matrix]
//!
//! Without names all of them run, one after another. `EYOT_DIST` names the folder with the images, `EYOT_BIN` the one
//! with the programs (see `artefacts`), `EYOT_JOURNEY_LOGS` one to keep every console and log in. Needs root, for network namespaces and loop devices, and the tools in `TOOLS`.
//! Every step is one line with its time; the last line counts them, and any failure makes the exit code 1.

mod appliance;
mod carriers;
mod disk;
mod log;
mod machine;
mod matrix;
mod monitor;
mod portal;
mod reading;
mod refusals;
mod secret;
mod tool;
mod wiring;

use std::process::ExitCode;

use anyhow::{ensure, Result};
use eyot_tests::{Artefacts, Office};

use crate::log::Log;

/// What the journeys call, each with the Debian package it comes from.
const TOOLS: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("dnsmasq", "dnsmasq-base"),
    ("dumpe2fs", "e2fsprogs"),
    ("faketime", "faketime"),
    ("genisoimage", "genisoimage"),
    ("ip", "iproute2"),
    ("journalctl", "systemd"),
    ("mount", "mount"),
    ("qemu-img", "qemu-utils"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("setsid", "util-linux"),
    ("sfdisk", "fdisk"),
    ("tar", "tar"),
    ("tcpdump", "tcpdump"),
    ("tcpreplay", "tcpreplay"),
];

/// The journeys by name, in the order they are made: the quick ones first.
const JOURNEYS: &[(&str, Journey)] = &[
    ("read", reading::journey),
    ("refusals", refusals::journey),
    ("vmdk", appliance::vmdk),
    ("vhdx", appliance::vhdx),
    ("carriers", carriers::journey),
    ("matrix", matrix::journey),
];

type Journey = fn(&Artefacts, &Office, &mut Log);

fn main() -> ExitCode {
    let mut log = Log::new();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if wanted.first().is_some_and(|w| w == wiring::SCAN) {
        return wiring::scan_from_here(&wanted[1..]);
    }
    let unknown: Vec<_> = wanted.iter().filter(|w| JOURNEYS.iter().all(|(name, _)| name != w)).collect();
    log.begin("journeys");
    let ready = log.check("ready", "root, tools, fixture", || {
        ensure!(
            unknown.is_empty(),
            "there is no journey {unknown:?}; there are read, refusals, vmdk, vhdx, carriers and matrix"
        );
        tools_are_here()?;
        Ok((Artefacts::of_environment()?, Office::load()?))
    });
    if let Some((artefacts, office)) = ready {
        for (name, journey) in JOURNEYS {
            if wanted.is_empty() || wanted.iter().any(|w| w == name) {
                journey(&artefacts, &office, &mut log);
            }
        }
    }
    log.end()
}

fn tools_are_here() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "journeys make network namespaces: run them as root");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |tool: &str| {
        let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        folders.any(|folder| folder.join(tool).is_file())
    };
    let missing: Vec<_> = TOOLS.iter().filter(|(tool, _)| !is_there(tool)).collect();
    ensure!(
        missing.is_empty(),
        "missing: {}",
        missing
            .iter()
            .map(|(tool, package)| format!("{tool} (package {package})"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(())
}
