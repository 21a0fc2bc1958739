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
use crate::wiring::{Wiring, MANAGEMENT_TAP, MONITOR_TAP};

/// MAC of the first adapter.
pub const MANAGEMENT_MAC: &str = "52:54:00:e1:07:01";
/// MAC of the second adapter.
pub const MONITOR_MAC: &str = "52:54:00:e1:07:02";
/// How long a boot may take, emulated on a busy machine.
pub const BOOT: Duration = Duration::from_secs(600);
/// How long shutting down may take: systemd gives a stubborn service 90 s.
const SHUT_DOWN: Duration = Duration::from_secs(180);

/// Which hypervisor's machine it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// As ESXi has it: BIOS, pvscsi, two vmxnet3.
    Vmware,
    /// UEFI with virtio-scsi, virtio-net and e1000e: what a generation 2 machine asks of firmware and disk (QEMU has no
    /// VMBus storage or network).
    Uefi,
}

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
        hardware: Hardware,
        accelerator: &Accelerator,
        disk: &Path,
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
            // unmap: what the machine discards is gone from the file too, so what is found later is really on the disk
            .arg(format!(
                "file={},if=none,id=disk,format=qcow2,discard=unmap,detect-zeroes=unmap",
                disk.display()
            ))
            .arg("-drive")
            .arg(format!("file={},if=none,id=seed,format=raw,readonly=on,media=cdrom", seed_iso.display()))
            .arg("-netdev")
            .arg(format!("tap,id=management,ifname={MANAGEMENT_TAP},script=no,downscript=no"))
            .arg("-netdev")
            .arg(format!("tap,id=monitor,ifname={MONITOR_TAP},script=no,downscript=no"));
        // no option ROMs: adapters of these hypervisors do not boot from the network before the disk either
        let adapter = |model: &str, netdev: &str, mac: &str, slot: u8| {
            format!("{model},netdev={netdev},mac={mac},addr={slot:#x},romfile=")
        };
        match hardware {
            Hardware::Vmware => {
                qemu.args([
                    "-machine",
                    "pc",
                    "-device",
                    "pvscsi,id=scsi",
                    "-device",
                    "scsi-hd,bus=scsi.0,drive=disk,bootindex=1",
                ])
                .args(["-device", "ide-cd,drive=seed"])
                .args(["-device", &adapter("vmxnet3", "management", MANAGEMENT_MAC, 0x10)])
                .args(["-device", &adapter("vmxnet3", "monitor", MONITOR_MAC, 0x11)]);
            }
            Hardware::Uefi => {
                let variables = folder.join("OVMF_VARS.fd");
                if !variables.exists() {
                    std::fs::copy(OVMF_VARIABLES, &variables)
                        .with_context(|| format!("cannot copy {OVMF_VARIABLES} (package ovmf)"))?;
                }
                qemu.args(["-machine", "q35"])
                    .arg("-drive")
                    .arg(format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}"))
                    .arg("-drive")
                    .arg(format!("if=pflash,format=raw,unit=1,file={}", variables.display()))
                    .args([
                        "-device",
                        "virtio-scsi-pci,id=scsi",
                        "-device",
                        "scsi-hd,bus=scsi.0,drive=disk,bootindex=1",
                    ])
                    .args(["-device", "scsi-cd,bus=scsi.0,drive=seed"])
                    .args(["-device", &adapter("virtio-net-pci", "management", MANAGEMENT_MAC, 0x10)])
                    .args(["-device", &adapter("e1000e", "monitor", MONITOR_MAC, 0x11)]);
            }
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

const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
