//! The machines that the long journeys do not cover: other firmware, other disk controllers, one adapter and four. Each
//! boots once from an artefact, is activated, and must have found out which adapter is which; all go on at once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use eyot_tests::{Artefacts, Office};

use crate::appliance::{secure_boot, vmdk_of};
use crate::disk::{self, Mounted, RawDisk};
use crate::log::Log;
use crate::machine::{self, Accelerator, Disks, Firmware, Hardware, Machine, BOOT, MANAGEMENT_MAC};
use crate::portal::{Portal, Registered};
use crate::tool::wait_for;
use crate::wiring::{Wiring, MANAGEMENT_TAP};

/// From a login prompt to what the portal says of the sensor; two machines share the processors.
const ACTIVATION: Duration = Duration::from_secs(480);

/// A machine, and where its disk comes from.
struct Variant {
    name: &'static str,
    hardware: &'static Hardware,
    image: fn(&Artefacts, &Wiring) -> Result<(PathBuf, &'static str)>,
}

const VARIANTS: &[Variant] = &[
    Variant { name: "vmdk-uefi", hardware: &machine::VMWARE_UEFI, image: vmdk_of },
    Variant {
        name: "vhdx-ide",
        hardware: &machine::GENERATION_1,
        image: |a, _| Ok((a.image("vhdx")?, "vhdx")),
    },
];

/// All variants at once.
pub fn journey(artefacts: &Artefacts, _: &Office, log: &mut Log) {
    log.begin("matrix: VMDK under UEFI with four shuffled adapters, VHDX on IDE under BIOS with one");
    let walks: Vec<Log> = std::thread::scope(|scope| {
        let walks: Vec<_> = VARIANTS
            .iter()
            .map(|variant| {
                let mut log = log.walk(variant.name);
                scope.spawn(move || {
                    variant.go(artefacts, &mut log);
                    log
                })
            })
            .collect();
        walks.into_iter().map(|walk| walk.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    });
    for walk in walks {
        log.absorb(walk);
    }
}

impl Variant {
    fn go(&self, artefacts: &Artefacts, log: &mut Log) -> Option<()> {
        let (wiring, portal, seeded) = log.check("ready", "wires, portal, sensor registered", || {
            let wiring = Wiring::new(self.name)?;
            let portal = Portal::start(artefacts, &wiring)?;
            let seeded = portal.register(&wiring, self.name)?;
            Ok((wiring, portal, seeded))
        })?;
        let (mut machine, system) = log.check("boot", "switched on", || {
            let (image, format) = (self.image)(artefacts, &wiring)?;
            let disks = Disks { system: disk::overlay(&wiring, &image, format)?, data: None };
            let accelerator = Accelerator::probe(artefacts, &disks.system)?;
            let machine =
                Machine::switch_on(&wiring, self.hardware, &accelerator, &disks, &seeded.seed_iso, 1)?;
            Ok((machine, disks.system))
        })?;
        log.check("boot", "login prompt on the console", || machine.wait_for_console("login:", BOOT))?;
        if self.hardware.firmware == Firmware::Uefi {
            log.check("boot", "the kernel was started by UEFI without Secure Boot", || {
                secure_boot(&machine, false)
            });
        }
        let monitors = self.hardware.adapters.iter().filter(|a| a.tap != MANAGEMENT_TAP);
        match monitors.clone().count() {
            0 => {
                log.check("activation", "the portal is told that there is no monitoring interface", || {
                    wait_for(ACTIVATION, Duration::from_secs(1), || {
                        without_monitor(&portal, &wiring, &seeded)
                    })
                    .with_context(|| format!("console:\n{}\nportal:\n{}", machine.tail(), portal.said()))
                })?
            }
            _ => log.check("activation", "Sites and sensors lists the sensor", || {
                wait_for(ACTIVATION, Duration::from_secs(1), || reported(&portal, &wiring, &seeded))
                    .with_context(|| format!("console:\n{}\nportal:\n{}", machine.tail(), portal.said()))
            })?,
        };
        log.check("roles", "only the management adapter asked for an address", || {
            let leased = wiring.leased()?;
            ensure!(leased == [MANAGEMENT_MAC], "addresses were given to {leased:?}");
            Ok(())
        });
        log.check("roles", "nothing was sent by any other adapter", || {
            for adapter in monitors.clone() {
                let sent = wiring.sent_into(adapter.tap)?;
                ensure!(sent == 0, "{} sent {sent} frames into {}", adapter.mac, adapter.tap);
            }
            Ok(())
        });
        log.check("boot", "the power button shuts it down", || machine.shut_down())?;
        log.check_showing(
            "roles",
            "on the disk: that adapter is configured, every other one is listened on",
            || {
                let root = RawDisk::of(&wiring, &system, "system")?.mount()?;
                let netplan = root.text("/etc/netplan/60-eyot.yaml")?;
                ensure!(
                    netplan.to_lowercase().contains(MANAGEMENT_MAC),
                    "netplan has another adapter:\n{netplan}"
                );
                if monitors.clone().count() == 0 {
                    // without anything to listen on there is nothing to configure the sensor with
                    ensure!(root.text(SENSOR_CONFIG).is_err(), "{SENSOR_CONFIG} is there");
                    return Ok("none".to_owned());
                }
                let listened = listened_on(&root)?;
                ensure!(listened.len() == monitors.count(), "listened on: {listened:?}");
                Ok(listened.join(", "))
            },
        )
        .map(drop)
    }
}

/// What the agent writes for the sensor.
const SENSOR_CONFIG: &str = "/etc/eyot/sensor.toml";

/// The adapters in the sensor's configuration.
fn listened_on(root: &Mounted) -> Result<Vec<String>> {
    let configuration = root.text(SENSOR_CONFIG)?;
    let list = configuration.lines().find_map(|l| l.trim().strip_prefix("interfaces = "));
    let list = list.with_context(|| format!("no list of interfaces in\n{configuration}"))?;
    let names = list.trim_matches(['[', ']', ' ']).split(',').map(|n| n.trim().trim_matches('"').to_owned());
    Ok(names.filter(|n| !n.is_empty()).collect())
}

/// The sensor, once it has reported how it is. Nothing is played here, so it may already say that it hears nothing.
fn reported(portal: &Portal, wiring: &Wiring, seeded: &Registered) -> Result<()> {
    let sensor = portal.sensor(wiring, &seeded.sensor)?;
    let code = sensor["health"]["code"].as_str().unwrap_or_default();
    ensure!(
        sensor["connected"] == true && matches!(code, "connected" | "no_traffic"),
        "health {}",
        sensor["health"]
    );
    Ok(())
}

/// A machine with one adapter is activated all the same and says what it lacks.
fn without_monitor(portal: &Portal, wiring: &Wiring, seeded: &Registered) -> Result<()> {
    let sensor = portal.sensor(wiring, &seeded.sensor)?;
    ensure!(
        sensor["connected"] == true && sensor["health"]["code"] == "no_monitoring_interface",
        "health {}",
        sensor["health"]
    );
    Ok(())
}
