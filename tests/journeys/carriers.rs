//! Every way a machine is told its settings, once each on a machine that boots: the platform's disc with the OVF
//! environment, SMBIOS strings, the wizard at the serial line, and the package with answers given beforehand on a base
//! that has nothing of Eyot's. Two machines at once; each must end connected.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use eyot_tests::{Artefacts, Office};

use crate::appliance::{connected, vmdk_of};
use crate::disk;
use crate::log::Log;
use crate::machine::{Accelerator, BOOT, MANAGEMENT_MAC};
use crate::portal::{Portal, Registered};
use crate::tool::{output, wait_for, Background};
use crate::wiring::{Wiring, MANAGEMENT_TAP, MONITOR_TAP};

/// From switching on to the portal's word, emulated beside another machine.
const CONNECTED: Duration = Duration::from_secs(900);
/// MAC of the second adapter.
const MONITOR_MAC: &str = "52:54:00:e1:07:02";
/// Folder of the bases that images are baked from, below the repository.
const BASES: &str = ".cache/bases";

/// How a machine is told its token.
#[derive(Clone, Copy)]
enum Carrier {
    OvfDisc,
    Smbios,
    Wizard,
    Preseed,
}

/// Makes the journey.
pub fn journey(artefacts: &Artefacts, _: &Office, log: &mut Log) {
    log.begin("carriers: the same settings by every real carrier");
    let pairs = [
        [(Carrier::OvfDisc, "ovf-disc"), (Carrier::Smbios, "smbios")],
        [(Carrier::Wizard, "wizard"), (Carrier::Preseed, "preseed")],
    ];
    for pair in pairs {
        let mut walks: Vec<Log> = pair.iter().map(|(_, name)| log.walk(name)).collect();
        std::thread::scope(|scope| {
            for ((carrier, name), walk) in pair.into_iter().zip(&mut walks) {
                scope.spawn(move || go(artefacts, carrier, name, walk));
            }
        });
        for walk in walks {
            log.absorb(walk);
        }
    }
}

fn go(artefacts: &Artefacts, carrier: Carrier, name: &'static str, log: &mut Log) -> Option<()> {
    let wiring = log.check("ready", "namespaces, taps, DHCP and DNS", || Wiring::new(name))?;
    let portal = log.check("ready", "the portal answers over TLS", || Portal::start(artefacts, &wiring))?;
    let seeded = log.check("ready", "sensor registered", || portal.register(&wiring, name))?;
    let (system, accelerator) = log.check("ready", "disk and carrier made", || {
        let (image, format) = match carrier {
            Carrier::Preseed => (base(artefacts)?, "raw"),
            _ => vmdk_of(artefacts, &wiring)?,
        };
        let system = disk::overlay(&wiring, &image, format)?;
        let accelerator = Accelerator::probe(artefacts, &system)?;
        Ok((system, accelerator))
    })?;
    let extra = log.check("ready", "the carrier is made", || carry(artefacts, carrier, &wiring, &seeded))?;
    let began = Instant::now();
    let mut machine = log.check("boot", &format!("switched on ({})", accelerator.name()), || {
        Machine::switch_on(&wiring, &accelerator, &system, &extra)
    })?;
    if matches!(carrier, Carrier::Wizard) {
        log.check("wizard", "asks at the serial line, and takes the answers", || machine.answer(&seeded))?;
    }
    log.check("activation", "Sites and sensors lists the sensor as Connected", || {
        wait_for(CONNECTED, Duration::from_secs(2), || {
            machine.still_on()?;
            connected(&portal, &wiring, &seeded)
        })
        .with_context(|| format!("console:\n{}\nportal:\n{}", machine.tail(), portal.said()))
    })?;
    log.note("time", &format!("connected {:.0} s after switching on", began.elapsed().as_secs_f32()));
    log.check("activation", "the token is not on the console", || {
        ensure!(!machine.screen().contains(&seeded.token), "it is");
        Ok(())
    });
    log.check("activation", "from the management side nothing but 443 is open", || {
        let address = wiring.address_of(MANAGEMENT_MAC)?;
        let open = wiring.open_ports(address)?;
        // the package on somebody's own machine leaves SSH to its owner
        let allowed = |port: &u16| *port == 443 || (matches!(carrier, Carrier::Preseed) && *port == 22);
        ensure!(open.iter().all(allowed), "open at {address}: {open:?}");
        Ok(())
    });
    Some(())
}

/// The newest base that `scripts/build` made for Debian.
fn base(artefacts: &Artefacts) -> Result<PathBuf> {
    let folder = artefacts.repository().join(BASES);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("there is no {}: run scripts/build --base debian-12", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "raw"))
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("debian-12")))
        .collect();
    found.sort_by_key(|path| path.metadata().and_then(|m| m.modified()).ok());
    found.pop().with_context(|| format!("{} holds no base of debian-12", folder.display()))
}

/// QEMU's arguments for a carrier, and the files they name.
fn carry(
    artefacts: &Artefacts,
    carrier: Carrier,
    wiring: &Wiring,
    seeded: &Registered,
) -> Result<Vec<String>> {
    let folder = wiring.folder().join("disc");
    std::fs::create_dir(&folder)?;
    let disc = |label: &str| -> Result<Vec<String>> {
        let iso = wiring.folder().join("disc.iso");
        output(
            Command::new("genisoimage")
                .args(["-quiet", "-J", "-R", "-V", label, "-o"])
                .arg(&iso)
                .arg(&folder),
        )?;
        let drive = format!("file={},if=none,id=disc,format=raw,readonly=on,media=cdrom", iso.display());
        Ok(["-drive", &drive, "-device", "ide-cd,drive=disc"].map(str::to_owned).to_vec())
    };
    match carrier {
        Carrier::Wizard => Ok(Vec::new()),
        Carrier::Smbios => Ok(vec![
            "-smbios".to_owned(),
            format!("type=11,value=eyot:activation.token={}", seeded.token),
            "-smbios".to_owned(),
            "type=11,value=eyot:host.name=by-smbios".to_owned(),
        ]),
        Carrier::OvfDisc => {
            let environment = format!(
                r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="">
   <PropertySection>
      <Property oe:key="activation_token" oe:value="{}"/>
      <Property oe:key="host_name" oe:value="by-ovf"/>
      <Property oe:key="management_mode" oe:value="dhcp"/>
   </PropertySection>
</Environment>
"#,
                seeded.token
            );
            std::fs::write(folder.join("ovf-env.xml"), environment)?;
            disc("OVF ENV")
        }
        Carrier::Preseed => {
            std::fs::write(folder.join("meta-data"), format!("instance-id: {}\n", seeded.sensor))?;
            std::fs::write(folder.join("user-data"), INSTALLING)?;
            std::fs::write(
                folder.join("answers"),
                format!("eyot-sensor eyot-sensor/activation_token password {}\n", seeded.token),
            )?;
            std::fs::copy(artefacts.package("eyot-sensor")?, folder.join("eyot-sensor.deb"))?;
            disc("cidata")
        }
    }
}

/// What somebody does who installs the package with answers given beforehand.
const INSTALLING: &str = "#cloud-config
runcmd:
- mount -o ro LABEL=cidata /mnt
- debconf-set-selections /mnt/answers
- DEBIAN_FRONTEND=noninteractive dpkg -i /mnt/eyot-sensor.deb
- umount /mnt
";

/// A machine whose serial line somebody sits at.
struct Machine {
    qemu: Background,
    line: UnixStream,
    screen: Arc<Mutex<String>>,
    seen: usize,
}

impl Machine {
    fn switch_on(wiring: &Wiring, accelerator: &Accelerator, disk: &Path, extra: &[String]) -> Result<Self> {
        let serial = wiring.folder().join("serial.sock");
        let mut qemu = wiring.in_span("qemu-system-x86_64");
        qemu.args(["-accel", accelerator.name(), "-cpu", "max", "-smp", "1", "-m", "1536"])
            .args(["-nodefaults", "-display", "none", "-vga", "none", "-rtc", "base=utc", "-machine", "pc"])
            .arg("-chardev")
            .arg(format!("socket,id=line,path={},server=on,wait=off", serial.display()))
            .args(["-serial", "chardev:line", "-device", "pvscsi,id=scsi"])
            .args(["-device", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1"])
            .arg("-drive")
            .arg(format!("file={},if=none,id=disk,format=qcow2,discard=unmap", disk.display()));
        for (tap, mac, slot) in [(MANAGEMENT_TAP, MANAGEMENT_MAC, 0x10), (MONITOR_TAP, MONITOR_MAC, 0x11)] {
            qemu.args(["-netdev", &format!("tap,id={tap},ifname={tap},script=no,downscript=no")])
                .args(["-device", &format!("vmxnet3,netdev={tap},mac={mac},addr={slot:#x},romfile=")]);
        }
        qemu.args(extra);
        let log = std::fs::File::create(wiring.folder().join("qemu.log"))?;
        qemu.stdout(log.try_clone()?).stderr(log);
        let mut qemu = Background::start(&mut qemu)?;
        let line = wait_for(Duration::from_secs(20), Duration::from_millis(100), || {
            qemu.still_runs()?;
            Ok(UnixStream::connect(&serial)?)
        })?;
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut output, shown) = (line.try_clone()?, Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // ends with the machine
            while let Ok(n @ 1..) = output.read(&mut part) {
                let text = String::from_utf8_lossy(&part[..n]);
                shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(&text);
            }
        });
        Ok(Self { qemu, line, screen, seen: 0 })
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn tail(&self) -> String {
        let screen = self.screen();
        let lines: Vec<_> = screen.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn still_on(&mut self) -> Result<()> {
        self.qemu.still_runs()
    }

    /// Waits for a question and answers it.
    fn reply(&mut self, question: &str, keys: &str) -> Result<()> {
        wait_for(BOOT, Duration::from_millis(200), || {
            self.still_on()?;
            let screen = self.screen();
            let at = screen[self.seen..].find(question);
            let at = at.with_context(|| format!("\"{question}\" is not asked:\n{}", self.tail()))?;
            self.seen += at + question.len();
            Ok(())
        })?;
        // the list below a question is drawn after it
        std::thread::sleep(Duration::from_secs(2));
        // as fast as a serial line
        for part in keys.as_bytes().chunks(16) {
            self.line.write_all(part)?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Goes through the wizard's pages.
    fn answer(&mut self, seeded: &Registered) -> Result<()> {
        self.reply("Press Enter to set up this sensor here", "\r")?;
        self.reply("Which interface reaches the portal?", "\r")?;
        self.reply("How does it get its address?", "\r")?;
        self.reply("Set up proxy server?", "\r")?;
        self.reply("What is the name of the monitored interface?", "\r")?;
        self.reply("Activation token from the portal", &format!("{}\r", seeded.token))?;
        self.reply("activated as", "")
    }
}
