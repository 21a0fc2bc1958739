//! The whole main job, from an image as it is shipped: boot, activation, devices; then a second boot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_tests::{Artefacts, Office, TimeLine};
use serde_json::Value;

use crate::disk::{self, Needles, RawDisk, Settled, NOT_THERE};
use crate::log::Log;
use crate::machine::{self, Accelerator, Disks, Hardware, Machine, BOOT, MANAGEMENT_MAC};
use crate::monitor::{Recorder, Replay};
use crate::portal::{Portal, Registered};
use crate::secret;
use crate::tool::{output, wait_for};
use crate::wiring::{Wiring, MONITOR_TAP, PORTAL_NAME};

/// From a login prompt to a sensor that the portal calls connected, emulated on a busy machine.
const ACTIVATION: Duration = Duration::from_secs(300);
/// From then until every host of the office is known: several rounds of the replay, a batch, an upload.
const DISCOVERY: Duration = Duration::from_secs(300);
/// Size of the data disk, in bytes: more than the least that is taken for one.
const DATA_DISK: u64 = 9 << 30;
/// Label of the data volume.
const DATA_LABEL: &str = "eyot-data";
/// Where the sensor's data is.
const DATA_PLACE: &str = "/var/lib/eyot-sensor";
/// What the agent itself may use until the portal calls the sensor connected, in seconds of the processor.
const OWN_SHARE: f64 = 5.0;
/// The same where the processor is emulated: an instruction costs ten and more there, and the guest's clock counts what
/// the host gives to others too. It still fails on an agent that computes all the time.
const OWN_SHARE_EMULATED: f64 = 20.0;
/// What must be the same after a second boot.
const SETTLED: &[&str] = &[
    "/etc/eyot",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/netplan",
    "/etc/nftables.conf",
    "/etc/ssh",
    "/etc/systemd",
    "/var/lib/eyot/identity",
    "/var/lib/eyot/settings.toml",
];

/// From the VMDK inside the OVA, on a machine as ESXi has it, with a blank data disk.
pub fn vmdk(artefacts: &Artefacts, office: &Office, log: &mut Log) {
    log.begin("vmdk: the disk inside the OVA, BIOS, pvscsi, vmxnet3, a blank data disk");
    let mut image = |wiring: &Wiring| vmdk_of(artefacts, wiring);
    Walk { artefacts, office, name: "vmdk", hardware: &machine::VMWARE }.go(log, &mut image);
}

/// From the VHDX, under UEFI with Secure Boot.
pub fn vhdx(artefacts: &Artefacts, office: &Office, log: &mut Log) {
    log.begin("vhdx: the VHDX, UEFI with Secure Boot, virtio-scsi, virtio-net and e1000e");
    let mut image = |_: &Wiring| Ok((artefacts.image("vhdx")?, "vhdx"));
    Walk { artefacts, office, name: "vhdx", hardware: &machine::GENERATION_2 }.go(log, &mut image);
}

/// The disk out of the OVA.
pub fn vmdk_of(artefacts: &Artefacts, wiring: &Wiring) -> Result<(PathBuf, &'static str)> {
    let ova = artefacts.image("ova")?;
    let members = output(Command::new("tar").arg("-tf").arg(&ova))?;
    let vmdk = members.lines().find(|m| m.ends_with(".vmdk")).context("the OVA holds no VMDK")?;
    output(Command::new("tar").arg("-xf").arg(&ova).arg("-C").arg(wiring.folder()).arg(vmdk))?;
    Ok((wiring.folder().join(vmdk), "vmdk"))
}

/// What the kernel says of Secure Boot on the console, before anything of ours runs.
pub fn secure_boot(machine: &Machine, on: bool) -> Result<()> {
    let (wanted, other) = ("secureboot: Secure boot enabled", "secureboot: Secure boot disabled");
    let (wanted, other) = if on { (wanted, other) } else { (other, wanted) };
    let console = machine.console();
    ensure!(
        console.contains(wanted) && !console.contains(other),
        "the kernel says {:?}",
        console.lines().filter(|l| l.to_lowercase().contains("secure")).collect::<Vec<_>>()
    );
    Ok(())
}

type Image<'a> = &'a mut dyn FnMut(&Wiring) -> Result<(PathBuf, &'static str)>;

/// One image's way.
struct Walk<'a> {
    artefacts: &'a Artefacts,
    office: &'a Office,
    name: &'a str,
    hardware: &'a Hardware,
}

impl Walk<'_> {
    /// Walks as far as the steps that the next ones stand on hold.
    fn go(&self, log: &mut Log, image: Image) -> Option<()> {
        let wiring = log.check("ready", "namespaces, taps, DHCP and DNS", || Wiring::new(self.name))?;
        let portal =
            log.check("ready", "the portal answers over TLS", || Portal::start(self.artefacts, &wiring))?;
        let seeded = log
            .check("ready", "sensor registered, seed ISO written", || portal.register(&wiring, self.name))?;
        let (disks, accelerator) = log.check("ready", "disk taken from the artefact", || {
            let (image, format) = image(&wiring)?;
            let system = disk::overlay(&wiring, &image, format)?;
            let accelerator = Accelerator::probe(self.artefacts, &system)?;
            let data = self.hardware.data_disk.then(|| disk::blank(&wiring, DATA_DISK)).transpose()?;
            Ok((Disks { system, data }, accelerator))
        })?;
        let overlay = &disks.system;
        let recorder = log.check("ready", "the monitor tap is recorded", || Recorder::start(&wiring))?;

        let switched_on = Instant::now();
        let mut machine = log.check("boot", &format!("switched on ({})", accelerator.name()), || {
            Machine::switch_on(&wiring, self.hardware, &accelerator, &disks, &seeded.seed_iso, 1)
        })?;
        let replay = log.check("boot", "the office is played into the SPAN tap", || {
            Replay::start(&wiring, self.office)
        })?;
        log.check("boot", "login prompt on the console", || machine.wait_for_console("login:", BOOT))?;
        if self.hardware.firmware == machine::Firmware::SecureBoot {
            log.check("boot", "the kernel was started with Secure Boot on", || secure_boot(&machine, true));
        }
        let first = log.check("activation", "Sites and sensors lists the sensor as Connected", || {
            wait_for(ACTIVATION, Duration::from_secs(1), || connected(&portal, &wiring, &seeded))
                .with_context(|| format!("console:\n{}\nportal:\n{}", machine.tail(), portal.said()))
        })?;
        let connected_after = switched_on.elapsed();
        log.check("activation", "so does the page a person sees", || {
            let page = portal.page(&wiring, "/sensors")?;
            ensure!(
                page.contains(self.name) && page.contains("Connected"),
                "the page shows no connected sensor"
            );
            Ok(())
        });
        log.check_showing("activation", "from the management side nothing but 443 is open", || {
            let address = wiring.address_of(MANAGEMENT_MAC)?;
            let open = wiring.open_ports(address)?;
            ensure!(open.iter().all(|port| *port == 443), "open at {address}: {open:?}");
            Ok(if open.is_empty() { "none is".to_owned() } else { "443 is".to_owned() })
        });

        let claim = format!("the inventory names the office's {} hosts", self.office.len());
        let known = log.check("devices", &claim, || {
            wait_for(DISCOVERY, Duration::from_secs(2), || {
                let differences = self.office.differences(&portal.devices(&wiring)?);
                ensure!(differences.is_empty(), "{}", differences.join("\n"));
                Ok(switched_on.elapsed())
            })
        });
        log.check("devices", "so does the page a person sees", || {
            let page = portal.page(&wiring, "/devices")?;
            ensure!(
                page.contains("M404dn") && page.contains("P3245-V"),
                "the page shows neither printer nor camera"
            );
            Ok(())
        });
        let first_boot =
            format!("first boot: connected {:.0} s after switching on", connected_after.as_secs_f32());
        match known {
            Some(after) => log
                .note("time", &format!("{first_boot}, every host known after {:.0} s", after.as_secs_f32())),
            None => log.note("time", &first_boot),
        }

        log.check("disk", "the power button shuts it down", || machine.shut_down())?;
        let last_heard = log.check("disk", "the portal remembers when it last heard of it", || {
            Ok(portal.sensor(&wiring, &seeded.sensor)?["last_connected"].clone())
        })?;
        log.check("disk", "neither the console nor the portal's log shows the token", || {
            let traces = secret::traces(&seeded.token)?;
            let mut forms = Vec::new();
            traces.find(machine.console().as_bytes(), |_, form| forms.push(format!("console: {form}")));
            traces.find(portal.said().as_bytes(), |_, form| forms.push(format!("portal: {form}")));
            ensure!(forms.is_empty(), "{}", forms.join(", "));
            Ok(())
        });
        if let Some(data) = &disks.data {
            look_at_the_data(log, &wiring, data, overlay, &seeded);
            log.check("data", "enlarged by 2 GiB while the machine is off", || {
                output(Command::new("qemu-img").args(["resize", "-q"]).arg(data).arg("+2G")).map(drop)
            });
        }
        let own_share = if accelerator.name() == "tcg" { OWN_SHARE_EMULATED } else { OWN_SHARE };
        let before = look_at_the_disk(log, &wiring, overlay, &seeded, own_share);

        let mut machine = log.check("second boot", "switched on, seed ISO still there", || {
            Machine::switch_on(&wiring, self.hardware, &accelerator, &disks, &seeded.seed_iso, 2)
        })?;
        log.check("second boot", "connected again", || {
            wait_for(BOOT, Duration::from_secs(1), || {
                let sensor = connected(&portal, &wiring, &seeded)?;
                ensure!(sensor["last_connected"] != last_heard, "not heard from since {last_heard}");
                Ok(())
            })
            .with_context(|| format!("console:\n{}", machine.tail()))
        });
        log.check("second boot", "not activated a second time", || {
            let enrolled = portal.sensor(&wiring, &seeded.sensor)?["enrolled"].clone();
            ensure!(enrolled == first["enrolled"], "enrolled {enrolled}, before {}", first["enrolled"]);
            Ok(())
        });
        log.check("second boot", "the power button shuts it down", || machine.shut_down())?;
        if let Some(before) = before {
            log.check("second boot", "nothing that was settled has changed", || {
                let after = RawDisk::of(&wiring, overlay, "after")?.mount()?.inventory(SETTLED)?;
                same(&before, &after)
            });
        }

        if let Some(data) = &disks.data {
            log.check("data", "the volume has grown with its disk and kept what was on it", || {
                let volume = RawDisk::of(&wiring, data, "data")?;
                let bytes = volume.ext4_bytes(DATA_LABEL)?;
                ensure!(bytes > DATA_DISK + (1 << 30), "the file system has {bytes} bytes");
                ensure!(!volume.mount_whole()?.names("/")?.is_empty(), "the volume is empty");
                Ok(())
            });
        }

        drop(replay);
        log.check("monitor", "the appliance never sent a frame there", || {
            let frames = recorder.frames()?;
            ensure!(
                frames.is_empty(),
                "it sent {}:\n{}",
                frames.len(),
                frames[..frames.len().min(10)].join("\n")
            );
            let counted = wiring.sent_into(MONITOR_TAP)?;
            ensure!(counted == 0, "the record is empty, but the tap counted {counted} frames");
            Ok(())
        });
        Some(())
    }
}

/// The blank disk has become the data volume, what was learnt is there and not on the system disk, and nowhere the token.
fn look_at_the_data(log: &mut Log, wiring: &Wiring, data: &Path, overlay: &Path, seeded: &Registered) {
    log.check("data", "the blank disk is the data volume, and what was learnt is there", || {
        let volume = RawDisk::of(wiring, data, "data")?;
        volume.ext4_bytes(DATA_LABEL)?;
        let mut there = volume.mount_whole()?.names("/")?;
        there.retain(|name| name != "lost+found");
        ensure!(!there.is_empty(), "the volume is empty");
        let system = RawDisk::of(wiring, overlay, "system")?.mount()?.names(DATA_PLACE)?;
        ensure!(system.is_empty(), "on the system disk are {system:?}");
        let found = volume.find(&secret::traces(&seeded.token)?)?;
        ensure!(found.is_empty(), "the token is on the data disk: {found:?}");
        Ok(())
    });
}

/// The sensor as the API lists it, if it is connected and well.
pub fn connected(portal: &Portal, wiring: &Wiring, seeded: &Registered) -> Result<Value> {
    let sensor = portal.sensor(wiring, &seeded.sensor)?;
    ensure!(
        sensor["connected"] == true && sensor["health"]["code"] == "connected",
        "the sensor's health is {} ({})",
        sensor["health"]["title"],
        sensor["health"]["detail"]
    );
    Ok(sensor)
}

/// What the first boot left behind: no token, and an appliance that has settled.
fn look_at_the_disk(
    log: &mut Log,
    wiring: &Wiring,
    overlay: &Path,
    seeded: &Registered,
    own_share: f64,
) -> Option<Settled> {
    let traces = log.check("disk", "the search finds the token where it is: on the seed ISO", || {
        let traces = secret::traces(&seeded.token)?;
        let seed = std::fs::read(&seeded.seed_iso)?;
        let forms_in = |bytes: &[u8]| {
            let mut forms = Vec::new();
            traces.find(bytes, |_, form| forms.push(form));
            forms
        };
        let plain = forms_in(&seed);
        ensure!(plain == ["the token"], "expected once and plain, in the agent's own file; found {plain:?}");
        let encoded = forms_in(STANDARD.encode(&seed).as_bytes());
        ensure!(encoded.iter().any(|f| f.contains("base64")), "inside base64 only {encoded:?} is found");
        Ok(traces)
    })?;
    let disk = log.check("disk", "read from outside", || RawDisk::of(wiring, overlay, "before"))?;
    tell_the_time_line(log, &disk, own_share);
    log.check("disk", "the search finds the portal's name on it", || {
        let name = Needles::new(vec![("the portal's name".to_owned(), PORTAL_NAME.as_bytes().to_vec())])?;
        ensure!(!disk.find(&name)?.is_empty(), "it is not there: the search looks in the wrong place");
        Ok(())
    });
    log.check("disk", "the token is nowhere on it, in no form", || {
        let found = disk.find(&traces)?;
        let places = found.iter().take(10).map(|(at, form)| format!("{form} at byte {at}"));
        ensure!(found.is_empty(), "{} places: {}", found.len(), places.collect::<Vec<_>>().join(", "));
        Ok(())
    });
    log.check("disk", "settled: identity, firewall, netplan, machine id; no seed", || {
        let root = disk.mount()?;
        let settled = root.inventory(SETTLED)?;
        let there = |path: &str| settled.get(path).is_some_and(|what| what != NOT_THERE);
        for path in
            ["/etc/eyot/firewall.nft", "/etc/eyot/sensor.toml", "/etc/netplan", "/var/lib/eyot/identity"]
        {
            ensure!(there(path), "{path} is not there");
        }
        ensure!(!there("/etc/eyot/seed.toml"), "/etc/eyot/seed.toml is still there");
        let machine_id = root.text("/etc/machine-id")?;
        ensure!(machine_id.trim().len() == 32, "the machine id is \"{}\"", machine_id.trim());
        Ok(settled)
    })
}

/// When what happened at the first boot, and what the agent itself took of that time, which has to be under `own_share`.
fn tell_the_time_line(log: &mut Log, disk: &RawDisk, own_share: f64) {
    let line = log.check("time", "the machine's journal tells the first boot's time line", || {
        TimeLine::of_journal(&disk.mount()?.journal()?)
    });
    let Some(line) = line else { return };
    for (at, what) in &line.milestones {
        log.note("time", &format!("{at:6.1} s after the kernel's start: {what}"));
    }
    for share in &line.shares {
        let waited = (share.elapsed - share.processor).max(0.0);
        log.note(
            "time",
            &format!("{}: {:.2} s of the processor, {waited:.2} s waiting", share.unit, share.processor),
        );
    }
    log.check_showing(
        "time",
        &format!("the agent's own share is under {own_share} s of the processor"),
        || {
            let (processor, waiting) = (line.processor(), line.waiting());
            let words = format!("{processor:.2} s, besides {waiting:.2} s waiting");
            ensure!(processor < own_share, "it is {words}");
            Ok(words)
        },
    );
}

/// An error that names every difference.
fn same(before: &Settled, after: &Settled) -> Result<()> {
    let mut changed = Vec::new();
    for (path, was) in before {
        match after.get(path) {
            Some(is) if is == was => {}
            Some(is) => changed.push(format!("{path}: {was} -> {is}")),
            None => changed.push(format!("{path}: gone")),
        }
    }
    changed
        .extend(after.keys().filter(|path| !before.contains_key(*path)).map(|path| format!("{path}: new")));
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    Ok(())
}
