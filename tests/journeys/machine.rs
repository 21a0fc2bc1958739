//! The machine: QEMU with the adapters and controllers of a hypervisor, its console, its power button.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use eyot_tests::Artefacts;

use crate::tool::{output, wait_for, Background};
use crate::wiring::{Wiring, MANAGEMENT_TAP, MONITOR_TAP, MONITOR_TAPS};

/// MAC of the management adapter.
pub const MANAGEMENT_MAC: &str = "52:54:00:e1:07:01";
/// How long a boot may take, emulated on a busy machine.
pub const BOOT: Duration = Duration::from_secs(600);
/// How long shutting down may take: systemd gives a stubborn service 90 s.
const SHUT_DOWN: Duration = Duration::from_secs(180);

/// A machine as a hypervisor has it.
pub struct Hardware {
    /// What starts the disk.
    pub firmware: Firmware,
    /// What the disk hangs on.
    pub bus: Bus,
    /// Its adapters, in the order in which they are given to QEMU; the PCI slot is what the guest goes by.
    pub adapters: &'static [Adapter],
    /// Whether a blank data disk is attached.
    pub data_disk: bool,
}

/// Firmware.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS, on the older of QEMU's two mainboards.
    Bios,
    /// UEFI that trusts everything.
    Uefi,
    /// UEFI with Microsoft's keys, and Secure Boot enforced.
    SecureBoot,
}

/// What the disk hangs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// VMware's paravirtual SCSI; Debian's UEFI has no driver for it.
    Pvscsi,
    /// SCSI by virtio: what a generation 2 machine asks of firmware and disk (QEMU has no VMBus storage).
    VirtioScsi,
    /// IDE, the only thing a generation 1 machine starts from.
    Ide,
}

/// A network adapter.
pub struct Adapter {
    /// In QEMU's words.
    pub model: &'static str,
    /// The tap it is wired to.
    pub tap: &'static str,
    /// Its address.
    pub mac: &'static str,
    /// PCI slot.
    pub slot: u8,
}

/// ESXi: BIOS, pvscsi, two vmxnet3, a data disk.
pub const VMWARE: Hardware = Hardware {
    firmware: Firmware::Bios,
    bus: Bus::Pvscsi,
    adapters: &[
        Adapter { model: "vmxnet3", tap: MANAGEMENT_TAP, mac: MANAGEMENT_MAC, slot: 0x10 },
        Adapter { model: "vmxnet3", tap: MONITOR_TAP, mac: "52:54:00:e1:07:02", slot: 0x11 },
    ],
    data_disk: true,
};

/// ESXi with UEFI and four adapters that are given, numbered and plugged in three different orders.
pub const VMWARE_UEFI: Hardware = Hardware {
    firmware: Firmware::Uefi,
    bus: Bus::VirtioScsi,
    adapters: &[
        Adapter { model: "vmxnet3", tap: MONITOR_TAPS[2], mac: "52:54:00:0a:07:04", slot: 0x13 },
        Adapter { model: "vmxnet3", tap: MONITOR_TAPS[0], mac: "52:54:00:ff:07:02", slot: 0x11 },
        Adapter { model: "vmxnet3", tap: MANAGEMENT_TAP, mac: MANAGEMENT_MAC, slot: 0x10 },
        Adapter { model: "vmxnet3", tap: MONITOR_TAPS[1], mac: "52:54:00:0b:07:03", slot: 0x12 },
    ],
    data_disk: false,
};

/// Hyper-V generation 2: UEFI with Secure Boot, SCSI, two adapters of different makes.
pub const GENERATION_2: Hardware = Hardware {
    firmware: Firmware::SecureBoot,
    bus: Bus::VirtioScsi,
    adapters: &[
        Adapter { model: "e1000e", tap: MONITOR_TAP, mac: "52:54:00:01:07:02", slot: 0x11 },
        Adapter { model: "virtio-net-pci", tap: MANAGEMENT_TAP, mac: MANAGEMENT_MAC, slot: 0x10 },
    ],
    data_disk: false,
};

/// Hyper-V generation 1: BIOS, IDE, and nothing but a management adapter.
pub const GENERATION_1: Hardware = Hardware {
    firmware: Firmware::Bios,
    bus: Bus::Ide,
    adapters: &[Adapter { model: "e1000", tap: MANAGEMENT_TAP, mac: MANAGEMENT_MAC, slot: 0x10 }],
    data_disk: false,
};

/// Which accelerator, in QEMU's words.
pub struct Accelerator(String);

impl Accelerator {
    /// KVM only where a kernel really boots with it; a nested machine may have a `/dev/kvm` that hangs. The build found
    /// that out and wrote it down; its "tcg" is believed, its "kvm" is tried again, in case that was another machine.
    pub fn probe(artefacts: &Artefacts, disk: &Path) -> Result<Self> {
        if let Some(forced) = std::env::var_os("EYOT_ACCELERATOR") {
            return Ok(Self(forced.to_string_lossy().into_owned()));
        }
        if artefacts.fact("accelerator")? == "tcg" {
            return Ok(Self("tcg".to_owned()));
        }
        let probe = artefacts.repository().join("scripts/lib/accelerator.sh");
        Ok(Self(output(Command::new("bash").arg(probe).arg(disk))?.trim().to_owned()))
    }

    /// `kvm` or `tcg`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A machine that is switched on.
pub struct Machine {
    qemu: Background,
    serial: PathBuf,
    qemu_log: PathBuf,
    monitor: PathBuf,
}

impl Machine {
    /// Switches it on. `boot` numbers the boots, each of which has its own console log.
    pub fn switch_on(
        wiring: &Wiring,
        hardware: &Hardware,
        accelerator: &Accelerator,
        disks: &Disks,
        seed_iso: &Path,
        boot: u32,
    ) -> Result<Self> {
        let folder = wiring.folder();
        let serial = folder.join(format!("console-{boot}.log"));
        let qemu_log = folder.join(format!("qemu-{boot}.log"));
        let monitor = folder.join(format!("qemu-{boot}.sock"));
        let mut qemu = wiring.in_span("qemu-system-x86_64");
        qemu.args(["-accel", accelerator.name(), "-cpu", "max", "-smp", "2", "-m", "2048"])
            .args(["-nodefaults", "-display", "none", "-vga", "none", "-rtc", "base=utc"])
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .arg("-drive")
            .arg(drive("disk", &disks.system))
            .arg("-drive")
            .arg(format!("file={},if=none,id=seed,format=raw,readonly=on,media=cdrom", seed_iso.display()));
        firmware(&mut qemu, hardware.firmware, folder)?;
        let (controller, disk, cd): (&[&str], _, _) = match hardware.bus {
            Bus::Pvscsi => (&["pvscsi,id=scsi"], "scsi-hd,bus=scsi.0,drive=", "ide-cd,drive=seed"),
            Bus::VirtioScsi => {
                (&["virtio-scsi-pci,id=scsi"], "scsi-hd,bus=scsi.0,drive=", "scsi-cd,bus=scsi.0,drive=seed")
            }
            Bus::Ide => (&[], "ide-hd,bus=ide.0,drive=", "ide-cd,bus=ide.1,drive=seed"),
        };
        for device in controller {
            qemu.args(["-device", device]);
        }
        qemu.args(["-device", &format!("{disk}disk,bootindex=1")]).args(["-device", cd]);
        if let Some(data) = &disks.data {
            qemu.arg("-drive").arg(drive("data", data)).args(["-device", &format!("{disk}data")]);
        }
        for (n, adapter) in hardware.adapters.iter().enumerate() {
            let Adapter { model, tap, mac, slot } = adapter;
            qemu.args(["-netdev", &format!("tap,id=net{n},ifname={tap},script=no,downscript=no")])
                // no option ROMs: adapters of these hypervisors do not boot from the network before the disk either
                .args(["-device", &format!("{model},netdev=net{n},mac={mac},addr={slot:#x},romfile=")]);
        }
        let log = File::create(&qemu_log)?;
        qemu.stdout(log.try_clone()?).stderr(log);
        let mut machine = Self { qemu: Background::start(&mut qemu)?, serial, qemu_log, monitor };
        wait_for(Duration::from_secs(20), Duration::from_millis(100), || {
            machine.still_on()?;
            ensure!(machine.monitor.exists(), "QEMU has not opened {}", machine.monitor.display());
            Ok(())
        })?;
        Ok(machine)
    }

    /// Waits until a text is on the console.
    pub fn wait_for_console(&mut self, text: &str, limit: Duration) -> Result<()> {
        wait_for(limit, Duration::from_millis(500), || {
            self.still_on()?;
            ensure!(
                self.console().contains(text),
                "\"{text}\" is not on the console, which ends with\n{}",
                self.tail()
            );
            Ok(())
        })
    }

    /// Presses the power button and waits until the machine is off.
    pub fn shut_down(&mut self) -> Result<()> {
        let mut stream = UnixStream::connect(&self.monitor)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        for command in ["qmp_capabilities", "system_powerdown"] {
            writeln!(stream, "{{\"execute\": \"{command}\"}}")?;
            loop {
                let line = lines.next().context("QEMU closed its monitor")??;
                if line.contains("\"return\"") {
                    break;
                }
                ensure!(!line.contains("\"error\""), "QEMU refuses {command}: {line}");
            }
        }
        self.qemu.wait(SHUT_DOWN).with_context(|| format!("the console ends with\n{}", self.tail()))
    }

    /// All the console has shown.
    pub fn console(&self) -> String {
        std::fs::read(&self.serial)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of the console.
    pub fn tail(&self) -> String {
        let console = self.console();
        let lines: Vec<_> = console.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn still_on(&mut self) -> Result<()> {
        if let Err(error) = self.qemu.still_runs() {
            let said = std::fs::read_to_string(&self.qemu_log).unwrap_or_default();
            bail!("{error:#}: {said}\n{}", self.tail());
        }
        Ok(())
    }
}

/// The machine's own disks, as overlays over what was shipped.
pub struct Disks {
    /// The system disk.
    pub system: PathBuf,
    /// The data disk.
    pub data: Option<PathBuf>,
}

/// A disk for QEMU. unmap: what the machine discards is gone from the file too, so what is found later is really on the
/// disk.
fn drive(id: &str, file: &Path) -> String {
    format!("file={},if=none,id={id},format=qcow2,discard=unmap,detect-zeroes=unmap", file.display())
}

/// Mainboard and firmware; UEFI's variables are this machine's own.
fn firmware(qemu: &mut Command, firmware: Firmware, folder: &Path) -> Result<()> {
    let (machine, code, template) = match firmware {
        Firmware::Bios => {
            qemu.args(["-machine", "pc"]);
            return Ok(());
        }
        Firmware::Uefi => ("q35", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        Firmware::SecureBoot => ("q35,smm=on", "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"),
    };
    let variables = folder.join("OVMF_VARS.fd");
    if !variables.exists() {
        let template = Path::new(OVMF).join(template);
        std::fs::copy(&template, &variables)
            .with_context(|| format!("cannot copy {} (package ovmf)", template.display()))?;
    }
    if firmware == Firmware::SecureBoot {
        // the variables can be written by the firmware only, not by what it starts
        qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
    }
    qemu.args(["-machine", machine])
        .arg("-drive")
        .arg(format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/{code}"))
        .arg("-drive")
        .arg(format!("if=pflash,format=raw,unit=1,file={}", variables.display()));
    Ok(())
}

/// Where Debian's package ovmf puts firmware.
const OVMF: &str = "/usr/share/OVMF";
